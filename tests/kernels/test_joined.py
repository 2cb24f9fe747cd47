"""Edges that are computed as one tensor give what they give one by one."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.kernels import kernels
from keras_atdarts.kernels.depthwise import depthwise_convolutions
from keras_atdarts.kernels.devices import formulated_for
from keras_atdarts.kernels.devices import joins_edges
from keras_atdarts.kernels.devices import on_gpu
from keras_atdarts.kernels.joined import JoinedTensors
from keras_atdarts.kernels.joined import concat_channels
from keras_atdarts.kernels.joined import on_each
from keras_atdarts.kernels.normalization import batch_normalization
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixing import MixingWeights
from keras_atdarts.search.mixing import cell_edges

EDGES = 3


def images_of(seed, dtype="float64"):
    values = random_images((EDGES, 2, 6, 5, 4), dtype)
    return tf.constant(values + seed)


def depthwise(tensors, kernel_size=5, strides=1, dilation_rate=1):
    weights = random_images((EDGES, kernel_size, kernel_size, 4, 1), "float64")
    return depthwise_convolutions(tensors, tf.constant(weights), strides, dilation_rate)


def pointwise(tensors):
    weights = random_images((EDGES, 4, 2), "float64")
    return kernels.pointwise_convolutions(tensors, tf.constant(weights))


def normalize(tensors, synchronized=False):
    scales, offsets = tf.constant(random_images((2, EDGES, 4), "float64"))
    results, means, variances = batch_normalization(
        tensors, scales, offsets, 1e-5, synchronized
    )
    shifts = tf.unstack(means + 2 * variances)
    return [
        x + tf.stop_gradient(shift) for x, shift in zip(results, shifts, strict=True)
    ]


def reduce(tensors):
    return concat_channels(pointwise(tensors), pointwise(tensors))


def in_a_row(tensors):
    tensors = depthwise(tensors, kernel_size=3)
    return pointwise(on_each(tf.nn.relu, normalize_joined(tensors)))


def normalize_joined(tensors):
    return batch_normalization(tensors, None, None, 1e-5)[0]


FUNCTIONS = {
    "depthwise": depthwise,
    "strided": lambda tensors: depthwise(tensors, strides=2),
    "dilated": lambda tensors: depthwise(tensors, dilation_rate=2),
    "strided and dilated": lambda tensors: depthwise(tensors, 3, 2, 2),
    "pointwise": pointwise,
    "batch norm": normalize,
    "synchronized batch norm": lambda tensors: normalize(tensors, True),
    "concatenated": reduce,
    "in a row": in_a_row,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_joined_edges_equal_single_ones(function, shared):
    def differentiate(joins_edges):
        images = images_of(0)
        with formulated_for("cpu", joins_edges), tf.GradientTape() as tape:
            tape.watch(images)
            tensors = tf.unstack(images)
            results = list(function(tensors[:1] * EDGES if shared else tensors))
            loss = tf.add_n([tf.reduce_sum(tf.sin(x)) for x in results])
        return [*results, tape.gradient(loss, images)]

    pairs = zip(differentiate(True), differentiate(False), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-4)]
)
def test_a_cell_computes_the_same_for_gpus(reduction, dtype, tolerance):
    """In float32, to the precision of TensorFlow's own batch norm."""
    operations = resolve_operations("at_darts")
    cell = SearchCell(4, operations, 2, reduction, dtype=dtype)
    states = [tf.constant(random_images((2, 8, 8, 4), dtype)) for _ in range(2)]
    cell.build([x.shape for x in states])
    alphas = tf.constant(random_images((len(cell_edges(2)), len(operations)), dtype))

    def differentiate(kind):
        weights = cell.trainable_variables

        @functools.partial(tf.function, autograph=False)
        def gradients():
            with formulated_for(kind), tf.GradientTape() as tape:
                tape.watch(alphas)
                mixing = MixingWeights(alphas, 2)
                result = cell(states, weights=mixing, training=True)
                loss = tf.reduce_sum(tf.sin(result))
            found = tape.gradient(loss, [alphas, *(each.value for each in weights)])
            return [result, *found]

        return gradients()

    before = cell.get_weights()
    on_cpu = [*differentiate("cpu"), *cell.get_weights()]
    cell.set_weights(before)
    on_gpu = [*differentiate("gpu"), *cell.get_weights()]
    for found, expected in zip(on_gpu, on_cpu, strict=True):
        scale = np.abs(expected).max() + 1e-3
        np.testing.assert_allclose(found / scale, expected / scale, atol=tolerance)


def test_joined_tensors_are_a_list_of_them():
    tensors = tf.unstack(images_of(0))
    joined = JoinedTensors.of(tensors)
    assert JoinedTensors.of(joined) is joined
    assert len(joined) == EDGES
    for found, expected in zip(joined, tensors, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_there_are_fewer_kernels():
    def count(joins_edges):
        def function(images):
            with formulated_for("gpu", joins_edges):
                return list(in_a_row(tf.unstack(images)))

        spec = tf.TensorSpec((EDGES, 2, 6, 6, 4), tf.float64)
        graph = tf.function(function).get_concrete_function(spec).graph
        return [each.type for each in graph.get_operations()]

    assert count(False).count("DepthwiseConv2dNative") == EDGES
    assert count(True).count("DepthwiseConv2dNative") == 1
    assert count(True).count("MatMul") == 1


def test_a_formulation_ends_with_its_block():
    before = on_gpu(), joins_edges()
    with formulated_for("gpu"):
        assert on_gpu() and joins_edges()
        with formulated_for("cpu"):
            assert not on_gpu() and not joins_edges()
        with formulated_for("gpu", joins_edges=False):
            assert on_gpu() and not joins_edges()
        assert on_gpu() and joins_edges()
    assert (on_gpu(), joins_edges()) == before


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="'cpu' or 'gpu'. Received: kind=tpu"):
        with formulated_for("tpu"):
            pass
