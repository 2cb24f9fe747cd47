"""`train/import_weights.py`: weights of the reference on the road of our scripts."""

import numpy as np
import pytest
import reference_state
import sample_data
import scripts

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.text_forms import darts_text
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.reference_weights import load_reference_weights

STATE = reference_state.random_state()
PRINTED = darts_text(reference_state.GENOTYPE)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("import") / "images"
    return sample_data.write_image_folder(folder, shape=(9, 8, 3))


@pytest.fixture
def import_weights(images, monkeypatch):
    """Returns a function that runs the script, which is given the made-up weights."""

    def run(folder, *words, state=STATE):
        script = scripts.load("import_weights.py")
        monkeypatch.setattr(script, "read_weights", lambda path: state)
        words = ["weights.pt", "--workdir", folder, "--dataset", images, *words]
        return scripts.run("import_weights.py", *words)

    return run


def test_an_imported_network_is_evaluated_exported_and_reported(
    import_weights, tmp_path, capsys
):
    assert import_weights(tmp_path / "run", "--genotype", PRINTED) == 0
    printed = capsys.readouterr().out
    assert "Imported: 4 filters, 3 cells, " in printed
    assert f"evaluate.py --workdir {tmp_path / 'run'}\n" in printed
    run = RunDirectory(tmp_path / "run")
    assert not run.is_unfinished()
    assert Genotype.load(run.file(workdir.GENOTYPE)) == reference_state.GENOTYPE
    expected = build_network(reference_state.GENOTYPE, **reference_state.SIZE)
    load_reference_weights(expected, reference_state.GENOTYPE, STATE)
    pixels = np.random.default_rng(0).normal(size=(4, 9, 8, 3)).astype("float32")
    np.testing.assert_allclose(load_network(run)(pixels), expected(pixels), atol=1e-6)

    assert scripts.run("evaluate.py", "--workdir", run.path) == 0
    parameters = sum(weight.numpy().size for weight in expected.trainable_weights)
    assert run.read_json(workdir.EVALUATION)["parameters"] == parameters
    output = ("--output", tmp_path / "model")
    assert scripts.run("export.py", "--workdir", run.path, *output) == 0
    assert scripts.run("report.py", run.path) == 0
    report = run.read_json(workdir.REPORT)
    assert report["finished"] and report["kind"] == "retraining"
    assert "epochs" not in report["config"]
    assert report["evaluation"]["num_examples"] == 3


@pytest.mark.parametrize(
    ("words", "state", "messages"),
    [
        (
            ["--genotype", "DARTS_V2"],
            STATE,
            ["The weights do not fit", "cells.0._ops.", "another genotype"],
        ),
        (["--genotype", PRINTED], {"a": STATE["stem.0.weight"]}, ["not the weights"]),
        (["--genotype", PRINTED[:90]], STATE, ["0 whole ones"]),
        (["--genotype", "DARTS_V3"], STATE, ["Did you mean 'DARTS_V2'"]),
        ([], STATE, ["--genotype"]),
        (
            ["--genotype", PRINTED, "--image-size", "9", "0"],
            STATE,
            ["image_size must be 2 values"],
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_and_nothing_is_written(
    words, state, messages, import_weights, tmp_path, capsys
):
    assert import_weights(tmp_path / "run", *words, state=state) == 2
    error = capsys.readouterr().err
    assert error.startswith("import_weights.py: error: ") and error.count("\n") == 1
    for message in messages:
        assert message in error
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_there_is_kept(import_weights, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    words = ["--genotype", PRINTED]
    assert import_weights(tmp_path, *words) == 2
    assert "not empty" in capsys.readouterr().err
    assert import_weights(tmp_path, *words, "--overwrite") == 0
    assert (tmp_path / "thesis.txt").exists()
