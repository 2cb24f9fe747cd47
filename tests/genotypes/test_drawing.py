"""Pictures of cells as files: as SVG, and by Graphviz, in its DOT text."""

import collections
import shutil

import pydot
import pytest
from sample_genotypes import ATTENTION_CELL

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes import drawing as plots
from keras_atdarts.genotypes.cell_picture import ATTENTION
from keras_atdarts.genotypes.cell_picture import cell_svg
from keras_atdarts.genotypes.drawing import plot_genotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.graphviz import cell_graph
from keras_atdarts.genotypes.names import source_name

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="needs Graphviz: apt install graphviz"
)

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg ", "pdf": b"%PDF-"}


def edges_in_text(graph):
    """Returns `(source, target, label)` of all edges, read back from DOT text."""
    (read,) = pydot.graph_from_dot_data(graph.to_string())
    return collections.Counter(
        tuple(
            text and text.strip('"')
            for text in (edge.get_source(), edge.get_destination(), edge.get_label())
        )
        for edge in read.get_edges()
    )


def expected_edges(cell):
    edges = [
        (source_name(edge.source), source_name(node), edge.operation)
        for node, node_edges in enumerate(cell.nodes, start=2)
        for edge in node_edges
    ]
    outputs = [(source_name(source), "c_k", None) for source in cell.concat]
    return collections.Counter(edges + outputs)


def cells():
    yield pytest.param(ATTENTION_CELL, id="attention")
    for name in published_genotypes():
        for cell_type, cell in Genotype.published(name).cells():
            yield pytest.param(cell, id=f"{name}-{cell_type}")


@pytest.mark.parametrize("cell", cells())
def test_text_has_exactly_the_edges_of_the_cell(cell):
    assert edges_in_text(cell_graph(cell, "cell", ATTENTION)) == expected_edges(cell)


def test_every_node_is_drawn_once_and_coloured_by_its_role():
    graph = cell_graph(ATTENTION_CELL, "a title", ATTENTION)
    nodes = [(node.get_name().strip('"'), node) for node in graph.get_nodes()]
    drawn = [(name, node.get("fillcolor")) for name, node in nodes if name != "node"]
    names, colours = zip(*drawn, strict=True)
    nodes = [f"node {node}" for node in range(4)]
    assert names == ("c_{k-2}", "c_{k-1}", *nodes, "c_k")
    roles = (colours[:2], colours[2:6], colours[6:])
    assert [len(set(role)) for role in roles] == [1, 1, 1]
    assert len(set(colours)) == 3
    assert graph.get("label") == "a title"
    assert graph.get("rankdir") == "LR"


def test_highlighted_operations_and_only_these_stand_out():
    graph = cell_graph(ATTENTION_CELL, "cell", ATTENTION)
    styles = collections.defaultdict(set)
    for edge in graph.get_edges():
        if edge.get("label"):
            style = (edge.get("color"), edge.get("penwidth"), edge.get("fontname"))
            styles["attention" in edge.get("label")].add(style)
    (highlighted,), (plain,) = styles[True], styles[False]
    assert all(a != b for a, b in zip(highlighted, plain, strict=True))


@needs_dot
def test_pictures_of_every_format_are_written(tmp_path):
    genotype = Genotype.published("DARTS_V2")
    written = plot_genotype(genotype, tmp_path / "new" / "cells", plots.FORMATS)
    assert sorted(path.name for path in written) == sorted(
        f"{cell_type}.{suffix}"
        for cell_type in ("normal", "reduction")
        for suffix in plots.FORMATS
    )
    for path in written:
        assert path.read_bytes().startswith(SIGNATURES[path.suffix[1:]])
    assert set(written) == set((tmp_path / "new" / "cells").iterdir())


def broken_dot(directory):
    program = directory / "dot"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)


@pytest.fixture(params=[None, broken_dot])
def without_graphviz(request, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    if request.param:
        request.param(programs)
    monkeypatch.setenv("PATH", str(programs))


def test_cells_are_drawn_without_graphviz(without_graphviz, tmp_path, capfd):
    genotype = Genotype.published("DARTS_V2")
    written = plot_genotype(genotype, tmp_path / "cells")
    assert [path.name for path in written] == ["normal.svg", "reduction.svg"]
    assert sorted((tmp_path / "cells").iterdir()) == written
    for path, (cell_type, cell) in zip(written, genotype.cells(), strict=True):
        assert path.read_text() == cell_svg(cell, f"{cell_type} cell")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["png", "pdf"])
def test_formats_of_graphviz_say_what_to_install(without_graphviz, name, tmp_path):
    genotype = Genotype.published("DARTS_V2")
    with pytest.raises(InputError, match="apt install graphviz.* svg") as error:
        plot_genotype(genotype, tmp_path / "cells", ["svg", name])
    assert name in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "cells").exists()


def test_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="picture format 'pgn'. Did you mean 'png'"):
        plot_genotype(Genotype.published("DARTS_V2"), tmp_path / "cells", ["pgn"])
    assert not (tmp_path / "cells").exists()


def test_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/cells: the cells cannot be written"):
        plot_genotype(Genotype.published("DARTS_V2"), tmp_path / "file" / "cells")
