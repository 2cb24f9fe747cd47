"""Networks without classifier: their features, and fine-tuning for other images."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images
from numbers_checks import needs_library
from sample_genotypes import TINY

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.backbone import load_backbone
from keras_atdarts.networks.backbone import without_top
from keras_atdarts.networks.derived import DerivedCell
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.operations import build_operation
from keras_atdarts.operations import operation_names
from keras_atdarts.training.callbacks import DropPathSchedule
from keras_atdarts.training.callbacks import drop_path_layers

SHIPPED = pathlib.Path(__file__).parents[2] / "saved_models/fashion_mnist"
SHAPE = (8, 10, 3)
CHANNELS = 2 * 4 * 4  # Nodes, and filters that were doubled twice.
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def coloured(count, seed):
    """Returns noise in which one of the colours is brighter, and which one it is."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.normal(size=(count, *SHAPE)) + 2 * np.eye(3)[labels][:, None, None]
    return images.astype("float32"), labels


def striped(count, seed):
    """Returns grey noise with bright rows or bright columns, and which it has."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    images = random.normal(size=(count, *SHAPE)).astype("float32")
    images[labels == 0, ::2] += 2
    images[labels == 1, :, ::2] += 2
    return images, labels


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """What a retraining with drop path and auxiliary head leaves."""
    keras.utils.set_random_seed(1)
    network = build_network(TINY, SHAPE, 3, 4, 3, drop_path=True, auxiliary=True)
    network.compile(
        keras.optimizers.SGD(0.05), loss={"logits": LOSS, "auxiliary": LOSS}
    )
    images, labels = coloured(96, seed=0)
    schedule = [DropPathSchedule(0.4, epochs=2)]
    labels = {"logits": labels, "auxiliary": labels}
    network.fit(images, labels, 16, epochs=2, verbose=0, callbacks=schedule)
    path = tmp_path_factory.mktemp("run") / "network.keras"
    without_auxiliary_head(network).save(path)
    return path


def values(layer):
    return [weight.numpy() for weight in layer.weights]


def changed(before, layer):
    """Returns the names of the weights that are not those of before, to the bit."""
    pairs = zip(before, layer.weights, strict=True)
    return [weight.path for old, weight in pairs if np.any(old != weight.numpy())]


@pytest.mark.parametrize(
    "pooling, expected",
    [("avg", (None, 32)), ("max", (None, 32)), (None, (None, 2, 3, 32))],
)
def test_features_have_the_shapes_of_keras_applications(pooling, expected):
    backbone = build_network(
        TINY, SHAPE, filters=4, num_cells=3, include_top=False, pooling=pooling
    )
    assert backbone.output_shape == expected
    assert backbone(random_images((2, *SHAPE))).shape == (2, *expected[1:])


@pytest.mark.parametrize(
    "stem, shape, filters, num_cells, parameters, channels, num_classes",
    [
        ("cifar", (32, 32, 3), 36, 20, 3_349_342, 576, 10),
        ("imagenet", (224, 224, 3), 48, 14, 4_718_752, 768, 1000),
    ],
)
def test_only_the_parameters_of_the_classifier_are_missing(
    stem, shape, filters, num_cells, parameters, channels, num_classes
):
    """Those of the whole networks are in test_derived.py."""
    backbone = build_network(
        Genotype.load("DARTS_V2"),
        shape,
        filters=filters,
        num_cells=num_cells,
        stem=stem,
        include_top=False,
        pooling="avg",
    )
    assert backbone.output_shape == (None, channels)
    of_classifier = channels * num_classes + num_classes
    assert count_parameters(backbone) == parameters - of_classifier


@pytest.mark.parametrize("auxiliary", [False, True])
def test_features_are_those_of_the_whole_network(auxiliary):
    whole = build_network(TINY, SHAPE, 5, 4, 3, auxiliary=auxiliary)
    images = random_images((3, *SHAPE))
    logits = without_auxiliary_head(whole)(images)
    top = whole.get_layer("logits")
    by_pooling = {
        pooling: np.array(without_top(whole, pooling)(images))
        for pooling in (None, "avg", "max")
    }
    expected = by_pooling["avg"] @ top.kernel.numpy() + top.bias.numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    feature_map = by_pooling[None]
    np.testing.assert_allclose(by_pooling["avg"], feature_map.mean((1, 2)), atol=1e-5)
    np.testing.assert_array_equal(by_pooling["max"], feature_map.max((1, 2)))
    built = build_network(TINY, SHAPE, filters=4, num_cells=3, include_top=False)
    built.set_weights(without_top(whole).get_weights())
    np.testing.assert_allclose(built(images), feature_map, atol=1e-6)


def test_pixels_are_pooled_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        size = {"filters": 4, "num_cells": 3}
        whole = build_network(TINY, SHAPE, 5, **size)
        for pooling, dtype in (("avg", "float32"), (None, "bfloat16")):
            built = build_network(
                TINY, SHAPE, **size, include_top=False, pooling=pooling
            )
            for backbone in (built, without_top(whole, pooling)):
                assert backbone.output.dtype == dtype
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_backbone_has_the_weights_of_the_run(file):
    whole = keras.saving.load_model(file, compile=False)
    rates = [float(layer.rate) for layer in drop_path_layers(whole)]
    assert rates and set(rates) == {np.float32(0.2)}  # Of the last epoch.
    backbone = load_backbone(file, pooling="avg")
    images = random_images((4, *SHAPE))
    top = whole.get_layer("logits")
    features = np.array(backbone(images))
    expected = features @ top.kernel.numpy() + top.bias.numpy()
    np.testing.assert_allclose(whole(images), expected, atol=1e-5)
    assert {float(layer.rate) for layer in drop_path_layers(backbone)} == {0.0}


def test_a_backbone_serves_images_of_another_size(file):
    trained = load_backbone(file)
    larger = build_network(
        TINY, (16, 12, 3), None, 4, 3, drop_path=True, include_top=False
    )
    larger.set_weights(trained.get_weights())
    assert larger.output_shape == (None, 4, 3, CHANNELS)
    np.testing.assert_array_equal(
        larger.get_layer("stem").kernel, trained.get_layer("stem").kernel
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_a_new_head_learns_other_images(file, frozen, tmp_path):
    backbone = load_backbone(file, pooling="avg")
    backbone.trainable = not frozen
    network = keras.Sequential([backbone, keras.layers.Dense(2)])
    network.compile(keras.optimizers.Adam(0.02), LOSS, metrics=["accuracy"])
    images, labels = striped(256, seed=1)
    before = values(backbone)
    head = values(network.layers[-1])
    network.fit(images, labels, batch_size=16, epochs=1, verbose=0)
    assert len(changed(head, network.layers[-1])) == 2
    expected = [] if frozen else [weight.path for weight in backbone.weights]
    assert changed(before, backbone) == [
        path for path in expected if not path.endswith("/rate")
    ]
    _, accuracy = network.evaluate(*striped(128, seed=2), verbose=0)
    assert accuracy > 0.7
    network.save(tmp_path / "tuned.keras")
    loaded = keras.saving.load_model(tmp_path / "tuned.keras")
    np.testing.assert_allclose(loaded(images), network(images), atol=1e-5)
    assert len(loaded.trainable_weights) == len(network.trainable_weights)
    loaded.fit(images[:32], labels[:32], batch_size=16, verbose=0)
    assert bool(changed(values(backbone), loaded.layers[0])) == (not frozen)


each_backend = pytest.mark.parametrize(
    "backend",
    ["reference", pytest.param("native", marks=needs_library), "joined"],
)


@each_backend
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("name", operation_names())
def test_what_is_frozen_computes_in_training_as_in_inference(
    name, strides, backend, monkeypatch
):
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", backend)
    operation = build_operation(name, 4, strides)
    images = random_images((3, 6, 7, 4))
    operation(images, training=True)  # Statistics of their own.
    operation.trainable = False
    before = values(operation)
    outputs = operation(images, training=True)
    expected = operation(images, training=False)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    assert changed(before, operation) == []


@each_backend
def test_a_trained_stage_can_follow_a_frozen_one(backend, monkeypatch):
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", backend)
    operation = build_operation("sep_conv_3x3", 4)
    images = tf.constant(random_images((3, 6, 7, 4)))
    operation(images, training=True)
    operation.first.trainable = False
    frozen, moving = (
        stage.normalization.moving_statistics.numpy() for stage in operation.stages
    )
    with tf.GradientTape() as tape:
        outputs = operation(images, training=True)
        loss = tf.reduce_sum(outputs**3)
    gradients = tape.gradient(loss, [x.value for x in operation.trainable_variables])
    assert len(gradients) == 4  # Of both kernels, scale and offset.
    assert all(np.any(np.abs(gradient) > 1e-3) for gradient in gradients)
    statistics = [stage.normalization.moving_statistics for stage in operation.stages]
    np.testing.assert_array_equal(statistics[0], frozen)
    assert np.any(statistics[1].numpy() != moving)
    # Normalised by the batch.
    means = tf.reduce_mean(outputs, (0, 1, 2))
    np.testing.assert_allclose(means, np.zeros(4), atol=1e-5)


def test_parts_can_be_frozen_where_cells_share_their_functions():
    """The third and the fourth cell are alike, but for what is frozen."""
    network = build_network(TINY, SHAPE, 3, 2, 12)
    cells = [layer for layer in network.layers if isinstance(layer, DerivedCell)][2:4]
    for cell, name in zip(cells, ("input_0", "input_1"), strict=True):
        cell.get_layer(name).trainable = False
    network.compile(keras.optimizers.SGD(0.05), LOSS)
    assert cells[0].kind != cells[1].kind
    before = [values(cell) for cell in cells]
    network.fit(*coloured(8, seed=0), batch_size=8, verbose=0)
    for old, cell, frozen in zip(before, cells, ("input_0", "input_1"), strict=True):
        moved = {path.split("/")[0] for path in changed(old, cell)}
        assert moved >= {"input_0", "input_1", "node_0_edge_0_sep_conv_3x3"} - {frozen}
        assert frozen not in moved
    cells[0].get_layer("input_0").trainable = True
    cells[1].get_layer("input_1").trainable = True
    network.compile(keras.optimizers.SGD(0.05), LOSS)
    assert cells[0].kind == cells[1].kind


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"include_top": False, "auxiliary": True}, "auxiliary=True and include_top"),
        (
            {"include_top": False, "num_classes": 10},
            "no classes. .*num_classes=10",
        ),
        ({"include_top": False, "pooling": "mean"}, "Unknown pooling 'mean'.*avg, max"),
        (
            {"num_classes": 10, "pooling": "avg"},
            "pools by itself. .*pooling='avg'",
        ),
        ({}, "needs num_classes"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        build_network(TINY, SHAPE, filters=4, num_cells=3, **arguments)


def test_what_is_no_trained_network_is_refused(file, tmp_path):
    with pytest.raises(InputError, match="is a SavedModel: .*network.keras"):
        load_backbone(SHIPPED)
    with pytest.raises(InputError, match="no file .*network.keras"):
        load_backbone(tmp_path)
    with pytest.raises(InputError, match="Unknown pooling 'mean'"):
        load_backbone(file, pooling="mean")
    damaged = tmp_path / "network.keras"
    damaged.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="Cannot load"):
        load_backbone(damaged)
    with pytest.raises(InputError, match="has no classifier"):
        without_top(load_backbone(file))
