"""Studies that are killed, fail or run side by side, with scripts that only pretend."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import scripts
import study_fakes

from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.study.arms import GIVEN
from keras_atdarts.experiments.study.arms import parse_arm
from keras_atdarts.experiments.study.description import Description
from keras_atdarts.experiments.study.execution import run_all
from keras_atdarts.experiments.study.execution import run_unit
from keras_atdarts.experiments.study.units import SEARCH
from keras_atdarts.experiments.study.units import TRAINING
from keras_atdarts.experiments.study.units import StepTimes
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes

PATIENCE = 60  # Seconds.
STEPS = ("search", "retrain", "evaluate")


@pytest.fixture
def fakes(tmp_path):
    fakes = study_fakes.FakeScripts(tmp_path / "scripts")
    drawn = random_genotypes(["none", "skip_connect", "sep_conv_3x3"], 2, seed=0)
    for arm, genotype in zip(("darts", "random"), drawn, strict=True):
        fakes.genotype(arm, genotype)
    return fakes


@pytest.fixture
def units(tmp_path):
    description = study_fakes.describe(["darts", "random", "DARTS_V1"])
    return study_fakes.begin(tmp_path / "study", description)[1]


def wait_until(true, process=None):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


def problems(outcomes):
    return {outcome.unit: outcome.problem for outcome in outcomes}


def test_all_steps_of_all_units_run_once(fakes, units):
    assert set(problems(run_all(units, fakes.path, jobs=1)).values()) == {None}
    expected = [
        f"{step} {arm} {seed}"
        for seed in (0, 1)
        for arm in ("darts", "random", "DARTS_V1")
        for step in STEPS[arm == "DARTS_V1" :]
    ]
    assert fakes.calls() == expected
    assert all(unit.is_done() for unit in units)
    again = problems(run_all(units, fakes.path, jobs=1))
    assert again == {str(unit): None for unit in units}
    assert fakes.calls() == expected


@pytest.mark.parametrize("preset", sorted(SearchConfig.presets))
def test_scripts_understand_what_they_are_told(preset, tmp_path):
    """They end up with the configurations of the study, in all that counts."""
    values = {"flip": False, "weight_decay": 0.5, "data_dir": "somewhere"}
    search = SearchConfig.preset(preset, clip_norm=None, **values)
    description = Description(
        (parse_arm("no_none"), parse_arm("random"), parse_arm("DARTS_V1")),
        (4,),
        search,
        RetrainConfig.preset(search.retrain_preset, epochs=700, **values),
    )
    _, units = study_fakes.begin(tmp_path, description)
    for unit, arm in zip(units, description.arms, strict=True):
        expected = {
            "search.py": description.search_config(arm, 4),
            "retrain.py": description.retrain_config(4),
        }
        *trained, evaluation = unit.steps
        for step in trained:
            script, *words = step.command()
            arguments = scripts.load(script).parse_arguments(words)
            config = expected.pop(script)
            told = config_from_arguments(type(config), arguments)
            for name in config.to_dict():
                assert getattr(told, name) == getattr(config, name) or not (
                    config.counts(name)
                )
            assert arguments.workdir == step.workdir
        assert expected == ({"search.py": None} if arm.kind == GIVEN else {})
        script, *words = evaluation.command()
        assert (script, words) == (
            "evaluate.py",
            ["--workdir", str(trained[-1].workdir)],
        )
        genotype = arguments.genotype
        if arm.kind == GIVEN:
            assert Genotype.load(genotype) == arm.genotype
        else:
            assert genotype == str(trained[0].workdir / "genotype.json")


def test_failed_unit_leaves_the_others_alone(fakes, units):
    fakes.mark("fail", "retrain", units[1])
    found = list(run_all(units, fakes.path, jobs=1))
    failed = [outcome for outcome in found if outcome.problem]
    assert problems(failed) == {
        "random, seed 0": "its training failed with exit code 1."
    }
    assert str(failed[0]).endswith(f"Its output: {units[1].log(TRAINING)}")
    assert "an exploding network" in units[1].log(TRAINING).read_text()
    assert [unit.is_done() for unit in units] == [True, False, *4 * [True]]
    (fakes.path / "fail-retrain-random-0").unlink()
    assert set(problems(run_all(units, fakes.path, jobs=1)).values()) == {None}
    assert fakes.calls()[-2:] == ["retrain random 0 resumed", "evaluate random 0"]


def test_script_that_leaves_no_result_has_failed(fakes, units):
    (fakes.path / "evaluate.py").write_text("")
    (outcome,) = run_all(units[:1], fakes.path, jobs=1)
    assert outcome.problem == "its evaluation failed with exit code 0."


def test_run_that_cannot_be_written_leaves_the_others_alone(fakes, units):
    units[1].path.parent.mkdir(parents=True)
    units[1].path.touch()
    found = problems(run_all(units[:3], fakes.path, jobs=1))
    assert "Cannot write the run to" in found.pop("random, seed 0")
    assert set(found.values()) == {None} and len(found) == 2


def test_jobs_run_side_by_side(fakes, units):
    held = [fakes.mark("hold", "search", unit) for unit in units[:2]]
    outcomes = []
    pool = threading.Thread(
        target=lambda: outcomes.extend(run_all(units, fakes.path, jobs=2))
    )
    pool.start()
    wait_until(lambda: (fakes.path / "calls").exists() and len(fakes.calls()) == 2)
    assert sorted(fakes.calls()) == ["search darts 0", "search random 0"]
    for path in held:
        path.unlink()
    pool.join(PATIENCE)
    assert len(outcomes) == len(units) and all(unit.is_done() for unit in units)


def test_leaving_early_ends_the_running_process(fakes, units):
    fakes.mark("hold", "search", units[1])
    outcomes = run_all(units, fakes.path, jobs=1)
    assert next(outcomes).problem is None
    log = units[1].log(SEARCH)
    wait_until(lambda: log.exists() and "begun" in log.read_text())
    assert not study_fakes.is_left_alone(units[1])
    outcomes.close()
    assert study_fakes.is_left_alone(units[1])
    assert fakes.calls()[-1] == "search random 0"


def compare(fakes, *words):
    """Starts the real compare.py with the scripts that only pretend."""
    command = [sys.executable, fakes.path / "compare.py", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process):
    try:
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return printed


def test_killed_study_goes_on_where_it_was(fakes, units, tmp_path):
    """Its running script lives on at first; nothing is done twice, or between."""
    held = fakes.mark("hold", "retrain", units[1])
    study = tmp_path / "study"
    process = compare(fakes, "--workdir", study)
    log = units[1].log(TRAINING)
    wait_until(lambda: log.exists() and "begun" in log.read_text(), process)
    process.kill()
    process.wait()
    process = compare(fakes, "--workdir", study)
    for line in process.stdout:
        if "waiting for another process" in line:
            break
    held.unlink()
    printed = finish(process)
    assert process.returncode == 0, printed
    assert len(fakes.calls()) == len(set(fakes.calls())) == 16
    assert not any(call.endswith("resumed") for call in fakes.calls())
    assert "random: 89.50 ± 0.71 % (2 runs)" in printed
    seconds = StepTimes(units[1]).seconds(TRAINING)
    assert 0 < seconds < PATIENCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_study_says_how_to_go_on(fakes, units, tmp_path, number):
    held = fakes.mark("hold", "search", units[0])
    study = tmp_path / "study"
    process = compare(fakes, "--workdir", study, "--jobs", 2)
    log = units[0].log(SEARCH)
    wait_until(lambda: log.exists() and "begun" in log.read_text(), process)
    process.send_signal(number)
    *_, last = finish(process).splitlines()
    assert process.returncode == 130
    assert "runs are left. To go on: " in last and last.endswith(str(study))
    assert study_fakes.is_left_alone(units[0])
    held.unlink()
    outcome = run_unit(units[0], fakes.path)
    assert outcome.problem is None
    assert f"search {units[0].arm} {units[0].seed} resumed" in fakes.calls()


def test_time_of_a_killed_step_ends_with_its_last_words(units):
    unit = units[0]
    unit.path.mkdir(parents=True)
    times = StepTimes(unit)
    assert times.seconds(SEARCH) is None
    times.begin(SEARCH)
    unit.log(SEARCH).write_text("the last words")
    begin = time.time()
    os.utime(unit.log(SEARCH), (begin, begin + 100))
    assert times.seconds(SEARCH) == pytest.approx(100, abs=5)
    times.begin(SEARCH)
    times.end(SEARCH)
    assert times.seconds(SEARCH) == pytest.approx(100, abs=5)
