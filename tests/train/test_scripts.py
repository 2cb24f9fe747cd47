"""The whole road, from a folder of images to a prediction, on one tiny run.

Each script gets the command that the one before it printed.
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import sample_data
import scripts

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.experiments.runs import training
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.settings import flag_words
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import alphas_from_dict
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import operation_names

IMAGE_SHAPE = (13, 11, 3)  # Odd, not square, colour.
CLASSES = ("bag", "boot", "shirt")
SEARCH = [*scripts.SMALL, *scripts.SMALL_SPACE, "--epochs", "2", "--seed", "3"]


def write_images(root):
    for label, name in enumerate(CLASSES):
        for index in range(20):
            pixels = sample_data.random_pixels(*IMAGE_SHAPE, seed=20 * label + index)
            sample_data.write_image(root / name / f"{index}.png", pixels)
    return root


def next_command(printed):
    """Returns the script's name and the words that follow it."""
    (line,) = (line for line in printed.splitlines() if line.startswith("Next: "))
    python, script, *words = shlex.split(line.removeprefix("Next: "))
    assert pathlib.Path(shutil.which(python)).samefile(sys.executable)
    assert pathlib.Path(script).parent == scripts.FOLDER
    return pathlib.Path(script).name, words


def columns(run):
    """Returns the values of history.csv by the names of its columns."""
    header, *rows = run.file(workdir.HISTORY).read_text().splitlines()
    values = zip(*(map(float, row.split(",")) for row in rows), strict=True)
    return dict(zip(header.split(","), values, strict=True))


