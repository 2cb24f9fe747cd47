"""What evaluate.py and export.py make of a finished retraining."""

import json
import pathlib
import runpy
import shutil
import sys

import keras
import numpy as np
import pytest
import sample_data
import tensorflow as tf

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.trained import describe_evaluation
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import open_trained_run
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network

SCRIPTS = pathlib.Path(__file__).parents[2] / "train"
NODE = [("sep_conv_3x3", 0), ("skip_connect", 1)]
CELL = CellGenotype([NODE, [("dil_conv_3x3", 1), ("max_pool_3x3", 2)]], [2, 3])
GENOTYPE = Genotype(CELL, CELL)


def run(script, *words):
    main = runpy.run_path(str(SCRIPTS / script))["main"]
    return run_script(main, [str(word) for word in words])


def build(dataset, auxiliary):
    return build_network(
        GENOTYPE,
        dataset.image_shape,
        dataset.num_classes,
        filters=4,
        num_cells=3,
        auxiliary=auxiliary,
    )


@pytest.fixture
def images(tmp_path):
    return sample_data.write_image_folder(tmp_path / "images", shape=(13, 12, 1))


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """The file of an untrained network, whose building and saving take long."""
    place = tmp_path_factory.mktemp("network")
    images = sample_data.write_image_folder(place / "images", shape=(13, 12, 1))
    keras.utils.set_random_seed(3)
    build(load_dataset(str(images)), auxiliary=False).save(place / workdir.NETWORK)
    return place / workdir.NETWORK


@pytest.fixture
def trained(tmp_path, images, network_file):
    """The directory of a run that retrain.py could have left behind."""
    run = workdir.RunDirectory(tmp_path / "run").make()
    config = RetrainConfig.preset("quick", dataset=str(images))
    dataset = load_dataset(config.dataset)
    run.write_config(config, dataset.description())
    GENOTYPE.save(run.file(workdir.GENOTYPE))
    shutil.copy(network_file, run.file(workdir.NETWORK))
    return run


def test_evaluate_prints_and_writes_the_same(trained, capsys):
    assert run("evaluate.py", "--workdir", trained.path, "--batch-size", 2) == 0
    result = trained.read_json(workdir.EVALUATION)
    matrix = np.array(result["confusion_matrix"])
    assert matrix.sum() == result["num_examples"] == 3
    assert result["accuracy"] == pytest.approx(matrix.trace() / 3)
    assert list(result["class_accuracy"]) == ["a", "b", "c"]
    network = load_network(trained)
    expected = sum(weight.numpy().size for weight in network.trainable_weights)
    assert result["parameters"] == expected
    assert result["multiply_adds"] > result["parameters"]
    assert describe_evaluation(result) in capsys.readouterr().out


def test_auxiliary_head_is_left_out(trained, images):
    dataset = load_dataset(str(images))
    without = load_network(trained).count_params()
    network = build(dataset, auxiliary=True)
    assert network.count_params() > without
    network.save(trained.file(workdir.NETWORK))
    assert load_network(trained).count_params() == without


def test_table_of_an_evaluation():
    text = describe_evaluation(
        {
            "accuracy": 0.5,
            "num_examples": 2000,
            "parameters": 1234567,
            "multiply_adds": 7654321,
            "class_accuracy": {"bag": 0.25, "ankle boot": None},
            "confusion_matrix": [[500, 1500], [0, 0]],
        }
    )
    assert "50.00% of 2,000 images" in text
    assert "1,234,567" in text and "7,654,321" in text
    header, bag, boot = text.splitlines()[-3:]
    assert bag.split() == ["0", "bag", "25.00%", "500", "1500"]
    assert boot.split() == ["1", "ankle", "boot", "-", "0", "0"]
    assert len(header) == len(bag) == len(boot)


