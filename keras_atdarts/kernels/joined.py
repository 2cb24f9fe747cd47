"""The backend for GPUs, where each launch of a kernel costs: few wide kernels."""

import collections.abc
import functools

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.reference import EPSILON
from keras_atdarts.kernels.reference import Reference


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
        if x.dtype == tf.float64:  # TensorFlow has no kernel.
            return super().normalize(list(tensors), scales, offsets)
        rows = [
            _row(values, default, edges, x.shape[-1])
            for values, default in ((scales, 1.0), (offsets, 0.0))
        ]
        result, *statistics = _fused_batch_norm(x, *rows)
        statistics = tf.reshape(tf.stack(statistics), [2, edges, -1])
        return JoinedTensors(result, edges), statistics


def _row(values, default, edges, channels):
    """Returns scales or offsets of joined tensors, one for each channel."""
    if values is None:
        return constant(np.full(channels, default, "float32"))
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