@dataclasses.dataclass
class Road:
    """What the scripts printed and left behind."""

    images: pathlib.Path
    search: RunDirectory
    retrain: RunDirectory
    saved_model: pathlib.Path
    printed: dict
    watches: dict


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    place = tmp_path_factory.mktemp("road")
    images = write_images(place / "images")
    printed, watches = {}, {}

    def run(name, words):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert scripts.run(name, *words) == 0
        printed[name] = output.getvalue()
        return next_command(printed[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ["--dataset", "images", "--workdir", "runs/a", *SEARCH]
        with scripts.watching("search.py") as watches["search.py"]:
            name, words = run("search.py", words)
        with scripts.watching("retrain.py") as watches["retrain.py"]:
            name, words = run(name, [*words, *scripts.SMALL, "--epochs", "1"])
        name, words = run(name, words)
        name, words = run(name, words)
        assert (name, words[1:]) == ("predict.py", ["IMAGE", "..."])
    search, retrain = (RunDirectory(place / "runs" / name) for name in ("a", "a-net"))
    return Road(images, search, retrain, place / words[0], printed, watches)


@pytest.mark.parametrize(
    ("name", "config_class", "given"),
    [
        ("search", SearchConfig, {"epochs": 2, "seed": 3, "filters": 4}),
        ("retrain", RetrainConfig, {"epochs": 1, "seed": 0, "num_cells": 3}),
    ],
)
def test_run_says_what_made_it(road, name, config_class, given):
    saved = getattr(road, name).read_json(workdir.CONFIG)
    fields = {field.name for field in dataclasses.fields(config_class)}
    assert saved["config"].keys() == fields
    assert saved["config"].items() >= {"dataset": "images", "batch_size": 4}.items()
    assert saved["config"].items() >= given.items()
    assert saved["dataset"]["image_shape"] == list(IMAGE_SHAPE)
    assert saved["dataset"]["class_names"] == list(CLASSES)
    assert saved["versions"]["keras"] == keras.__version__
    assert f"{name}.py --" in saved["command"]
    history = columns(getattr(road, name))
    assert history["epoch"] == tuple(range(given["epochs"]))
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert any(getattr(road, name).file(workdir.TENSORBOARD).rglob("events*"))


def test_history_has_the_columns_of_the_training_alone(road):
    metrics = ["accuracy", "alpha_accuracy", "alpha_loss", "loss"]
    assert sorted(columns(road.search)) == sorted(["epoch", *metrics])
    assert sorted(columns(road.retrain)) == ["accuracy", "epoch", "loss"]


def test_split_is_disjoint_and_covers_the_training_images(road):
    with np.load(road.search.file(workdir.SPLIT), allow_pickle=False) as split:
        weights, alphas = split["weights"], split["alphas"]
    assert len(weights) == len(alphas) == 27
    assert sorted([*weights, *alphas]) == list(range(54))


def test_genotype_is_that_of_the_last_alphas(road):
    epochs = road.search.read_json(workdir.ALPHAS)
    assert [entry["epoch"] for entry in epochs] == [0, 1]
    assert epochs[0]["alphas"] != epochs[1]["alphas"]
    genotype = Genotype.load(road.search.file(workdir.GENOTYPE))
    assert genotype == Genotype.from_dict(epochs[-1]["genotype"])
    assert genotype == derive_genotype(alphas_from_dict(epochs[-1]["alphas"]))
    assert genotype == Genotype.load(road.retrain.file(workdir.GENOTYPE))
    assert str(genotype) in road.printed["search.py"]


def test_search_shows_its_cells_after_each_epoch_and_at_the_end(road):
    printed = road.printed["search.py"]
    assert printed.count("  normal:") == printed.count("  reduction:") == 2
    assert "alpha_accuracy" in printed and "Epoch 2/2" in printed
    drawn = {path.name for path in road.search.file(workdir.CELLS).iterdir()}
    assert drawn == {"normal.svg", "reduction.svg"}


def test_searched_supernet_can_be_loaded(road):
    supernet = keras.saving.load_model(road.search.file(workdir.SUPERNET))
    last = road.search.read_json(workdir.ALPHAS)[-1]["alphas"]
    loaded = supernet.labelled_alphas()["normal"].operations[0, 1]
    assert last["normal"]["operations"]["0<-1"] == pytest.approx(loaded)


def logits(road, images):
    dataset = road.retrain.read_json(workdir.CONFIG)["dataset"]
    normalised = (images / 255 - dataset["mean"]) / dataset["std"]
    return load_network(road.retrain)(normalised.astype("float32")).numpy()


def test_accuracy_is_that_of_a_count_by_hand(road):
    images, labels = load_dataset(str(road.images)).arrays("test")
    right = int(np.sum(np.argmax(logits(road, images), axis=-1) == labels))
    evaluation = road.retrain.read_json(workdir.EVALUATION)
    assert evaluation["num_examples"] == len(labels) == 6
    assert evaluation["accuracy"] == right / 6
    shown = f"{right / 6:.2%}"
    assert f"Test accuracy after the last epoch: {shown}" in road.printed["retrain.py"]
    assert f"{shown} of 6 images" in road.printed["evaluate.py"]


def test_prediction_is_that_of_the_network(road, capsys):
    paths = [road.images / name / "0.png" for name in CLASSES]
    assert scripts.run("predict.py", road.saved_model, *paths, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    pixels = [
        sample_data.random_pixels(*IMAGE_SHAPE, seed=20 * label) for label in range(3)
    ]
    best = np.argmax(logits(road, np.stack(pixels)), axis=-1)
    assert [each["image"] for each in found] == list(map(str, paths))
    assert [each["top"][0]["class"] for each in found] == [CLASSES[i] for i in best]


def test_plot_draws_the_genotype_and_its_network(road, tmp_path, capsys):
    words = [road.search.file(workdir.GENOTYPE), "--output", tmp_path / "cells"]
    words += ["--network", tmp_path / "network.dot", *scripts.SMALL[:4]]
    words += ["--image-shape", *IMAGE_SHAPE, "--num-classes", 3]
    assert scripts.run("plot.py", *words) == 0
    assert (tmp_path / "cells" / "normal.svg").exists()
    assert "(None, 13, 11, 3)" in (tmp_path / "network.dot").read_text()
    assert str(tmp_path / "network.dot") in capsys.readouterr().out


def test_search_on_a_set_of_tensorflow_datasets(tmp_path, capsys):
    words = [*scripts.SMALL, "--operations", "none", "skip_connect"]
    words += ["--dataset", "cifar10", "--data-dir", tmp_path, "--epochs", 1]
    words += ["--workdir", tmp_path / "run"]
    with sample_data.mocked_tfds("cifar10", tmp_path, num_examples=20):
        assert scripts.run("search.py", *words) == 0
    run = RunDirectory(tmp_path / "run")
    assert run.read_json(workdir.CONFIG)["dataset"]["image_shape"] == [32, 32, 3]
    assert Genotype.load(run.file(workdir.GENOTYPE))
    _, next_words = next_command(capsys.readouterr().out)
    assert "--dataset cifar10 --data-dir" in " ".join(next_words)


def test_search_places_attention_after_operations(road, tmp_path):
    words = [*scripts.SMALL, "--dataset", road.images, "--epochs", 1]
    words += ["--operations", "none", "skip_connect", "channel_attention"]
    words += ["--attention-placement", "after_operations"]
    words += ["--workdir", tmp_path / "run"]
    assert scripts.run("search.py", *words) == 0
    run = RunDirectory(tmp_path / "run")
    (epoch,) = run.read_json(workdir.ALPHAS)
    assert list(epoch["alphas"]) == ["normal", "reduction"]
    genotype = Genotype.load(run.file(workdir.GENOTYPE), operation_names())
    for cell_type, node, edge in genotype.operations():
        attention = epoch["alphas"][cell_type]["attention"]
        alphas = attention[f"{node}<-{edge.source}"]
        assert set(alphas) == {"identity", "channel_attention"}
        assert max(alphas, key=alphas.get) == (*edge.parts, "identity")[1]


def test_search_with_partial_channels_warms_up(road, tmp_path, capsys):
    words = [*scripts.SMALL, *scripts.SMALL_SPACE, "--dataset", road.images]
    words += ["--partial-channels", 2, "--warm-up-epochs", 1, "--epochs", 2]
    words += ["--alpha-learning-rate-min", 1e-4, "--workdir", tmp_path / "run"]
    assert scripts.run("search.py", *words) == 0
    run = RunDirectory(tmp_path / "run")
    first, second = (each["alphas"] for each in run.read_json(workdir.ALPHAS))
    assert list(first["reduction"]) == ["operations", "edges"]
    assert isinstance(first["normal"]["edges"]["0<-1"], float)
    # Before the first step alphas are small; those of an epoch are not.
    assert first != second
    rows = run.file(workdir.HISTORY).read_text().splitlines()
    assert ["nan" in row for row in rows] == [False, True, False]
    supernet = keras.saving.load_model(run.file(workdir.SUPERNET))
    assert supernet.alpha_optimizer.iterations.numpy() == 2
    assert supernet.partial_channels == 2
    assert derive_genotype(supernet.labelled_alphas()) == Genotype.load(
        run.file(workdir.GENOTYPE)
    )


def test_random_search_draws_attention_after_operations(tmp_path):
    words = ["--strategy", "random", "--attention-placement", "after_operations"]
    assert scripts.run("search.py", *words, "--workdir", tmp_path / "run") == 0
    genotype = Genotype.load(tmp_path / "run" / workdir.GENOTYPE, operation_names())
    parts = [edge.parts for _, _, edge in genotype.operations()]
    assert {len(part) for part in parts} == {1, 2}
    assert not {part[0] for part in parts} & set(attention_names())


def test_random_search_draws_and_reads_no_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "load_dataset_of", None)
    words = ["--strategy", "random", "--samples", 3, "--seed", 5, "--preset", "cpu"]
    words += ["--operations", "darts", "--dataset", "mine/", "--image-size", 9, 8]
    assert scripts.run("search.py", *words, "--workdir", tmp_path / "run") == 0
    run = RunDirectory(tmp_path / "run")
    drawn = [
        Genotype.load(run.file(workdir.GENOTYPES) / f"0{number}.json")
        for number in range(3)
    ]
    assert tuple(drawn) == random_genotypes(SEARCH_SPACES["darts"], 3, seed=5)
    assert Genotype.load(run.file(workdir.GENOTYPE)) == drawn[0]
    names = {path.name for path in run.path.iterdir()}
    assert names == {"config.json", "genotype.json", "genotypes", "cells"}
    assert run.read_config(SearchConfig)[0].samples == 3
    printed = capsys.readouterr().out
    assert str(drawn[0]) in printed
    name, words = next_command(printed)
    assert name == "retrain.py"
    assert " ".join(words[2:-2]) == "--preset cpu --dataset mine/ --image-size 9 8"
    overwriting = ["--strategy", "random", "--overwrite", "--workdir", run.path]
    assert scripts.run("search.py", *overwriting) == 0
    assert [path.name for path in run.file(workdir.GENOTYPES).iterdir()] == ["00.json"]


def test_interrupted_search_keeps_its_epochs(road, tmp_path):
    """Also the one that runs as a user runs it: from elsewhere, in its own process."""
    words = ["--dataset", str(road.images), "--workdir", "a", "--epochs", "10000"]
    words += [*scripts.SMALL, "--operations", "none", "skip_connect"]
    process = subprocess.Popen(
        [sys.executable, str(scripts.FOLDER / "search.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    )
    try:
        while line := process.stdout.readline():
            if line.startswith("  reduction:"):
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    run = RunDirectory(tmp_path / "a")
    epochs = run.read_json(workdir.ALPHAS)
    rows = len(columns(run)["epoch"])
    assert len(epochs) >= 1 and abs(len(epochs) - rows) <= 1
    assert errors.splitlines()[-1].startswith("search.py: interrupted: ")
    assert errors.rstrip().endswith("--operations none skip_connect --resume")
    assert "Traceback" not in errors
    genotype = Genotype.load(run.file(workdir.GENOTYPE))
    assert genotype == Genotype.from_dict(epochs[-1]["genotype"])


def test_interrupted_retraining_keeps_the_network(road, tmp_path, monkeypatch, capsys):
    script = scripts.load("retrain.py")

    class Interruption(script.DropPathSchedule):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(script, "DropPathSchedule", Interruption)
    words = ["--genotype", road.search.file(workdir.GENOTYPE), *scripts.SMALL]
    words += ["--dataset", road.images, "--workdir", tmp_path / "net", "--epochs", 5]
    words += ["--auxiliary", "--drop-path-rate", 0.2, "--cutout", 4]
    assert scripts.run("retrain.py", *words) == 130
    message = capsys.readouterr().err.splitlines()[-1]
    expected = f"retrain.py: interrupted: 1 finished epoch is in {tmp_path / 'net'}."
    assert message.startswith(f"{expected} To go on: ")
    network = keras.saving.load_model(tmp_path / "net" / workdir.NETWORK)
    assert network.output.shape == (None, 3)


@pytest.mark.parametrize("preset", SearchConfig.presets)
def test_every_search_names_a_retraining_that_exists(preset, tmp_path):
    script = scripts.load("search.py")
    config = SearchConfig.preset(preset, batch_size=32)
    command = script.retrain_command(config, preset, RunDirectory(tmp_path))
    words = shlex.split(command)[2:]
    arguments = scripts.load("retrain.py").parse_arguments(words)
    retrain = config_from_arguments(RetrainConfig, arguments)
    assert (retrain.dataset, retrain.batch_size) == (config.dataset, 32)
    expected = preset if preset in ("quick", "cpu", "paper") else "darts"
    assert retrain.epochs == RetrainConfig.preset(expected).epochs


def test_the_retraining_that_follows_is_the_one_that_was_asked_for(tmp_path):
    script = scripts.load("search.py")
    values = {"dataset": "cifar10", "retrain_preset": "imagenet", "retrain_filters": 50}
    config = SearchConfig.preset("quick", **values)
    command = script.retrain_command(config, "quick", RunDirectory(tmp_path))
    arguments = scripts.load("retrain.py").parse_arguments(shlex.split(command)[2:])
    retrain = config_from_arguments(RetrainConfig, arguments)
    assert retrain == RetrainConfig.preset("imagenet", filters=50)


def uncounted_conditions(config):
    """Returns the fewest sets of values beside which all that does not count does."""
    runs = []
    for field in dataclasses.fields(config):
        needed = config.conditions(field.name)
        if config.counts(field.name):
            continue
        for run in runs:
            if all(run.get(name, value) == value for name, value in needed.items()):
                run.update(needed)
                break
        else:
            runs.append(dict(needed))
    return runs


@pytest.mark.parametrize(
    ("name", "cheap"),
    [
        (
            "search.py",
            {"operations": ("none", "skip_connect"), "selection_tuning_epochs": 1},
        ),
        ("retrain.py", {}),
    ],
)
def test_every_setting_that_counts_is_read(road, name, cheap, tmp_path):
    words = ["--genotype", road.search.file(workdir.GENOTYPE)]
    words = words if name == "retrain.py" else []
    watches = [road.watches[name]]
    cheap = {**cheap, "epochs": 1, "steps_per_epoch": 1}
    base = dataclasses.replace(watches[0].config, dataset=str(road.images), **cheap)
    for number, values in enumerate(uncounted_conditions(base)):
        config = dataclasses.replace(base, **values)
        given = [
            word
            for field in dataclasses.fields(config)
            if config.counts(field.name)
            for word in flag_words(field.name, getattr(config, field.name))
        ]
        with scripts.watching(name) as watch:
            run = ["--workdir", tmp_path / str(number), *words, *given]
            assert scripts.run(name, *run) == 0
        watches.append(watch)
    for watch in watches:
        assert watch.counting() <= watch.read
    counted = set.union(*(watch.counting() for watch in watches))
    assert counted == {field.name for field in dataclasses.fields(base)}
