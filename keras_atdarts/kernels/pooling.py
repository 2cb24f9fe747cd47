"""Pools, and the subsampling that is one."""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.kernels import is_even


def pool_maximum(x, ksize, strides):
    """Pools `ksize` x `ksize` pixels, at margins those that there are.

    On CPUs the gradient has a fast kernel only where it stands in one
    `tf.function` with the pooling, which is therefore done again.
    """
    sizes = {"ksize": [1, ksize, ksize, 1], "strides": [1, strides, strides, 1]}

    def pool(x):
        return tf.raw_ops.MaxPool(input=x, padding="SAME", **sizes)

    @tf.custom_gradient
    def pooled(x):
        def gradient(slope):
            return tf.raw_ops.MaxPoolGrad(
                orig_input=x, orig_output=pool(x), grad=slope, padding="SAME", **sizes
            )

        return pool(x), gradient

    return pooled(x)


def max_pool(x, strides=1):
    """Pools 3x3 with symmetric padding; strided, the even pixels of stride 1."""
    pooled = pool_maximum(x, ksize=3, strides=1)
    return pooled if strides == 1 else subsample_even(pooled)


@tf.custom_gradient
def pool_average(x):
    """Pools 3x3 at stride 1.

    Sums over neighbours are their own transpose: the gradient is a pooling as well,
    whose kernel is several times faster than that of the gradient.
    """

    def pool(x):
        return tf.nn.avg_pool2d(x, ksize=3, strides=1, padding="SAME")

    counts = count_pooled(x)

    def gradient(slope):
        return counts * pool_average(slope / counts)

    return pool(x), gradient


def count_pooled(x):
    """Returns how many pixels a 3x3 pool sees: 9, and fewer at the margins."""
    height, width = x.shape[1:3]
    if height is None or width is None:
        margin = constant([[0, 0], [1, 1], [1, 1], [0, 0]])
        ones = tf.pad(tf.ones_like(x[:1, :, :, :1]), margin)
        return tf.round(9 * tf.nn.avg_pool2d(ones, ksize=3, strides=1, padding="VALID"))
    rows, columns = map(count_neighbours, (height, width))
    return constant(np.outer(rows, columns)[..., np.newaxis], x.dtype)


def count_neighbours(size):
    """Returns how many of three neighbours there are, of each pixel in a row."""
    pixels = np.arange(size)
    return 1 + np.minimum(pixels, 1) + np.minimum(size - 1 - pixels, 1)


def average_pool(x, strides=1):
    """Pools 3x3 with symmetric padding that is not counted in the average."""
    pooled = pool_average(x)
    return pooled if strides == 1 else subsample_even(pooled)


def subsample_even(x):
    """Returns `x[:, ::2, ::2]`; as a 1x1 pool it is far faster, backward too.

    Like every maximum of TensorFlow, it turns nan into the lowest number.
    """
    return pool_maximum(x, ksize=1, strides=2)


def subsample_odd(x):
    """Returns `x[:, 1::2, 1::2]`, with zeros where an odd size has no last pixel.

    Both subsamplings thus have `ceil(size / 2)` pixels. The reference fails at
    odd sizes; at even ones this is exactly its shifted view.
    """
    # Not x[:, 1:, 1:], whose gradient is fifty times slower.
    shifted = tf.slice(x, constant([0, 1, 1, 0]), constant([-1, -1, -1, -1]))
    if not (is_even(x.shape[1]) and is_even(x.shape[2])):
        shifted = tf.pad(shifted, constant([[0, 0], [0, 1], [0, 1], [0, 0]]))
    return subsample_even(shifted)
