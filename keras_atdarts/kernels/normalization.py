"""Batch normalization of one tensor per edge, as functions of tensors.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.cpu_normalization import cpu_batch_normalization
from keras_atdarts.kernels.cpu_normalization import rows_of
from keras_atdarts.kernels.devices import on_gpu
from keras_atdarts.kernels.joined import JoinedTensors
from keras_atdarts.kernels.joined import should_join
from keras_atdarts.kernels.staged_normalization import is_half
from keras_atdarts.kernels.staged_normalization import staged_batch_normalization
from keras_atdarts.kernels.staged_normalization import synchronized_batch_normalization


def batch_normalization(tensors, scales, offsets, epsilon, synchronized=False):
    """Normalises tensors, each by the statistics of its batch.

    Args:
        tensors: List of tensors `(batch, height, width, channels)` of one shape.
        scales: Tensor `(len(tensors), channels)`, float32 (float64 for float64
            tensors), or `None` for ones.
        offsets: Tensor `(len(tensors), channels)`, or `None` for zeros.
        epsilon: Float added to the variances.
        synchronized: Boolean, whether the batch is that of all replicas, not the
            equal part that this replica has.

    Returns:
        The list of normalised tensors, their means `(len(tensors), channels)`, and
        the unbiased variances, which PyTorch averages; neither is differentiated.
    """
    if should_join(tensors):
        return joined_batch_normalization(
            tensors, scales, offsets, epsilon, synchronized
        )
    if synchronized:
        form = synchronized_batch_normalization
    elif tensors[0].dtype == tf.float64:
        form = staged_batch_normalization
    elif is_half(tensors[0]) or on_gpu():
        form = fused_batch_normalization
    else:
        form = cpu_batch_normalization
    return form(tensors, scales, offsets, epsilon)


def joined_batch_normalization(tensors, scales, offsets, epsilon, synchronized=False):
    """`batch_normalization` of all tensors as one, with more channels."""
    edges = len(tensors)
    joined = JoinedTensors.of(tensors).joined
    channels = joined.shape[-1]
    row, rows = constant([1, channels]), constant([edges, channels // edges])
    scales, offsets = (
        None if each is None else tf.reshape(each, row) for each in (scales, offsets)
    )
    [result], *statistics = batch_normalization(
        [joined], scales, offsets, epsilon, synchronized
    )
    means, variances = (tf.reshape(each, rows) for each in statistics)
    return JoinedTensors(result, edges), means, variances


def fused_batch_normalization(tensors, scales, offsets, epsilon):
    """TensorFlow's kernel for `batch_normalization`: one launch; no float64.

    On CPUs it adds up all pixels in one running sum: in float32 the result is
    ten times less exact than PyTorch's and flips ReLUs.
    """
    zeros = constant(np.zeros(tensors[0].shape[-1], "float32"))
    rows = rows_of(scales, 1.0, tensors), rows_of(offsets, 0.0, tensors)
    # Not tf.nn.fused_batch_norm: it would raise epsilon from 1e-5 to 1.001e-5.
    results = [
        tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=zeros,
            variance=zeros,
            epsilon=epsilon,
            exponential_avg_factor=1.0,  # The new moving statistics: the batch's.
        )
        for x, scale, offset in zip(tensors, *rows, strict=True)
    ]
    return (
        [result.y for result in results],
        tf.stack([result.batch_mean for result in results]),
        tf.stack([result.batch_variance for result in results]),
    )


def frozen_batch_normalization(tensors, scales, offsets, means, variances, epsilon):
    """Normalises by given statistics `(len(tensors), channels)`.

    All else as in `batch_normalization`.
    """
    factors, shifts = frozen_line(scales, offsets, means, variances, epsilon)
    dtype = tensors[0].dtype
    factors, shifts = (tf.unstack(tf.cast(x, dtype)) for x in (factors, shifts))
    edges = zip(tensors, factors, shifts, strict=True)
    return [x * factor + shift for x, factor, shift in edges]


def frozen_line(scales, offsets, means, variances, epsilon):
    """Returns what frozen statistics multiply by, and what they then add."""
    factors = tf.math.rsqrt(variances + epsilon)
    if scales is not None:
        factors *= scales
    shifts = -means * factors
    if offsets is not None:
        shifts += offsets
    return factors, shifts
