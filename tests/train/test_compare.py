"""A study from the command line to its page: real searches, trainings, evaluations."""

import contextlib
import io
import json

import pytest
import sample_data
import scripts

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.operations import SEARCH_SPACES

TINY = ["filters=4", "num_cells=3", "batch_size=4", "steps_per_epoch=1", "epochs=1"]
SEED = 7
CELL = CellGenotype([[("channel_attention", 0), ("max_pool_3x3", 1)]], [2])


class Study:
    """A study of chance and of a genotype file, two runs at a time."""

    def __init__(self, path):
        self.path = path / "study"
        images = path / "images"
        sample_data.write_image_folder(images, shape=(8, 8, 1))
        Genotype(normal=CELL, reduction=CELL).save(path / "small.json")
        words = ["--arms", "random", path / "small.json", "--seeds", SEED]
        words += ["--dataset", images, "--retrain", *TINY, "--jobs", 2]
        self.words = ["--workdir", self.path, *words]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.code = scripts.run("compare.py", *self.words)
        self.printed = output.getvalue()

    def run(self, arm):
        return RunDirectory(self.path / "runs" / arm / str(SEED) / "network")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("compare"))


def test_study_runs_to_its_end(study):
    assert study.code == 0, study.printed
    assert "2 runs, of which 0 are finished." in study.printed
    results = json.loads((study.path / "results.json").read_text())
    assert results["unfinished"] == []
    for arm in ("random", "small"):
        [run] = results["arms"][arm]["runs"]
        evaluation = study.run(arm).read_json(workdir.EVALUATION)
        assert run["accuracy"] == evaluation["accuracy"]
        assert run["parameters"] == evaluation["parameters"]
    page = (study.path / "results.md").read_text()
    assert "| small | channel_attention | 2 | 1 | 1 | 0 | 2 | 0 | 2 |" in page
    assert (study.path / "accuracy.svg").read_text().count("<circle") == 2


def test_the_seed_decides_genotype_and_training(study):
    (drawn,) = random_genotypes(SEARCH_SPACES["at_darts"], 1, SEED)
    used = Genotype.load(study.run("random").file(workdir.GENOTYPE))
    assert used == drawn
    for arm in ("random", "small"):
        config = study.run(arm).read_json(workdir.CONFIG)["config"]
        assert (config["seed"], config["filters"]) == (SEED, 4)


def test_finished_study_is_only_reported_again(study, capsys):
    evaluation = study.run("small").file(workdir.EVALUATION)
    before = evaluation.stat().st_mtime_ns
    (study.path / "results.md").unlink()
    for words in (study.words, ["--workdir", study.path]):
        assert scripts.run("compare.py", *words) == 0
        assert "2 runs, of which 2 are finished." in capsys.readouterr().out
    (study.path / "results.md").unlink()
    assert scripts.run("compare.py", "--workdir", study.path, "--report-only") == 0
    assert (study.path / "results.md").exists()
    assert evaluation.stat().st_mtime_ns == before


def test_other_budget_in_the_same_directory_is_refused(study, capsys):
    words = [str(word).replace("filters=4", "filters=6") for word in study.words]
    assert scripts.run("compare.py", *words) == 2
    error = capsys.readouterr().err
    assert "retrain filters (it began with 4, received 6)" in error
    assert error.count("\n") == 1


def test_searched_arm_whose_training_fails(study, tmp_path, capsys):
    """Grey images have no hue, which only the training can know."""
    images = study.words[study.words.index("--dataset") + 1]
    words = ["--arms", "darts", "--seeds", 3, "--dataset", images]
    words += ["--search", *TINY, "--retrain", *TINY, "hue=0.1"]
    path = tmp_path / "study"
    assert scripts.run("compare.py", "--workdir", path, *words) == 1
    output = capsys.readouterr()
    log = path / "runs" / "darts" / "3" / "training.log"
    assert output.err == (
        "compare.py: darts, seed 3: its training failed with exit code 2. "
        f"Its output: {log}\n"
    )
    assert "hue" in log.read_text().splitlines()[-1]
    assert "Not finished: darts, seed 3: training, 0 epochs" in output.out
    search = RunDirectory(log.parent / "search")
    genotype = Genotype.load(search.file(workdir.GENOTYPE))
    names = {edge.operation for _, _, edge in genotype.operations()}
    assert names <= set(SEARCH_SPACES["darts"])
    assert search.read_json(workdir.CONFIG)["config"]["seed"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--report-only"], "There is no study in"),
        (["--report-only", "--jobs", 2], "--report-only takes only --workdir"),
        (["--ray", "--jobs", 2], "Leave one of them out"),
        (["--ray-gpus", 1], "--ray-gpus only counts with --ray"),
        (["--jobs", 0], "must be a whole number of at least 1"),
        (["--arms", "DARTS_V2", "--search", "epochs=3"], "only count with an arm"),
        (["--search", "order=1", "hessian=exact"], "--hessian only counts with"),
        (["--dataset", "nonsense"], "Unknown data set 'nonsense'"),
        (["--search-preset", "paper", "--retrain-preset", "cpu"], "same dataset"),
        (["--search-preset", "pape"], "--search: Unknown preset 'pape'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words, message, tmp_path, capsys):
    assert scripts.run("compare.py", "--workdir", tmp_path / "a", *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_study_is_no_worker_of_several(tmp_path, monkeypatch, capsys):
    cluster = {"worker": ["host1:2222", "host2:2222"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    assert scripts.run("compare.py", "--workdir", tmp_path / "a") == 2
    assert "on a single machine, without TF_CONFIG" in capsys.readouterr().err
