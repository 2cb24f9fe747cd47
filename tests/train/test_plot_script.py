"""`train/plot.py`: cells and networks drawn from the command line."""

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.cell_picture import HIGHLIGHT_LINE
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

SCRIPT = pathlib.Path(__file__).parents[2] / "train" / "plot.py"
SVG = "{http://www.w3.org/2000/svg}"
SMALL = "--num-cells 3 --filters 4 --image-shape 16 20 1 --num-classes 5".split()

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="needs Graphviz: apt install graphviz"
)


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("plot_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.main


@pytest.fixture
def genotype_file(tmp_path):
    normal = CellGenotype([[("channel_attention", 0), ("sep_conv_3x3", 1)]], [2])
    reduction = CellGenotype([[("max_pool_3x3", 0), ("spatial_attention", 1)]], [2])
    Genotype(normal, reduction).save(tmp_path / "genotype.json")
    return tmp_path / "genotype.json"


@pytest.fixture
def without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_cells_are_drawn_with_their_attention(
    main, genotype_file, tmp_path, capsys, without_graphviz
):
    main([str(genotype_file), "--output", str(tmp_path / "cells")])
    for cell_type, plain, attention in (
        ("normal", "sep_conv_3x3", "channel_attention"),
        ("reduction", "max_pool_3x3", "spatial_attention"),
    ):
        picture = ElementTree.parse(tmp_path / "cells" / f"{cell_type}.svg")
        lines = {
            group.find(f"{SVG}text").text: group.find(f"{SVG}path").get("stroke")
            for group in picture.iter(f"{SVG}g")
            if group.get("class") == "edge"
        }
        assert lines.keys() == {plain, attention}
        assert lines[attention] == HIGHLIGHT_LINE != lines[plain]
    printed = capsys.readouterr().out
    assert printed.startswith(str(Genotype.load(genotype_file)))
    assert f"Written to {tmp_path / 'cells' / 'normal.svg'}" in printed


@needs_dot
def test_network_is_drawn_with_the_inside_of_its_cells(main, genotype_file, tmp_path):
    picture = tmp_path / "new" / "network.svg"
    flags = ["--output", str(tmp_path), "--network", str(picture), *SMALL]
    main([str(genotype_file), *flags])
    drawn = picture.read_text()
    for cell in ("cell_0_normal", "cell_1_reduction", "cell_2_reduction"):
        assert drawn.count(f">{cell}<") == 1
    for operation, count in (
        ("channel_attention", 1),
        ("sep_conv_3x3", 1),
        ("spatial_attention", 2),
        ("max_pool_3x3", 2),
    ):
        assert drawn.count(f"_{operation}</text>") == count
    assert "(None, 16, 20, 1)" in drawn
    assert "(None, 5)" in drawn


def test_network_for_large_images_is_drawn(
    main, genotype_file, tmp_path, without_graphviz
):
    flags = ["--output", str(tmp_path), "--network", str(tmp_path / "network.dot")]
    flags += "--stem imagenet --num-cells 3 --filters 4".split()
    main([str(genotype_file), *flags])
    text = (tmp_path / "network.dot").read_text()
    assert all(f"stem_{index}" in text for index in range(3))


@needs_dot
def test_networks_that_graphviz_cannot_draw_with_right_angles(main, tmp_path):
    """Of this genotype's six cells, Graphviz 2.43 draws only curved lines."""
    genotype = SCRIPT.parents[1] / "saved_models/fashion_mnist/assets/genotype.json"
    picture = tmp_path / "network.svg"
    flags = ["--output", str(tmp_path), "--network", str(picture), "--num-cells", "6"]
    main([str(genotype), *flags])
    assert "cell_5_normal" in picture.read_text()


def test_without_graphviz_a_network_is_written_as_text(
    main, genotype_file, tmp_path, without_graphviz
):
    output = tmp_path / "output"
    flags = ["--output", str(output), "--network", str(output / "network.dot"), *SMALL]
    main([str(genotype_file), *flags])
    names = sorted(path.name for path in output.iterdir())
    assert names == ["network.dot", "normal.svg", "reduction.svg"]
    assert "spatial_attention" in (output / "network.dot").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--network", "n.svg"], "plot_model.* apt install graphviz.* file .dot"),
        (["--network", "n.png"], "plot_model.* apt install graphviz.* file .dot"),
        (["--format", "svg", "png"], "png .* apt install graphviz.* as svg"),
        (["--format", "pdf"], "pdf .* apt install graphviz.* as svg"),
    ],
)
def test_what_needs_graphviz_says_so(
    flags, message, main, genotype_file, tmp_path, without_graphviz
):
    with pytest.raises(InputError, match=message) as error:
        main([str(genotype_file), "--output", str(tmp_path / "cells"), *flags])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "cells").exists()


def test_a_genotype_travels_through_both_forms(main, tmp_path, capsys):
    flags = ["--output", str(tmp_path / "cells"), "--text"]
    main(["DARTS_V1", *flags, "darts", "nni", "json"])
    printed = capsys.readouterr().out
    expected = Genotype.published("DARTS_V1")
    for name in ("darts.txt", "nni.json", "genotype.json"):
        path = tmp_path / "cells" / name
        assert Genotype.load(path) == expected
        assert f"Written to {path}\n" in printed
        main([path.read_text(), "--output", str(tmp_path / "again")])
        assert str(expected) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--text", "nni"], "DartsSpace has 4 nodes.*received 1 nodes"),
        (["--text", "keras"], "--text: invalid choice: 'keras'"),
        (["--format", "gif"], "--format: invalid choice: 'gif'"),
        (["--network", "n.gif"], "picture format 'gif'"),
        (["--network", "n.dot", "--num-cells", "2"], "at least 3 cells"),
        (["--image-shape", "8", "0", "1"], "--image-shape: .*'0'"),
        (
            "--network n.dot --stem imagenet --image-shape 31 40 3".split(),
            "too small for 5",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    flags, message, main, genotype_file, tmp_path
):
    with pytest.raises(InputError, match=message):
        main([str(genotype_file), "--output", str(tmp_path / "cells"), *flags])
    assert not (tmp_path / "cells").exists()


def test_unknown_operation_ends_with_one_line_and_exit_code_2(genotype_file):
    text = genotype_file.read_text().replace("max_pool_3x3", "max_pool_3x4")
    genotype_file.write_text(text)
    command = [sys.executable, str(SCRIPT), str(genotype_file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    last_line = result.stderr.splitlines()[-1]
    assert last_line.startswith(f"plot.py: error: {genotype_file}: reduction cell: ")
    assert "'max_pool_3x4'. Did you mean 'max_pool_3x3'" in last_line
    assert "Traceback" not in result.stderr
