"""`train/choose.py`: the best of several genotypes, on held-out training images."""

import json
import math
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest
import sample_data
import scripts

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.splits import hold_out
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.candidates import Candidate
from keras_atdarts.experiments.runs.candidates import read_candidates
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.selection import Selection
from keras_atdarts.experiments.runs.selection import describe_selection
from keras_atdarts.experiments.runs.selection import standard_error
from keras_atdarts.experiments.runs.selection_config import SelectionConfig
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.operations import operation_names

NAMES = ("00-pools", "01-skips")
HELD_OUT = 0.3


def genotype(operation):
    cell = CellGenotype([[(operation, 0), (operation, 1)]], [2])
    return Genotype(cell, cell)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("choose")
    sample_data.write_image_folder(place / "images", (8, 8, 1), 40)
    genotype("max_pool_3x3").save(place / "pools.json")
    genotype("skip_connect").save(place / "skips.json")
    return place


def words(place, name):
    return [
        *[place / "pools.json", place / "skips.json", "--workdir", place / name],
        *["--dataset", place / "images", "--held-out", HELD_OUT, "--epochs", 1],
        *[*scripts.SMALL, "--deterministic", "--seed", 5],
    ]


@pytest.fixture(scope="module")
def choice(place):
    """A choice that was interrupted before its second training, and then resumed.

    Returns the `RunDirectory` and the commands of its trainings.
    """
    script, commands = scripts.load("choose.py"), []

    def run_or_interrupt(command):
        commands.append(command)
        if len(commands) == 2:
            raise KeyboardInterrupt
        # In this process: test_user_code.py has a choice with processes of its own.
        _, retrain, *words = command
        code = scripts.run(pathlib.Path(retrain).name, *words)
        return subprocess.CompletedProcess(command, code)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "run_process", run_or_interrupt)
        assert scripts.run("choose.py", *words(place, "choice")) == 130
        assert scripts.run("choose.py", *words(place, "choice"), "--resume") == 0
    return RunDirectory(place / "choice"), commands


def test_interrupted_choice_trains_only_what_is_left(choice):
    _, commands = choice
    trained = [RunDirectory(command[-2]).path.name for command in commands]
    first, second = (f"{name}-seed5" for name in NAMES)
    assert trained == [first, second, second]


def test_scores_are_those_of_the_held_out_images(choice, place):
    run, _ = choice
    result = run.read_json(workdir.SELECTION)
    dataset = load_dataset(str(place / "images"))
    images, labels = dataset.arrays("train")
    _, held_out = hold_out(len(labels), HELD_OUT, seed=5)
    assert result["num_examples"] == len(held_out) == 32
    normalised = (images[held_out] / 255 - dataset.mean) / dataset.std
    for name in NAMES:
        network = load_network(RunDirectory(run.path / "trainings" / f"{name}-seed5"))
        logits = network(normalised.astype("float32")).numpy()
        right = int(np.sum(logits.argmax(axis=-1) == labels[held_out]))
        (found,) = (each for each in result["candidates"] if each["name"] == name)
        assert found["scores"] == [right / 32] and found["mean"] == right / 32


def test_best_genotype_is_copied(choice):
    run, _ = choice
    result = run.read_json(workdir.SELECTION)
    best = result["candidates"][0]
    assert best["name"] == result["best"]
    assert best["mean"] == max(each["mean"] for each in result["candidates"])
    assert Genotype.load(run.file(workdir.GENOTYPE)) == Genotype.load(best["origin"])
    assert not run.is_unfinished()


def test_resuming_with_other_genotypes_is_refused(choice, place, capsys):
    other = ["DARTS_V1", *words(place, "choice")[1:]]
    assert scripts.run("choose.py", *other, "--resume") == 2
    assert "began with other genotypes: 00-pools, 01-skips" in capsys.readouterr().err
    other = [*words(place, "choice"), "--filters", 5]
    assert scripts.run("choose.py", *other, "--resume") == 2
    assert "--filters" in capsys.readouterr().err


def test_genotype_that_does_not_fit_is_one_line(place, tmp_path, capsys):
    """Here what does not fit is found out by the training itself."""
    sample_data.write_image_folder(tmp_path / "flat", (3, 20, 1), 20)
    given = words(place, "a")[:2] + ["--dataset", tmp_path / "flat", *scripts.SMALL]
    assert scripts.run("choose.py", *given, "--workdir", tmp_path / "run") == 2
    errors = capsys.readouterr().err
    assert errors.startswith("choose.py: error: 00-pools: ") and "3x20" in errors
    assert errors.count("\n") == 1


def test_trainings_leave_the_test_images_alone(place, tmp_path, monkeypatch, capsys):
    script = scripts.load("retrain.py")
    asked = []

    def note(dataset, split, batch_size, indices=None):
        asked.append((split, len(indices)))
        return batches_of(dataset, split, batch_size, indices)

    batches_of = script.evaluation_batches
    monkeypatch.setattr(script, "evaluation_batches", note)
    given = ["--genotype", place / "pools.json", *words(place, "a")[4:]]
    assert scripts.run("retrain.py", *given, "--workdir", tmp_path / "net") == 0
    assert asked == [("train", 32)]
    printed = capsys.readouterr().out
    assert "Accuracy on held-out images after the last epoch" in printed
    assert "evaluate.py" not in printed


def test_training_uses_what_is_not_held_out(monkeypatch, place, tmp_path):
    script = scripts.load("retrain.py")
    used = []

    def note(dataset, batch_size, augmentation, seed, indices, *rest):
        used.append(indices)
        return batches_of(dataset, batch_size, augmentation, seed, indices, *rest)

    batches_of = script.training_batches
    monkeypatch.setattr(script, "training_batches", note)
    given = ["--genotype", place / "pools.json", *words(place, "a")[4:]]
    assert scripts.run("retrain.py", *given, "--workdir", tmp_path / "net") == 0
    kept, held_out = hold_out(108, HELD_OUT, seed=5)
    np.testing.assert_array_equal(used[0], kept)
    assert not set(kept) & set(held_out) and len(kept) + len(held_out) == 108


