"""A search whose genotype is selected by perturbation: run, reported, resumed."""

import dataclasses
import functools
import inspect
import json
import re
import shutil

import numpy as np
import pytest
import sample_data
import scripts
from interrupted import Interruption
from interrupted import assert_same_run

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.perturbation_selection import images_to_measure
from keras_atdarts.experiments.runs.perturbation_selection import selection_epochs
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.search.selection import PerturbationSelection
from keras_atdarts.search.selection import plan_rounds
from keras_atdarts.search.supernet import Supernet

EPOCHS, ROUNDS, STEPS = 1, 6, 2  # Cells of two nodes: five edges, and one node.
SETTINGS = (
    f"--filters 4 --num-cells 3 --batch-size 4 --steps-per-epoch {STEPS} "
    f"--epochs {EPOCHS} --selection perturbation --selection-tuning-epochs 1 "
    "--selection-images 10 --checkpoint-steps 1 --sampler gumbel_softmax "
    "--operations none skip_connect avg_pool_3x3"
)
# There are edges to choose among.
run_script = functools.partial(scripts.run, num_nodes=2)


def words_of(path, images):
    return ["search.py", *SETTINGS.split(), "--dataset", images, "--workdir", path]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("selection") / "images"
    return sample_data.write_image_folder(place, (9, 8, 1))


@pytest.fixture(scope="module")
def alone(images, tmp_path_factory):
    """A run that nothing has interrupted."""
    run = RunDirectory(tmp_path_factory.mktemp("selection") / "run")
    assert run_script(*words_of(run.path, images)) == 0
    return run


def test_rounds_have_epochs_between_them(alone):
    history = read_columns(alone.file(workdir.HISTORY))
    assert len(history["epoch"]) == EPOCHS + ROUNDS - 1
    rounds = alone.read_json(workdir.DECISIONS)
    assert [each["epoch"] for each in rounds] == list(range(EPOCHS, EPOCHS + ROUNDS))
    # Two batches of four of the ten images.
    measured = rounds[0]["decisions"][0]["measured"]
    assert measured.keys() == {"skip_connect", "avg_pool_3x3"}
    assert {8 * each["accuracy"] % 1 for each in measured.values()} == {0}
    genotype = Genotype.load(alone.file(workdir.GENOTYPE))
    for decision in (each for entry in rounds for each in entry["decisions"]):
        cell = getattr(genotype, decision["cell_type"])
        edges = {edge.source: edge for edge in cell.nodes[decision["node"]]}
        if decision["source"] is None:
            assert sorted(edges) == decision["chosen"]
        elif decision["source"] in edges:
            assert [edges[decision["source"]].operation] == decision["chosen"]


def test_the_report_shows_what_was_measured(alone):
    assert run_script("report.py", alone.path) == 0
    numbers = json.loads(alone.file(workdir.REPORT).read_text(encoding="utf-8"))
    assert numbers["decisions"] == alone.read_json(workdir.DECISIONS)
    assert numbers["epochs_planned"] == EPOCHS + ROUNDS - 1
    page = alone.file(workdir.REPORT_PAGE).read_text(encoding="utf-8")
    assert page.count("what was measured</summary>") == 2


def test_an_interrupted_selection_ends_the_same(
    alone, images, tmp_path, monkeypatch, capsys
):
    """Within an epoch after a round, within a round, and in the last round."""
    run = RunDirectory(tmp_path / "run")
    words = words_of(run.path, images)
    with monkeypatch.context() as patch:
        script = scripts.load("search.py")
        patch.setattr(script, "AlphaWarmUp", lambda _: Interruption(epoch=3))
        assert run_script(*words) == 130
    assert len(run.read_json(workdir.DECISIONS)) == 3
    decide = PerturbationSelection.decide
    for number in (4, ROUNDS - 1):

        def interrupted(selection, which, number=number):
            if which == number:
                raise KeyboardInterrupt
            return decide(selection, which)

        with monkeypatch.context() as patch:
            patch.setattr(PerturbationSelection, "decide", interrupted)
            assert run_script(*words, "--resume") == 130
        assert len(run.read_json(workdir.DECISIONS)) == number
    capsys.readouterr()
    assert run_script(*words, "--resume") == 0
    assert f"round {ROUNDS} of {ROUNDS}" in capsys.readouterr().out
    names = (workdir.HISTORY, workdir.ALPHAS, workdir.GENOTYPE, workdir.DECISIONS)
    assert_same_run(run, alone, names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--stages 2", "received it with --stages 2, which choose by the alphas"),
        ("--stop-when-unchanged 3", "received it with --stop-when-unchanged 3"),
        ("--eigenvalue stop", "received it with --eigenvalue stop"),
        (
            "--max-skip-connections 2 --stop-at-skip-connections 1",
            "with --max-skip-connections 2, --stop-at-skip-connections 1, which",
        ),
        ("--selection argmax", "--selection-.* only counts with --selection pert"),
        ("--selection-images 0", "selection_images must be .* at least 1"),
    ],
)
def test_what_does_not_go_together_is_refused(words, message, tmp_path, capsys):
    command = words_of(tmp_path / "run", "fashion_mnist_small")
    assert run_script(*command, *words.split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert not (tmp_path / "run").exists()


def test_damaged_decisions_are_named(alone, images, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(alone.path, run.path)
    run.write_json(workdir.CONFIG, {**run.read_json(workdir.CONFIG), "finished": None})
    run.write_json(workdir.DECISIONS, [{"epoch": EPOCHS, "decisions": [{"node": 0}]}])
    assert run_script(*words_of(run.path, images), "--resume") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search("'.*decisions.json' is damaged: expected the decisions", line)


def test_images_that_measure_are_of_all_classes():
    """They lie class by class in a folder."""
    indices = np.arange(0, 100, 2)
    config = SearchConfig(selection="perturbation", batch_size=4, selection_images=11)
    found = images_to_measure(indices, config)
    assert len(found) == 8 and np.isin(found, indices).all()
    assert found.tolist() == sorted(found) and found[0] < 40 and found[-1] > 60
    other = dataclasses.replace(config, seed=1)
    assert found.tolist() != images_to_measure(indices, other).tolist()
    for images, count in ((1, 4), (None, 48), (1000, 48)):
        some = dataclasses.replace(config, selection_images=images)
        assert len(images_to_measure(indices, some)) == count


def test_the_epochs_are_those_of_the_supernet_that_is_trained():
    num_nodes = inspect.signature(Supernet).parameters["num_nodes"].default
    assert selection_epochs(3) == 3 * (len(plan_rounds(num_nodes)) - 1) == 48