def test_many_classes_are_not_shown_as_a_table():
    text = describe_evaluation(
        {
            "accuracy": 0.75,
            "top_5_accuracy": 0.925,
            "num_examples": 100,
            "parameters": 1,
            "multiply_adds": 1,
            "class_accuracy": {"none": None}
            | {f"class {index}": index / 100 for index in range(50, 0, -1)},
            "confusion_matrix": [[2] * 51] * 51,
        }
    )
    assert "Top-5 accuracy: 92.50%" in text
    assert text.splitlines()[-11:] == [
        "The 10 classes with the lowest accuracy:",
        *(f"   {index / 100:.2%}  class {index}" for index in range(1, 10)),
        "  10.00%  class 10",
    ]


def test_export_writes_the_network_of_the_run(trained, tmp_path, images):
    output = tmp_path / "saved_models" / "a"
    words = ("--workdir", trained.path, "--output", output)
    assert run("export.py", *words) == 0
    pixels, _ = load_dataset(str(images)).arrays("train")
    description = trained.read_json(workdir.CONFIG)["dataset"]
    normalised = (pixels / 255 - description["mean"]) / description["std"]
    expected = keras.ops.softmax(load_network(trained)(normalised.astype("float32")))
    classify = tf.saved_model.load(str(output)).signatures["serving_default"]
    received = classify(images=tf.constant(pixels))["probabilities"]
    np.testing.assert_allclose(received, expected, atol=1e-5)
    assert json.loads((output / "assets" / "genotype.json").read_text())
    assert run("export.py", *words) == 2
    assert run("export.py", *words, "--overwrite") == 0


@pytest.mark.parametrize("precision", [None, "int8"])
def test_export_writes_a_litert_file_and_says_what_it_is_worth(
    trained, tmp_path, images, precision, capsys
):
    output = tmp_path / "phones" / "a.tflite"
    words = ["--workdir", trained.path, "--output", output, "--format", "litert"]
    words += ["--precision", precision] if precision else []
    assert run("export.py", *words) == 0
    facts = json.loads((tmp_path / "phones" / "a.tflite.json").read_text())
    assert facts["precision"] == (precision or "float32")
    assert facts["num_images"] == 3
    printed = capsys.readouterr().out
    assert f"the same class for {facts['agreement']:.2%}" in printed
    assert f"accuracy {facts['accuracy']:.2%}" in printed
    assert run("evaluate.py", "--workdir", trained.path) == 0
    evaluation = trained.read_json(workdir.EVALUATION)
    assert facts["network_accuracy"] == pytest.approx(evaluation["accuracy"])
    assert run("export.py", *words) == 2  # test_litert.py overwrites it.
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["evaluate.py", "export.py"])
def test_missing_run_is_one_line_and_code_2(script, tmp_path, capsys):
    words = ["--workdir", tmp_path / "absent"]
    if script == "export.py":
        words += ["--output", tmp_path / "model"]
    assert run(script, *words) == 2
    message = capsys.readouterr().err
    assert "There is no run in" in message and message.count("\n") == 1


def test_run_of_a_search_is_refused(trained, capsys):
    trained.write_config(SearchConfig.preset("quick"), {})
    assert run("evaluate.py", "--workdir", trained.path) == 2
    assert "expected RetrainConfig" in capsys.readouterr().err


def test_damaged_network_is_refused(trained):
    trained.file(workdir.NETWORK).write_bytes(b"not a network")
    with pytest.raises(InputError, match="network.keras"):
        load_network(open_trained_run(trained.path))


def test_changed_data_are_refused(trained, images, capsys):
    sample_data.write_image(images / "d" / "0.png", np.zeros((13, 12, 1), np.uint8))
    sample_data.write_image(images / "d" / "1.png", np.zeros((13, 12, 1), np.uint8))
    assert run("evaluate.py", "--workdir", trained.path) == 2
    assert "has changed since the training" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["evaluate.py", "export.py"])
def test_help_explains_the_script(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"train/{script}", "--help"])
    with pytest.raises(SystemExit) as exit_info:
        run(script, "--help")
    assert exit_info.value.code == 0
    assert f" train/{script} --workdir" in capsys.readouterr().out
