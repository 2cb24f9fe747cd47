"""Partial channels: a part of each tensor is mixed, the rest goes past the mixture.

Reference:
    Xu, Xie, Zhang, Chen, Qi, Tian, Xiong, PC-DARTS, ICLR 2020,
    https://arxiv.org/abs/1907.05737, section 3.2
"""

import functools

import numpy as np
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.convolutions import every_second_pixel
from keras_atdarts.kernels.convolutions import pointwise_convolution


def check_partial_channels(filters, partial_channels):
    """Raises `InputError` if filters do not fall into so many equal parts."""
    if partial_channels < 1 or filters % partial_channels:
        raise InputError(
            f"`partial_channels` must divide `filters` ({filters}). "
            f"Received: {partial_channels}."
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
    # A pool would do the same; its gradient is slow on CPUs.
    return functools.reduce(tf.maximum, every_second_pixel(x, beyond=x.dtype.min))


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
    permutation = constant(np.eye(parts * size)[:, order], mixed.dtype)
    first, others = tf.split(permutation, [size, (parts - 1) * size])
    return pointwise_convolution(mixed, first) + pointwise_convolution(rest, others)


def weighted_sum(tensors, weights=None):
    """Returns the sum of tensors, each times its weight if there are any.

    Args:
        tensors: List of tensors.
        weights: Optional tensor `(len(tensors), 1)`.
    """
    if weights is not None:
        weights = tf.unstack(tf.cast(weights, tensors[0].dtype))
        tensors = [weight * x for weight, x in zip(weights, tensors, strict=True)]
    return tf.add_n(tensors)
