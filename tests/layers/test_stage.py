"""The stage as a plain Keras layer, and its forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_layer
from layer_checks import random_images

from keras_atdarts.layers.stage import FactorizedReduce
from keras_atdarts.layers.stage import ReLUConvBN
from keras_atdarts.layers.stage import Stage

FORMS = {
    "pointwise": ({"filters": 5}, (2, 7, 6, 5)),
    "depthwise": ({"filters": 5, "kernel_size": 3}, (2, 7, 6, 5)),
    "strided": ({"filters": 5, "kernel_size": 5, "strides": 2}, (2, 4, 3, 5)),
    "dilated": ({"filters": 4, "kernel_size": 3, "dilation_rate": 2}, (2, 7, 6, 4)),
    "plain": ({"filters": 4, "affine": False}, (2, 7, 6, 4)),
}


@pytest.mark.parametrize("form", FORMS)
def test_basics(form, tmp_path):
    arguments, output_shape = FORMS[form]
    check_layer(Stage, arguments, (2, 7, 6, 4), output_shape, tmp_path)


def test_without_depthwise_it_brings_inputs_to_their_filters():
    x = random_images((2, 6, 6, 3))
    named, stage = ReLUConvBN(5), Stage(5)
    named.build(x.shape)
    stage.build(x.shape)
    stage.set_weights(named.get_weights())
    np.testing.assert_array_equal(stage(x), named(x))
    assert "num_edges" not in named.get_config()


@pytest.mark.parametrize("training", [False, True])
def test_a_reducer_is_a_stage_of_two_views(training):
    """Even pixels give the first half of the filters, odd ones the second."""
    x = tf.constant(random_images((4, 8, 6, 3), "float64"))
    reduce = FactorizedReduce(6, dtype="float64")
    reduced = reduce(x, training=training)
    parts = []
    for view, kernel in (
        (x[:, ::2, ::2], reduce.even_kernel),
        (x[:, 1::2, 1::2], reduce.odd_kernel),
    ):
        half = Stage(3, dtype="float64")
        half.build(view.shape)
        half.pointwise_kernel.assign(kernel)
        parts.append(half(view, training=training))
    expected = tf.concat(parts, axis=-1)
    np.testing.assert_allclose(reduced, expected, rtol=1e-10, atol=1e-12)


def test_a_stage_of_several_edges_gives_the_first():
    layer = Stage(4, kernel_size=3, num_edges=3)
    outputs = layer(keras.ops.ones((2, 6, 6, 4)))
    assert outputs.shape == (2, 6, 6, 4)
    assert layer.pointwise_kernel.shape == (3, 4, 4)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="`strides` must be 1 or 2.*strides=3"):
        Stage(4, kernel_size=3, strides=3)
    with pytest.raises(ValueError, match="give a `kernel_size`.*strides=2"):
        Stage(4, strides=2)
    with pytest.raises(ValueError, match="`kernel_size` must be odd.*kernel_size=4"):
        Stage(4, kernel_size=4)
    with pytest.raises(ValueError, match="`dilation_rate` must be 1 or 2.*Received"):
        Stage(4, kernel_size=3, dilation_rate=3)
