"""The ImageNet road: retrain, evaluate, export, on a few mocked images."""

import dataclasses

import keras
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network

TINY = "--filters 4 --num-cells 3 --batch-size 4 --steps-per-epoch 2 --epochs 2".split()


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The run and the SavedModel that the preset leaves, made tiny."""
    place = tmp_path_factory.mktemp("imagenet")
    splits = ("train", "validation")
    with sample_data.mocked_tfds("imagenet2012", place / "tfds", 8, splits):
        words = ["--preset", "imagenet", "--genotype", "DARTS_V2", *TINY]
        words += ["--data-dir", place / "tfds", "--workdir", place / "net"]
        assert scripts.run("retrain.py", *words) == 0
        assert scripts.run("evaluate.py", "--workdir", place / "net") == 0
    words = ["--workdir", place / "net", "--output", place / "model"]
    assert scripts.run("export.py", *words) == 0
    return RunDirectory(place / "net"), place / "model"


def test_network_is_the_one_for_large_images(road):
    network = load_network(road[0])
    expected = build_network(
        Genotype.load("DARTS_V2"), (224, 224, 3), 1000, 4, 3, stem="imagenet"
    )
    assert network.input_shape == (None, 224, 224, 3)
    assert network.output_shape == (None, 1000)
    shapes = [weight.shape for weight in network.weights]
    assert shapes == [weight.shape for weight in expected.weights]


def test_history_has_loss_and_accuracy_of_both_heads(road):
    header, *rows = road[0].file(workdir.HISTORY).read_text().splitlines()
    names = ["accuracy", "loss"]
    assert sorted(header.split(",")) == sorted(
        ["epoch", "loss", "auxiliary_loss", *(f"logits_{name}" for name in names)]
    )
    history = [
        dict(zip(header.split(","), map(float, row.split(",")), strict=True))
        for row in rows
    ]
    for row in history:
        total = row["logits_loss"] + 0.4 * row["auxiliary_loss"]
        assert row["loss"] == pytest.approx(total, rel=1e-3)
        # A network that knows nothing yet, among 1,000 classes.
        assert 5 < row["logits_loss"] < 12


def test_evaluation_has_the_first_five_answers(road):
    evaluation = road[0].read_json(workdir.EVALUATION)
    assert evaluation["num_examples"] == 8
    assert 0 <= evaluation["accuracy"] <= evaluation["top_5_accuracy"] <= 1
    assert len(evaluation["class_accuracy"]) == 1000


def test_export_crops_the_centre_of_256_pixels(road):
    run, saved_model = road
    description = run.read_json(workdir.CONFIG)["dataset"]
    assert description["central_fraction"] == 0.875
    pixels = sample_data.random_pixels(1, 256, 300, 3)
    centre = pixels[:, 16:240, 38:262]
    normalised = (centre / 255 - description["mean"]) / description["std"]
    logits = load_network(run)(normalised.astype("float32"))
    classify = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    np.testing.assert_allclose(
        classify(images=tf.constant(pixels))["probabilities"],
        keras.ops.softmax(logits),
        atol=1e-5,
    )


def test_preset_is_the_recipe_of_the_reference():
    expected = {
        "dataset": "imagenet2012",
        "image_size": (224, 224),
        "central_fraction": 224 / 256,
        "resized_crop": True,
        "crop_padding": 0,
        "flip": True,
        "cutout": 0,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.2,
        "network": "imagenet",
        "filters": 48,
        "num_cells": 14,
        "drop_path_rate": 0.0,
        "auxiliary": True,
        "auxiliary_weight": 0.4,
        "epochs": 250,
        "batch_size": 128,
        "momentum": 0.9,
        "weight_decay": 3e-5,
        "clip_norm": 5.0,
        "learning_rate": 0.1,
        "learning_rate_schedule": "exponential",
        "learning_rate_decay": 0.97,
        "label_smoothing": 0.1,
    }
    preset = dataclasses.asdict(RetrainConfig.preset("imagenet"))
    assert {name: preset[name] for name in expected} == expected


def compiled(config):
    """Returns a tiny network, compiled as `retrain.py` does, in float64."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        network = build_network(
            Genotype.load("DARTS_V2"), (32, 32, 3), 12, 4, 3, "imagenet", auxiliary=True
        )
    finally:
        keras.config.set_dtype_policy(policy)
    script = scripts.load("retrain.py")
    optimizer = keras.optimizers.SGD(0.1)
    script.compile_network(network, optimizer, config)
    return network


def test_training_loss_is_that_of_both_heads_with_smoothed_labels():
    network = compiled(RetrainConfig.preset("imagenet"))
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    labels = np.array([0, 3, 11, 3])
    outputs = network(images, training=False)
    targets = 0.9 * np.eye(12)[labels] + 0.1 / 12
    losses = {
        name: -np.sum(targets * tf.nn.log_softmax(logits), axis=-1).mean()
        for name, logits in outputs.items()
    }
    assert outputs["logits"].dtype == tf.float64
    result = network.evaluate(
        images, {name: labels for name in outputs}, verbose=0, return_dict=True
    )
    expected = losses["logits"] + 0.4 * losses["auxiliary"]
    assert result["loss"] == pytest.approx(expected, rel=1e-6)
    right = np.mean(np.argmax(outputs["logits"], axis=-1) == labels)
    assert result["logits_accuracy"] == pytest.approx(right)


@pytest.mark.parametrize(
    ("name", "expected"), [("cosine", [0.1, 0.05]), ("exponential", [0.1, 0.097])]
)
def test_schedule_of_a_configuration(name, expected):
    config = RetrainConfig(epochs=2, learning_rate=0.1, learning_rate_schedule=name)
    rate = scripts.load("retrain.py").learning_rate_schedule(config, steps=5)
    found = [rate(keras.ops.convert_to_tensor(step)) for step in (0, 5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
