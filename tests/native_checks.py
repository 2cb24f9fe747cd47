"""What tests of our own kernels have in common."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.kernels.native import library
from keras_atdarts.kernels.native import operations as native

EPSILON = 1e-5
needs_library = pytest.mark.skipif(
    library.find_library() is None, reason="nothing is compiled for this processor"
)


def normalized(x, scale, offset):
    mean = tf.reduce_mean(x, axis=[0, 1, 2])
    variance = tf.reduce_mean((x - mean) ** 2, axis=[0, 1, 2])
    return (x - mean) / tf.sqrt(variance + EPSILON) * scale + offset


def numbers(*shape, seed=0, dtype="float64"):
    """Returns random numbers, others for each seed."""
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def as_tensors(lines):
    return [native.add([line]) for line in lines]


def differentiated(function, inputs, dtype="float64"):
    """Returns the results of a function, and the gradients of its inputs."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        results = function(*inputs)
        probes = [
            numbers(*x.shape, seed=100 + i, dtype=dtype) for i, x in enumerate(results)
        ]
        loss = tf.add_n(
            [tf.reduce_sum(x * y) for x, y in zip(results, probes, strict=True)]
        )
    flat = tf.nest.flatten(inputs)
    return [*results, *tape.gradient(loss, flat, unconnected_gradients="zero")]


def check(found, expected, tolerance=1e-11):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        scale = np.abs(other).max(initial=0) + 1e-300
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance)
