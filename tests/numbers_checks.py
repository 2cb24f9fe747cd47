"""What tests of arithmetic have in common."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.kernels.native import library

needs_library = pytest.mark.skipif(
    library.find_library() is None,
    reason="no kernels are compiled for this processor: install the package where "
    "there is a C++ compiler (apt install g++)",
)


def numbers(*shape, seed=0, dtype="float64"):
    """Returns random numbers, others for each seed."""
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def differentiated(function, inputs, twice=False):
    """Returns the results of a function, the gradients of its inputs, and theirs.

    Args:
        function: Function from tensors to a list of tensors.
        inputs: List of tensors.
        twice: Boolean, whether to add the gradients of the squared gradients' sum.
    """
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            results = function(*inputs)
            probes = [
                numbers(*x.shape, seed=100 + i, dtype=x.dtype)
                for i, x in enumerate(results)
            ]
            pairs = zip(results, probes, strict=True)
            loss = tf.add_n([tf.reduce_sum(tf.sin(x) * y) for x, y in pairs])
        first = inner.gradient(loss, inputs, unconnected_gradients="zero")
        total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in first])
    if not twice:
        return [*results, *first]
    second = outer.gradient(total, inputs, unconnected_gradients="zero")
    return [*results, *first, *second]


def check(found, expected, tolerance=1e-11):
    """Asserts that tensors differ by less than a part of the largest number."""
    for one, other in zip(found, expected, strict=True):
        one, other = (np.asarray(x, "float64") for x in (one, other))
        assert one.shape == other.shape
        scale = np.abs(other).max(initial=0) + 1e-300
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance)
