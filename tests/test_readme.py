"""What the README shows is run, in the order in which it stands there."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None,
    reason="keras.utils.plot_model needs Graphviz: apt install graphviz",
)


def run(folder, program):
    """Runs a program in a folder that has what the README's root has."""
    for name in ("saved_models", "docs"):
        (folder / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


@needs_graphviz
def test_a_snippet_plots(tmp_path):
    run(tmp_path, SNIPPETS[2])
    assert (tmp_path / "network.png").exists()


def test_the_readme_is_short():
    assert README.count("\n") <= 200


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert links or path.name != "README.md"
    for name in links:
        assert (path.parent / name).exists(), name
    programs = re.findall(r"python ((?:train|benchmarks|tools)/\w+\.py)", text)
    tests = re.findall(r"tests/(?:\w+/)*\w+(?:\.py)?", text)
    for name in (*programs, *tests):
        assert (ROOT / name).exists(), name


def test_examples_of_extensions_run():
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 3
    program = (
        "\n".join(examples)
        + """
layer = keras_atdarts.operations.build_operation("swish_gate", 4, 2)
assert layer(keras.ops.ones((2, 6, 6, 4))).shape == (2, 3, 3, 4)
from keras_atdarts.search.regularizers import resolve_regularizers
supernet = keras_atdarts.Supernet(3, 2, 3, "darts", num_nodes=1)
supernet.build((None, 8, 8, 1))
[rule] = resolve_regularizers(["no_pools=0.5"])
assert 0 < rule(supernet.alphas.named()) < 0.5
supernet.compile("sgd", "adam", architect=Signs([rule]))
batch = keras.ops.ones((2, 8, 8, 1)), keras.ops.ones(2, "int32")
supernet.train_step((batch, batch))
"""
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_scripts_are_listed():
    for script in (ROOT / "train").glob("*.py"):
        assert f"`{script.name}`" in README
