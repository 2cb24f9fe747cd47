"""Studies on a cluster; what needs Ray itself is skipped where it is not installed."""

import sys
import time

import pytest
import scripts
import study_fakes

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.study.on_ray import check_fits
from keras_atdarts.experiments.study.on_ray import connect
from keras_atdarts.experiments.study.on_ray import run_all_on_ray
from keras_atdarts.experiments.study.units import TRAINING
from keras_atdarts.genotypes.genotype import Genotype


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["--workdir", tmp_path / "a", "--arms", "DARTS_V2", "--ray"]
    assert scripts.run("compare.py", *words) == 2
    assert capsys.readouterr().err == (
        "compare.py: error: --ray needs Ray, which is not installed. Install it with "
        "'pip install -r requirements-ray.txt', or give --jobs instead.\n"
    )
    assert not (tmp_path / "a").exists()
    assert (scripts.FOLDER.parent / "requirements-ray.txt").exists()


def test_claims_that_no_machine_has_are_refused():
    machines = [{"Resources": {"CPU": 8.0}}, {"Resources": {"CPU": 2.0, "GPU": 1.0}}]
    for cpus, gpus in ((8, 0), (2, 1)):
        check_fits(cpus, gpus, machines)
    with pytest.raises(InputError) as caught:
        check_fits(4, 1, machines)
    assert "4 CPUs and 1 GPUs" in str(caught.value)
    assert "they have 8 CPUs and 0 GPUs; 2 CPUs and 1 GPUs" in str(caught.value)


def test_ray_carries_out_the_same_units(tmp_path):
    pytest.importorskip("ray")
    fakes = study_fakes.FakeScripts(tmp_path / "scripts")
    fakes.genotype("random", Genotype.load("DARTS_V1"))
    description = study_fakes.describe(["random", "DARTS_V2"], [0])
    _, units = study_fakes.begin(tmp_path / "study", description)
    fakes.mark("fail", "retrain", units[1])
    outcomes = run_all_on_ray(units, fakes.path, None, cpus=1, gpus=0)
    problems = {outcome.unit: outcome.problem for outcome in outcomes}
    assert problems == {
        "random, seed 0": None,
        "DARTS_V2, seed 0": "its training failed with exit code 1.",
    }
    assert units[0].is_done() and not units[1].is_done()


def test_leaving_early_ends_the_processes_of_ray(tmp_path):
    pytest.importorskip("ray")
    fakes = study_fakes.FakeScripts(tmp_path / "scripts")
    description = study_fakes.describe(["DARTS_V1", "DARTS_V2"], [0])
    _, units = study_fakes.begin(tmp_path / "study", description)
    fakes.mark("hold", "retrain", units[1])
    outcomes = run_all_on_ray(units, fakes.path, None, cpus=1, gpus=0)
    assert next(outcomes).unit == str(units[0])
    log = units[1].log(TRAINING)
    while not (log.exists() and "begun" in log.read_text()):
        time.sleep(0.1)
    assert not study_fakes.is_left_alone(units[1])
    outcomes.close()
    assert study_fakes.is_left_alone(units[1])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:x"])
def test_cluster_that_is_not_there(address):
    with pytest.raises(InputError) as caught:
        connect(None, address)
    assert f"There is no Ray cluster at '{address}' (" in str(caught.value)
