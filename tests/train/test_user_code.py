"""Files of the user, from the search to the export: `--import my_file.py`."""

import contextlib
import io
import json
import shlex
import sys

import keras
import pytest
import sample_data
import scripts

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.imports import recorded_imports
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.experiments.study import execution
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.operations import base
from keras_atdarts.search import regularizers

GATE = """
import keras
import tensorflow as tf

import keras_atdarts


@keras_atdarts.register_operation("mine")
class Mine(keras.layers.Layer):
    def build(self, input_shape):
        self.strength = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * keras.ops.sigmoid(self.strength * inputs)


@keras_atdarts.register_regularizer("no_mine")
def no_mine(alphas):
    return tf.reduce_mean(alphas["normal"].operations.weights["mine"])
"""


@pytest.fixture(autouse=True, scope="module")
def registries():
    """Other tests run over all operations: they get the registries back."""
    saved = [dict(each._REGISTRY) for each in (base, regularizers)]
    yield
    for each, entries in zip((base, regularizers), saved, strict=True):
        each._REGISTRY.clear()
        each._REGISTRY.update(entries)
    forget()


def forget():
    """Unloads all files, as if a new process began."""
    for name in [name for name in sys.modules if name.startswith("imported_")]:
        del sys.modules[name]
    for registry in (base._REGISTRY, regularizers._REGISTRY):
        for name in ("mine", "no_mine"):
            registry.pop(name, None)


def run(name, *words):
    """Runs a script as if in a new process; returns what it printed."""
    forget()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert scripts.run(name, *words) == 0
    return output.getvalue()


