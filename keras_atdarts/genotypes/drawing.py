"""The cells of a genotype as pictures, drawn by Graphviz."""

import pathlib
import sys

import pydot

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.cell import NUM_INPUTS
from keras_atdarts.genotypes.cell import source_name

FORMATS = ("png", "svg", "pdf")
GRAPHVIZ_HINT = (
    "No pictures, only DOT text: Graphviz's program 'dot' does not run here. "
    "Install it with: apt install graphviz"
)

FONT = "Arial"
GRAPH_STYLE = {
    "rankdir": "LR",
    "nodesep": 0.55,
    "ranksep": 0.75,
    "dpi": 110,
    "fontname": FONT,
    "fontsize": 18,
    "labelloc": "t",
}
NODE_STYLE = {
    "shape": "box",
    "style": "rounded,filled",
    "penwidth": 1.2,
    "fontname": FONT,
    "fontsize": 18,
}
INPUT_STYLE = {"fillcolor": "#c7e9c0", "color": "#41ab5d"}
INTERMEDIATE_STYLE = {"fillcolor": "#c6dbef", "color": "#4292c6"}
OUTPUT_STYLE = {"fillcolor": "#fee391", "color": "#d9a400"}

OPERATION_STYLE = {"color": "#636363", "fontname": FONT, "fontsize": 14}
HIGHLIGHT_STYLE = {
    "color": "#d94801",
    "fontcolor": "#d94801",
    "penwidth": 2.6,
    "fontname": f"{FONT} Bold",
    "fontsize": 14,
}
CONCAT_STYLE = {"color": "#bdbdbd", "arrowsize": 0.7}


def plot_genotype(genotype, output, formats=("png",), highlight=()):
    """Writes both cells as DOT text and as pictures.

    Where Graphviz's program `dot` is missing, the DOT text is written all the
    same, and one line on stderr says how to get the pictures.

    Args:
        genotype: `Genotype`.
        output: Path of the directory to write to, made if need be.
        formats: Names of picture formats: `"png"`, `"svg"`, `"pdf"`.
        highlight: Names of the operations that are to stand out, e.g. those
            that are attention.

    Returns:
        The list of the paths written: `normal.dot`, `normal.png`, ...,
        `reduction.dot`, ...

    Raises:
        InputError: If a format is unknown or the directory cannot be written.

    Example:

    >>> genotype = Genotype.load("DARTS_V2")
    >>> plot_genotype(genotype, "cells", highlight={"channel_attention"})
    """
    for name in formats:
        check_format(name)
    files = {}
    for cell_type, cell in genotype.cells():
        graph = cell_graph(cell, f"{cell_type} cell", highlight)
        files[f"{cell_type}.dot"] = graph.to_string().encode()
        for name in formats:
            files[f"{cell_type}.{name}"] = cell_picture(graph, name)
    if None in files.values():
        print(GRAPHVIZ_HINT, file=sys.stderr)
    return _write_files(pathlib.Path(output), files)


def check_format(name):
    """Raises an `InputError` for a picture format that is not among `FORMATS`."""
    if name not in FORMATS:
        raise unknown_name("picture format", name, FORMATS)


def cell_graph(cell, title, highlight=()):
    """Returns the drawing of one cell.

    Args:
        cell: `CellGenotype`.
        title: String, written above the cell.
        highlight: Names of the operations that are to stand out.

    Returns:
        A `pydot.Dot`: the two inputs, the intermediate nodes and the output from
        left to right. Each operation is an edge with its name.
    """
    graph = pydot.Dot("cell", label=title, **GRAPH_STYLE)
    graph.set_node_defaults(**NODE_STYLE)
    for source in range(NUM_INPUTS):
        # Graphviz sets the label between < and > as HTML, with a subscript.
        label = f"<c<sub>k-{NUM_INPUTS - source}</sub>>"
        graph.add_node(pydot.Node(source_name(source), label=label, **INPUT_STYLE))
    for node, edges in enumerate(cell.nodes, start=NUM_INPUTS):
        graph.add_node(pydot.Node(source_name(node), **INTERMEDIATE_STYLE))
        for edge in edges:
            graph.add_edge(_operation_edge(edge, node, highlight))
    graph.add_node(pydot.Node("c_k", label="<c<sub>k</sub>>", **OUTPUT_STYLE))
    for source in cell.concat:
        graph.add_edge(pydot.Edge(source_name(source), "c_k", **CONCAT_STYLE))
    return graph


def _operation_edge(edge, node, highlight):
    is_highlighted = any(name in highlight for name in edge.parts)
    style = HIGHLIGHT_STYLE if is_highlighted else OPERATION_STYLE
    return pydot.Edge(
        source_name(edge.source), source_name(node), label=edge.operation, **style
    )


def cell_picture(graph, picture_format):
    """Returns the bytes of a drawing as a picture; None where `dot` does not run."""
    try:
        return graph.create(format=picture_format)
    except (OSError, AssertionError):  # pydot asserts that `dot` succeeded.
        return None


def _write_files(directory, files):
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if content is not None:
                (directory / name).write_bytes(content)
                written.append(directory / name)
    except OSError as error:
        raise InputError(
            f"{directory}: the cells cannot be written there ({error.strerror})."
        ) from error
    return written
