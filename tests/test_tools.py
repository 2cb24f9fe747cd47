"""The scripts in tools/ that others depend on, not those that were run once."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import study_fakes

from keras_atdarts.experiments.study.execution import run_all
from keras_atdarts.experiments.study.results import collect
from keras_atdarts.genotypes.genotype import Genotype

TOOLS = pathlib.Path(__file__).parents[1] / "tools"


def load(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_kept_study_has_its_results_and_can_go_on(tmp_path):
    fakes = study_fakes.FakeScripts(tmp_path / "scripts")
    fakes.genotype("darts", Genotype.load("DARTS_V1"))
    description = study_fakes.describe(["darts", "mine=DARTS_V2"], (0, 1))
    directory, units = study_fakes.begin(tmp_path / "a", description)
    failing = fakes.mark("fail", "retrain", units[2])  # Its search is finished.
    list(run_all(units, fakes.path, jobs=1))
    expected = collect(directory, description)
    assert [rest["next_step"] for rest in expected["unfinished"]] == ["training"]
    (directory.path / "runs/darts/0/network/network.keras").write_text("large")

    kept = tmp_path / "kept"
    words = [sys.executable, TOOLS / "keep_study.py", directory.path, kept]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "3 of 4 runs are finished" in done.stdout
    names = {path.name for path in kept.rglob("*") if path.is_file()}
    assert not names & {"network.keras", "search.log", "training.log", "lock"}
    directory, units = study_fakes.begin(kept, description)
    found = collect(directory, description)
    assert found["arms"] == expected["arms"]

    failing.unlink()
    called = len(fakes.calls())
    assert {outcome.problem for outcome in run_all(units, fakes.path, 1)} == {None}
    assert fakes.calls()[called:] == ["retrain darts 1", "evaluate darts 1"]
    assert collect(directory, description)["unfinished"] == []


def test_what_is_no_study_is_told_in_one_line(tmp_path):
    words = [sys.executable, TOOLS / "keep_study.py", tmp_path, tmp_path / "kept"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and "There is no study in" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "kept").exists()


def test_kept_alphas_are_rounded(tmp_path):
    (tmp_path / "alphas.json").write_text('[{"epoch": 3, "a": -0.123456}]')
    load("keep_study").keep_alphas(tmp_path / "alphas.json", tmp_path / "kept.json")
    assert (tmp_path / "kept.json").read_text() == '[{"epoch":3,"a":-0.1235}]\n'


@pytest.mark.parametrize("shape", [(128, 192), (300, 451)])
def test_no_pixel_of_a_photograph_is_learned_and_tested(shape):
    numbers = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    pixels = np.repeat(numbers[..., None], 3, axis=-1)
    patches = load("make_photograph_patches").split_patches(pixels)
    train, test = (set(np.ravel(patches[split])) for split in ("train", "test"))
    assert train and test and not train & test
    assert {patch.shape for patch in patches["train"]} == {(32, 32, 3)}
