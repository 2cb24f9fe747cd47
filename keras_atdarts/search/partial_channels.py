"""Partial channels: a part of each tensor is mixed, the rest goes past the mixture.

Reference:
    Xu, Xie, Zhang, Chen, Qi, Tian, Xiong, PC-DARTS, ICLR 2020,
    https://arxiv.org/abs/1907.05737, section 3.2
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.kernels import kernels
from keras_atdarts.kernels import pooling


def check_partial_channels(filters, partial_channels):
    """Raises `InputError` if filters do not fall into so many equal parts."""
    if partial_channels < 1 or filters % partial_channels:
        raise InputError(
            "Of partial channels, one in so many is mixed: their number must divide "
            f"the {filters} filters. Received: partial_channels={partial_channels}."
        )


def split_channels(x, parts):
    """Returns the first of equal parts of the channels, and all others.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        parts: Integer, at least 2.
    """
    mixed = x.shape[-1] // parts
    return tf.split(x, [mixed, x.shape[-1] - mixed], axis=-1)


def halve(x):
    """Returns the maxima of 2x2 pixels; odd sizes are rounded up."""
    _, height, width, channels = x.shape
    if not (kernels.is_even(height) and kernels.is_even(width)):
        return pooling.pool_maximum(x, ksize=2, strides=2)
    # The gradient of pooling is slow here on CPUs.
    blocks = tf.reshape(x, [-1, height // 2, 2, width // 2, 2, channels])
    rows = tf.maximum(*tf.unstack(blocks, axis=2))
    return tf.maximum(*tf.unstack(rows, axis=3))


def join_channels(mixed, rest, parts):
    """Puts both back together, and shuffles them: the reverse is `split_channels`.

    The next mixture takes the first channels: after the shuffle those are of all
    parts in turn.

    Args:
        mixed: Tensor `(batch, height, width, channels / parts)`.
        rest: Tensor of all other channels.
        parts: Integer.
    """
    size = mixed.shape[-1]
    order = np.arange(parts * size).reshape(parts, size).T.ravel()
    # A product with ones and zeros is exact, and faster than a transposition.
    permutation = tf.constant(np.eye(parts * size)[:, order], mixed.dtype)
    kernels_of = tf.split(permutation[tf.newaxis], [size, (parts - 1) * size], axis=1)
    (first,), (others,) = map(
        kernels.pointwise_convolutions, ([mixed], [rest]), kernels_of
    )
    return first + others


def weighted_sum(tensors, weights):
    """Returns the sum of tensors, each times its scalar if there are `weights`."""
    if weights is None:
        return tf.add_n(tensors)
    pairs = zip(tensors, weights, strict=True)
    return tf.add_n([tf.cast(weight, x.dtype) * x for x, weight in pairs])
