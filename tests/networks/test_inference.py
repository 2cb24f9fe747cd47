import keras
import numpy as np
import pytest
from layer_checks import random_images

from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.layers.attention import SpatialAttention
from keras_atdarts.layers.batch_normalization import BatchNormalization
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.layers.stage import FactorizedReduce
from keras_atdarts.layers.stage import ReLUConvBN
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.inference import fold
from keras_atdarts.networks.inference import folded
from keras_atdarts.operations import Operation
from keras_atdarts.operations import build_operation
from keras_atdarts.operations import operation_names

FILTERS = 4
ATTENDED = ("dil_conv_3x3+channel_attention", "skip_connect+spatial_attention")
BLOCKS = {
    "relu_conv": lambda: ReLUConvBN(6, dtype="float64"),
    "stem": lambda: ConvBN(6, strides=2, dtype="float64"),
    "rectangle": lambda: ConvBN(6, (2, 3), padding="valid", dtype="float64"),
    "unnormalised": lambda: ConvBN(6, normalize=False, dtype="float64"),
    "reduce": lambda: FactorizedReduce(7, dtype="float64"),
    "spatial": lambda: SpatialAttention(dtype="float64"),
}


def batch_normalizations(layer):
    return [
        part for part in layer._flatten_layers() if isinstance(part, BatchNormalization)
    ]


def randomize(layer):
    """Gives all batch norms statistics, scales and offsets of their own."""
    random = np.random.default_rng(1)
    for part in batch_normalizations(layer):
        for variable in part.variables:
            low = np.full(variable.shape, -1.0 if variable.name == "beta" else 0.3)
            if variable is part.moving_statistics:
                low[0] = -1.0  # Means, but no variances, can be negative.
            variable.assign(random.uniform(low, 1.5))


def check_folding(layer, inputs):
    """Checks that no batch norm is left, and that nobody notices."""
    layer(inputs)
    randomize(layer)
    expected = layer(inputs, training=False)
    fold(layer)
    assert all(part.folded for part in batch_normalizations(layer))
    for training in (False, True):
        received = layer(inputs, training=training)
        np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", (*operation_names(), *ATTENDED))
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)], ids=["even", "odd"])
def test_folded_operations_compute_the_same(name, strides, size):
    layer = build_operation(name, FILTERS, strides, dtype="float64")
    check_folding(layer, random_images((2, *size, FILTERS), "float64"))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("channels", [1, 3])
def test_folded_blocks_compute_the_same(name, channels):
    check_folding(BLOCKS[name](), random_images((2, 7, 6, channels), "float64"))


def test_folding_serves_every_edge():
    together = FactorizedReduce(6, num_edges=3, dtype="float64")
    together.build((2, 6, 6, 3))
    randomize(together)
    before = [value.numpy() for value in (together.even_kernel, together.odd_kernel)]
    [normalization] = batch_normalizations(together)
    _, variance = normalization.moving_statistics.numpy()
    factors = normalization.gamma / np.sqrt(variance + 1e-5)
    fold(together)
    after = [value.numpy() for value in (together.even_kernel, together.odd_kernel)]
    np.testing.assert_allclose(
        np.concatenate(after, -1),
        np.concatenate(before, -1) * np.array(factors)[:, np.newaxis],
    )


@pytest.mark.parametrize("name", operation_names())
def test_candidates_keep_the_batch_norms_that_alphas_scale(name):
    layer = build_operation(name, FILTERS, num_edges=2, search=True)
    layer.build((2, 6, 6, FILTERS))
    randomize(layer)
    before = layer.get_weights()
    fold(layer)
    candidates = [part for part in batch_normalizations(layer) if not part.affine]
    assert not any(part.folded for part in candidates)
    if "spatial" not in name:  # Whose gate has a batch norm of its own.
        for old, new in zip(before, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_an_operation_that_names_no_kernels_stays_as_it_is():
    class Shifted(Operation):
        def is_normalized(self):
            return True

        def results(self, source):
            return [source.x + 1]

    layer = Shifted(FILTERS)
    inputs = random_images((2, 6, 6, FILTERS))
    layer(inputs)
    randomize(layer)
    expected = layer(inputs, training=False)
    fold(layer)
    assert not layer.normalization.folded
    np.testing.assert_array_equal(layer(inputs, training=False), expected)


@pytest.fixture(scope="module", params=["cifar", "imagenet"])
def network(request):
    genotype = Genotype.load("DARTS_V2")
    shape = (33, 35, 1) if request.param == "imagenet" else (9, 10, 3)
    arguments = {"filters": 4, "num_cells": 3, "drop_path": True}
    network = build_network(genotype, shape, 3, stem=request.param, **arguments)
    randomize(network)
    return network


def check_equal(received, expected):
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * scale)


def test_folded_networks_compute_the_same(network, tmp_path):
    images = random_images((4, *network.input_shape[1:]))
    weights = network.get_weights()
    expected = network(images, training=False)
    fast = folded(network)
    assert all(part.folded for part in batch_normalizations(fast))
    check_equal(fast(images, training=False), expected)
    # The network itself is as before.
    assert not any(part.folded for part in batch_normalizations(network))
    for old, new in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_networks_can_be_saved_before_and_after(network, tmp_path):
    images = random_images((4, *network.input_shape[1:]))
    expected = network(images, training=False)
    network.save(tmp_path / "plain.keras")
    fast = folded(keras.saving.load_model(tmp_path / "plain.keras"))
    check_equal(fast(images, training=False), expected)
    fast.save(tmp_path / "fast.keras")
    again = keras.saving.load_model(tmp_path / "fast.keras")
    check_equal(again(images, training=False), expected)
