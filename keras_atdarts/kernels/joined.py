"""The backend for GPUs, where each launch of a kernel costs: few wide kernels."""

import collections.abc
import functools

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.reference import EPSILON
from keras_atdarts.kernels.reference import Reference
from keras_atdarts.kernels.reference import count_pixels
from keras_atdarts.kernels.xla import is_compiled_by_xla


class JoinedTensors(collections.abc.Sequence):
    """Tensors side by side in the channels of one; for the rest a list of them.

    Args:
        joined: Tensor `(batch, height, width, num_edges * channels)`, the channels
            of the first edge first.
        num_edges: Integer.
    """

    def __init__(self, joined, num_edges):
        self.joined = joined
        self.num_edges = num_edges

    @functools.cached_property
    def _apart(self):
        return tf.split(self.joined, self.num_edges, axis=-1)

    def __len__(self):
        return self.num_edges

    def __getitem__(self, index):
        return self._apart[index]


def join(tensors):
    """Returns the one tensor that `JoinedTensors` of a list of tensors hold."""
    if isinstance(tensors, JoinedTensors):
        return tensors.joined
    return tf.concat(tensors, axis=-1)


class Joined(Reference):
    """Computes all edges that leave a node as one, with more channels."""

    def stage(
        self,
        inputs,
        depthwise,
        pointwise,
        scales=None,
        offsets=None,
        strides=1,
        dilation_rate=1,
    ):
        edges, channels, filters = pointwise.shape
        if edges == 1:
            return super().stage(
                inputs, depthwise, pointwise, scales, offsets, strides, dilation_rate
            )
        x = join(inputs)
        if depthwise is not None:
            if len(inputs) == 1:
                x = tf.tile(x, [1, 1, 1, edges])
            depthwise = tf.transpose(depthwise, [1, 2, 0, 3, 4])
            size = depthwise.shape[0]
            depthwise = tf.reshape(depthwise, [1, size, size, edges * channels, 1])
        if depthwise is None and len(inputs) == 1:
            pointwise = tf.transpose(pointwise, [1, 0, 2])
        else:
            # Blocks along the diagonal: products with zeros, for a single launch.
            blocks = np.eye(edges)[:, np.newaxis, :, np.newaxis]
            blocks = constant(blocks, pointwise.dtype)
            pointwise = tf.expand_dims(pointwise, axis=2) * blocks
        pointwise = tf.reshape(pointwise, [1, -1, edges * filters])
        [x] = self.convolve([x], depthwise, pointwise, strides, dilation_rate)
        return self.normalize(JoinedTensors(x, edges), scales, offsets)

    def normalize(self, tensors, scales=None, offsets=None):
        edges = len(tensors)
        if edges == 1 and scales is not None and scales.shape[0] > 1:
            [x], statistics = self.normalize(tensors)
            terms = [x * tf.cast(scale, x.dtype) for scale in tf.unstack(scales)]
            if offsets is not None:
                pairs = zip(terms, tf.unstack(offsets), strict=True)
                terms = [y + tf.cast(offset, x.dtype) for y, offset in pairs]
            return terms, statistics
        x = join(tensors)
        dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
        rows = [
            _row(values, default, edges, x.shape[-1], dtype)
            for values, default in ((scales, 1.0), (offsets, 0.0))
        ]
        if is_compiled_by_xla() or dtype == tf.float64:
            result, means, variances = normalized(x, *rows)
            variances = self._unbiased(variances, x)
        else:
            result, means, variances = _fused_batch_norm(x, *rows)
        statistics = tf.reshape(tf.stack([means, variances]), [2, edges, -1])
        return JoinedTensors(result, edges), tf.stop_gradient(statistics)


def _row(values, default, edges, channels, dtype):
    """Returns scales or offsets of joined tensors, one for each channel."""
    if values is None:
        return constant(np.full(channels, default, dtype.as_numpy_dtype))
    if values.shape.rank == 1:
        ones = tf.ones([1, channels // edges], values.dtype)
        values = tf.expand_dims(values, axis=1) * ones
    return tf.reshape(values, [channels])


def _fused_batch_norm(x, scales, offsets):
    """Returns the normalised tensor, its means and unbiased variances: one launch."""
    zeros = constant(np.zeros(x.shape[-1], "float32"))
    # Not tf.nn.fused_batch_norm: it would raise epsilon from 1e-5 to 1.001e-5.
    result = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scales,
        offset=offsets,
        mean=zeros,
        variance=zeros,
        epsilon=EPSILON,
        exponential_avg_factor=1.0,  # The new moving statistics: the batch's.
    )
    return result.y, result.batch_mean, result.batch_variance


@tf.custom_gradient
def normalized(x, scale, offset):
    """Batch norm `y = scale u + offset`, `u = (x - mean) / sqrt(variance + epsilon)`.

    With `<.>` for the mean over images and pixels, and the gradient `g` of `y`,

        dx = scale / sqrt(variance + epsilon) (g - <g> - u <u g>)

    which needs two sums of one reading; differentiating the equation term by term
    takes two readings, one after the other. For XLA, which makes few kernels of it and
    can compute `y` anew of `x` and the statistics.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        scale, offset: Tensors `(channels,)`.

    Returns:
        `y`, and the means and variances `(channels,)`, which are not differentiated.

    Reference:
        Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167,
        section 3.
    """
    dtype, pixels = scale.dtype, constant([0, 1, 2])
    wide = tf.cast(x, dtype)  # 16 bits hold no statistics.
    mean = tf.reduce_mean(wide, pixels)
    variance = tf.reduce_mean(tf.square(wide - mean), pixels)
    factor = tf.math.rsqrt(variance + constant(EPSILON, dtype))
    unit = (wide - mean) * factor
    result = unit * scale + offset

    def gradient(upstream, *_):
        slope = tf.cast(upstream, dtype)
        of_offset = tf.reduce_mean(slope, pixels)
        of_scale = tf.reduce_mean(slope * unit, pixels)
        size = count_pixels(x, dtype)
        slope = (slope - of_offset - unit * of_scale) * (factor * scale)
        return tf.cast(slope, x.dtype), of_scale * size, of_offset * size

    return (tf.cast(result, x.dtype), mean, variance), gradient