def by_hand(tmp_path, accuracies, seeds=2):
    """Returns a `Selection` whose trainings had these accuracies, by genotype."""
    run = RunDirectory(tmp_path / "choice").make()
    config = SelectionConfig.preset("quick", seeds=seeds, seed=7)
    genotypes = random_genotypes(["skip_connect"], len(accuracies), seed=0)
    candidates = [
        Candidate(name, f"{name}.json", genotype)
        for name, genotype in zip("abcd", genotypes, strict=False)
    ]
    selection = Selection(run, config, candidates)
    selection.write_candidates()
    for candidate, scores in zip(candidates, accuracies, strict=True):
        for number, accuracy in enumerate(scores):
            training = selection.training(candidate, number)
            training.path.mkdir(parents=True)
            measured = {"num_examples": 200, "accuracy": accuracy, "parameters": 1234}
            training.write_json(workdir.VALIDATION, measured)
    return selection


def test_ranking_by_hand(tmp_path):
    selection = by_hand(tmp_path, [(0.6, 0.7), (0.9, 0.7), (0.75, 0.75)])
    result = selection.result()
    assert [each["name"] for each in result["candidates"]] == ["b", "c", "a"]
    means = [each["mean"] for each in result["candidates"]]
    assert means == pytest.approx([0.8, 0.75, 0.65])
    assert result["candidates"][0]["std"] == pytest.approx(math.sqrt(0.02))
    assert result["best"] == "b" and result["lead"] == pytest.approx(0.05)
    expected = math.sqrt((0.8 * 0.2 + 0.75 * 0.25) / 400)
    assert result["standard_error"] == pytest.approx(expected)
    assert json.loads(json.dumps(result)) == result
    shown = describe_selection(result)
    assert "80.00% ± 14.14%" in shown and "1,234" in shown
    assert "5.00 points ahead" in shown and "200 held-out" in shown


def test_all_are_trained_once_before_one_is_trained_again(tmp_path):
    selection = by_hand(tmp_path, [(0.5,), (0.5,)], seeds=2)
    order = [(candidate.name, number) for candidate, number in selection.trainings()]
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert [selection.is_done(*each) for each in selection.trainings()] == [
        *[True, True],
        *[False, False],
    ]
    assert selection.progress().startswith("2 of 4 trainings are finished in ")


def test_standard_error_of_two_coins():
    assert standard_error((0.5, 0.5), 200) == pytest.approx(0.05)


def test_trainings_get_the_settings_of_the_choice(tmp_path):
    script = scripts.load("choose.py")
    run = RunDirectory(tmp_path)
    config = SelectionConfig.preset("darts", seeds=3, seed=4, auxiliary_weight=0.2)
    candidate = Candidate("a", "a.json", genotype("skip_connect"))
    selection = Selection(run, config, [candidate])
    given = script.training_words(selection, candidate, number=2)
    arguments = scripts.load("retrain.py").parse_arguments(given)
    retrain = config_from_arguments(RetrainConfig, arguments)
    assert retrain == config.of_training(2)
    assert (retrain.seed, retrain.epochs, retrain.held_out) == (6, 100, 0.2)
    assert retrain.auxiliary_weight == 0.2


def test_next_command_trains_on_all_images(tmp_path):
    script = scripts.load("choose.py")
    config = SelectionConfig.preset("cpu", dataset="mine", batch_size=16)
    selection = Selection(RunDirectory(tmp_path / "choice"), config, [])
    command = shlex.split(script.retrain_command(selection, "cpu"))[2:]
    arguments = scripts.load("retrain.py").parse_arguments(command)
    retrain = config_from_arguments(RetrainConfig, arguments)
    assert (retrain.dataset, retrain.batch_size, retrain.held_out) == ("mine", 16, 0)
    assert retrain.epochs == RetrainConfig.preset("cpu").epochs


@pytest.mark.parametrize("preset", SelectionConfig.presets)
def test_trainings_are_brief_and_hold_out_images(preset):
    brief, full = SelectionConfig.preset(preset), RetrainConfig.preset(preset)
    assert brief.epochs < full.epochs and brief.held_out > 0
    values = brief.to_dict()
    different = {
        name for name, value in full.to_dict().items() if values[name] != value
    }
    assert different == {"epochs", "held_out"}


def test_random_search_stands_for_all_that_it_drew(tmp_path):
    run = RunDirectory(tmp_path / "random").make()
    run.write_config(RetrainConfig())
    genotypes = random_genotypes(["skip_connect"], 3, seed=0)
    run.write_genotypes(genotypes)
    run.mark_finished()
    candidates = read_candidates([run.path, "DARTS_V2"], operation_names())
    names = ["00-random-00", "01-random-01", "02-random-02", "03-DARTS_V2"]
    assert [candidate.name for candidate in candidates] == names
    assert tuple(each.genotype for each in candidates[:3]) == genotypes


def test_seeds_beyond_the_last_are_refused():
    with pytest.raises(InputError, match="lower --seed"):
        SelectionConfig(seed=2**32 - 2, seeds=3)


def test_no_script_hides_a_module_of_python():
    """`python train/a.py` looks for modules in train/ first: a select.py
    would keep all of them from starting.
    """
    names = {path.stem for path in scripts.FOLDER.glob("*.py")}
    assert "choose" in names and not names & sys.stdlib_module_names
