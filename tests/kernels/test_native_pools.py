"""Pools of our own against their definition, pixel by pixel, in float64."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from native_checks import needs_library
from native_checks import numbers

from keras_atdarts.kernels import pooling
from keras_atdarts.kernels.devices import formulated_for
from keras_atdarts.kernels.native import operations as native
from keras_atdarts.kernels.shapes import strided_shape
from keras_atdarts.operations import build_operation

SHAPES = {
    "even": (2, 8, 6, 4),
    "odd": (3, 7, 5, 3),
    "one pixel": (1, 1, 1, 2),
    "one row": (2, 1, 6, 5),
    "one column": (2, 6, 1, 16),
    "many channels": (1, 3, 2, 40),
    "no image": (0, 4, 4, 3),
}
all_kinds = pytest.mark.parametrize("kind", ["max", "average"])
all_strides = pytest.mark.parametrize("strides", [1, 2])


def defined_pool(x, slope, kind, strides):
    """Returns the result and the gradient of the sum of `result * slope`."""
    result, gradient = np.zeros(slope.shape), np.zeros(x.shape)
    for index in itertools.product(*map(range, slope.shape)):
        image, row, column, channel = index
        rows, columns = (
            slice(max(place * strides - 1, 0), place * strides + 2)
            for place in (row, column)
        )
        window = x[image, rows, columns, channel]
        shares = np.full(window.shape, 1 / window.size)
        if kind == "max":
            shares = np.zeros(window.shape)
            shares.flat[window.argmax()] = 1  # The first of equal ones.
        result[index] = (shares * window).sum()
        gradient[image, rows, columns, channel] += shares * slope[index]
    return result, gradient


def differentiated_pool(function, x, slope):
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = function(x)
    return result, tape.gradient(result, x, output_gradients=tf.constant(slope))


@needs_library
@all_kinds
@all_strides
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("equal", [False, True], ids=["distinct", "some equal"])
def test_a_pool(shape, kind, strides, equal):
    x = numbers(*SHAPES[shape])
    x = tf.round(x) if equal else x
    slope = numbers(*strided_shape(x.shape, strides, x.shape[-1]), seed=1).numpy()
    found = differentiated_pool(lambda x: native.pool(x, kind, strides), x, slope)
    expected = defined_pool(x.numpy(), slope, kind, strides)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


@needs_library
@all_kinds
@all_strides
def test_a_pool_of_unknown_size_in_float32(kind, strides):
    x = numbers(2, 9, 7, 5, dtype="float32")
    pool = tf.function(lambda x: native.pool(x, kind, strides))
    pool = pool.get_concrete_function(tf.TensorSpec((None, None, None, 5)))
    assert pool.output_shapes.as_list() == [None, None, None, 5]
    of_tensorflow = {"max": pooling.max_pool, "average": pooling.average_pool}[kind]
    np.testing.assert_allclose(pool(x), of_tensorflow(x, strides), atol=1e-6)


@needs_library
def test_a_maximum_shows_what_is_not_a_number():
    x = numbers(1, 5, 5, 3).numpy()
    x[0, 2, 2, 1] = np.nan
    lost = np.isnan(native.pool(tf.constant(x), "max", 1))
    expected = np.zeros(x.shape, bool)
    expected[0, 1:4, 1:4, 1] = True
    np.testing.assert_array_equal(lost, expected)


@needs_library
@pytest.mark.parametrize("name", ["max_pool_3x3", "avg_pool_3x3"])
def test_it_is_used_in_training_only(name):
    operation = build_operation(name, 4)
    images = tf.TensorSpec((2, 6, 6, 4))
    for kind, training, expected in (
        ("native", True, True),
        ("native", False, False),
        ("cpu", True, False),
    ):
        with formulated_for(kind):
            call = tf.function(operation).get_concrete_function(
                images, training=training
            )
        names = {each.type for each in call.graph.get_operations()}
        assert ("AtdartsPool" in names) == expected


@needs_library
@pytest.mark.parametrize(
    ("shape", "strides", "message"),
    [
        ((2, 6, 4), 1, "`images` must have 4 axes"),
        ((2, 6, 6, 4), 3, "Strides must be 1 or 2"),
        ((2, 0, 6, 4), 1, "`images` must have pixels and channels"),
    ],
)
def test_what_cannot_be_pooled_is_refused(shape, strides, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        native.native_library().atdarts_pool(
            numbers(*shape), strides=strides, maximum=True
        )
