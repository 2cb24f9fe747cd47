"""What the README shows of the library, in a notebook."""

import pytest
from test_readme import ROOT
from test_readme import SNIPPETS

MISSING = "pip install nbclient ipykernel"
nbclient = pytest.importorskip("nbclient", reason=MISSING)
nbformat = pytest.importorskip("nbformat", reason=MISSING)
pytest.importorskip("ipykernel", reason=MISSING)


def run(folder, *programs):
    """Runs programs as the cells of a notebook; returns the outputs of each."""
    cells = [nbformat.v4.new_code_cell(program) for program in programs]
    notebook = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    ).execute()
    return [cell.outputs for cell in notebook.cells]


def text_of(outputs):
    return "".join(each.get("text", "") for each in outputs)


def test_snippets_and_pictures_in_a_notebook(tmp_path):
    for name in ("saved_models", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert len(SNIPPETS) == 3  # test_readme.py runs the last one.
    programs = *SNIPPETS[:2], "genotype", "supernet.summary()"
    search, classify, picture, summary = run(tmp_path, *programs)
    assert (tmp_path / "genotype.json").exists()
    assert "loss" in text_of(search) and "Variant folder" not in text_of(search)
    assert text_of(classify).strip().startswith("[[")
    [shown] = picture
    assert shown.data["image/svg+xml"].startswith("<svg")
    assert all(f"cell_{number}" in str(summary) for number in range(3))