def next_words(printed):
    (line,) = (line for line in printed.splitlines() if line.startswith("Next: "))
    return shlex.split(line.removeprefix("Next: "))[2:]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A search, a retraining, an evaluation and an export, each told by the last."""
    place = tmp_path_factory.mktemp("imports")
    images = sample_data.write_image_folder(place / "images", (8, 8, 1))
    (place / "gate.py").write_text(GATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ["--import", "gate.py", "--dataset", images, "--workdir", "a"]
        words += ["--operations", "none", "mine", "--regularizers", "no_mine=0.5"]
        printed = run("search.py", *words, *scripts.SMALL, "--epochs", 1)
        words = next_words(printed)
        words += [*scripts.SMALL, "--epochs", 1]
        words = next_words(run("retrain.py", *words))
        words = next_words(run("evaluate.py", *words))
        run("export.py", *words)
    return place


def test_layer_of_the_user_goes_all_the_way(road):
    genotype = Genotype.load(road / "a" / workdir.GENOTYPE)
    assert {edge.operation for _, _, edge in genotype.operations()} == {"mine"}
    path = str(road / "gate.py")
    for name in ("a", "a-net"):
        saved = RunDirectory(road / name).read_json(workdir.CONFIG)
        assert saved["config"]["imports"] == [path]
    assert (road / "a-net" / workdir.EVALUATION).exists()
    assert (road / "saved_models" / "a-net" / "saved_model.pb").exists()


def test_penalty_of_the_user_is_that_of_the_supernet(road):
    forget()
    load_imports([str(road / "gate.py")])
    supernet = keras.saving.load_model(road / "a" / workdir.SUPERNET)
    [penalty] = supernet.architect.regularizers
    assert (penalty.name, penalty.strength) == ("no_mine", 0.5)


def test_resumed_run_and_report_need_no_flag(road, capsys):
    forget()
    words = ["--dataset", road / "images", "--workdir", road / "a", *scripts.SMALL]
    words += ["--operations", "none", "mine", "--regularizers", "no_mine=0.5"]
    assert scripts.run("search.py", *words, "--epochs", 1, "--resume") == 0
    assert "nothing to resume" in capsys.readouterr().out
    for name in ("a", "a-net"):
        assert "does without" not in run("report.py", road / name)


def test_choice_and_study_pass_the_file_on(road, tmp_path, monkeypatch):
    def run_here(unit, step, *_):
        run(*step.command())
        return 0

    monkeypatch.setattr(execution, "run_step", run_here)
    cell = CellGenotype([[("mine", 0), ("skip_connect", 1)]], [2])
    Genotype(cell, cell).save(tmp_path / "b.json")
    own = ["--import", road / "gate.py"]
    words = [road / "a", tmp_path / "b.json", *own, "--workdir", tmp_path / "choice"]
    words += ["--dataset", road / "images", "--epochs", 1, *scripts.SMALL]
    assert next_words(run("choose.py", *words))[-4:-2] == [*map(str, own)]
    words = ["--arms", tmp_path / "b.json", "--seeds", 1, *own]
    words += ["--dataset", road / "images", "--workdir", tmp_path / "study"]
    words += ["--retrain", "filters=4", "num_cells=3", "batch_size=4", "epochs=1"]
    run("compare.py", *words)
    assert "b: " in run("compare.py", "--workdir", tmp_path / "study")
    network = tmp_path / "study" / "runs" / "b" / "1" / "network"
    assert recorded_imports(network) == (str(road / "gate.py"),)


def test_file_that_has_moved_is_named_and_can_be_given_anew(road, tmp_path, capsys):
    forget()
    moved = tmp_path / "gate.py"
    (road / "gate.py").rename(moved)
    try:
        words = ["evaluate.py", "--workdir", road / "a-net"]
        assert scripts.run(*words) == 2
        error = capsys.readouterr().err
        assert f"--import '{road / 'gate.py'}': there is no such file" in error
        assert error.count("\n") == 1
        assert "does without code of the run" in run("report.py", road / "a-net")
        own = ["--import", str(moved)]
        assert next_words(run(*words, *own))[-2:] == own
        run("explain.py", road / "a-net", "--no-worth", *own)
    finally:
        moved.rename(road / "gate.py")


def refusal(capsys, *words):
    assert scripts.run(*words) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1 and not output.out
    return output.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "x = 1\nraise OSError('no\\nmore')",
            "failed at line 2: OSError: no. Expected",
        ),
        ("def f(:", "failed at line 1: SyntaxError"),
        ("import nonsense_of_mine", "at line 1: ModuleNotFoundError: No module named"),
        ("import sys\nsys.exit()", "failed at line 2: SystemExit: no message"),
        (GATE.replace("mine", "none"), "An operation named 'none' exists already"),
    ],
)
def test_file_that_fails_is_one_line(text, expected, tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(text)
    words = ["search.py", "--workdir", tmp_path / "run", "--import", path]
    error = refusal(capsys, *words)
    assert f"--import '{path}'" in error and expected in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--import", "absent.py"], "absent.py': there is no such file"),
        (["--import", "no_such_module"], "--import 'no_such_module' failed: Module"),
        (["--import", "a-b"], "imports must be one or more values, each a file *.py"),
        (["--operations", "none", "mine"], "'mine'"),
        (["--regularizers", "no_mine=1"], "Unknown regularizer 'no_mine'"),
        (["--regularizers", "skip_connections=much"], "must be a number"),
    ],
)
def test_what_cannot_be_used_is_refused(words, expected, tmp_path, capsys):
    forget()
    error = refusal(capsys, "search.py", "--workdir", tmp_path / "run", *words)
    assert expected in error


def test_files_are_loaded_once_and_names_must_differ(tmp_path):
    forget()
    paths = [tmp_path / "gate.py", tmp_path / "other" / "gate.py"]
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text(GATE)
    load_imports([str(paths[0]), "json"])
    load_imports([str(paths[0])])
    assert "mine" in base._REGISTRY
    with pytest.raises(InputError, match="has the name of '.*gate.py'"):
        load_imports([str(paths[1])])


def test_older_runs_have_imported_nothing(tmp_path):
    assert recorded_imports(tmp_path) is None
    for content in ("{", "[]", json.dumps({"config": {"epochs": 1}})):
        (tmp_path / workdir.CONFIG).write_text(content)
        assert recorded_imports(tmp_path) is None
