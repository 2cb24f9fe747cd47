"""Batch normalization by the kernels of TensorFlow that are fast and exact on CPUs.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.staged_normalization import staged_batch_normalization
from keras_atdarts.kernels.staged_normalization import staged_statistics
from keras_atdarts.kernels.staged_normalization import unbiased

VECTOR = 16  # Numbers in a vector of the widest kernels of CPUs.


def cpu_batch_normalization(tensors, scales, offsets, epsilon):
    """`batch_normalization` in float32 on CPUs, three times faster than staged.

    All is done by TensorFlow's kernels. The statistics are taken on short sums, so
    that the values are as exact as the staged ones, and no ReLU flips for it. The
    gradients' running sums are of both signs and do not grow along the batch.
    """
    given = [values for values in (scales, offsets) if values is not None]

    def arguments(inputs):
        """Returns tensors, scales and offsets as they are in `inputs`."""
        values = list(inputs[len(tensors) :])
        has_values = scales is not None, offsets is not None
        return inputs[: len(tensors)], *(
            values.pop(0) if x else None for x in has_values
        )

    # Outside of what has its own gradient: as its results, they would ask for one.
    means, variances = statistics_by_kernels(tensors)

    @tf.custom_gradient
    def normalize(*inputs):
        results = normalize_by_kernels(*arguments(inputs), means, variances, epsilon)

        def gradient(*slopes):
            def by_kernels(*values):
                slopes, inputs = values[: len(tensors)], values[len(tensors) :]
                return slopes_by_kernels(
                    slopes, *arguments(inputs), means, variances, epsilon
                )

            def plain(*values):
                slopes, inputs = values[: len(tensors)], values[len(tensors) :]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(inputs)
                    results, *_ = staged_batch_normalization(
                        *arguments(inputs), epsilon
                    )
                return tape.gradient(results, inputs, slopes)

            return differentiated_as(plain, by_kernels)(*slopes, *inputs)

        return results, gradient

    results = normalize(*tensors, *given)
    return results, means, unbiased(variances, tensors[0])


def statistics_by_kernels(tensors):
    """Returns means and variances `(len(tensors), channels)`.

    The kernel sees each column of the images as channels of its own, in the same
    place in memory, so that its running sums are short; then the columns' means
    and variances are joined.
    """
    width, channels = tensors[0].shape[2:]
    if width is None:
        return staged_statistics(tensors)
    ones, zeros = (
        constant(np.full(width * channels, value, "float32")) for value in (1, 0)
    )
    rows = constant([-1, 1, 1, width * channels])
    results = [
        tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, rows),
            scale=ones,
            offset=zeros,
            mean=zeros,
            variance=zeros,
            exponential_avg_factor=1.0,
        )
        for x in tensors
    ]
    columns = constant([len(tensors), width, channels])
    means = tf.reshape(tf.stack([result.batch_mean for result in results]), columns)
    # The reserve space of CPUs; `batch_variance` is the unbiased one.
    within = tf.stack([result.reserve_space_2 for result in results])
    axis = constant(1)
    mean = tf.reduce_mean(means, axis, keepdims=True)
    between = tf.math.squared_difference(means, mean)
    variances = tf.reduce_mean(tf.reshape(within, columns) + between, axis)
    return tf.squeeze(mean, axis=1), variances


def normalize_by_kernels(tensors, scales, offsets, means, variances, epsilon):
    """Returns the normalised tensors, by given statistics.

    The kernel is two to three times faster where channels fill its vectors, as those
    of all columns together do.
    """
    width, channels = tensors[0].shape[2:]
    values = scales, offsets, means, variances
    if width is None or channels % VECTOR == 0:
        return normalize_channels(tensors, *values, epsilon)
    images = constant([-1, *tensors[0].shape[1:]])
    rows, copies = constant([-1, 1, 1, width * channels]), constant([1, width])
    tensors = [tf.reshape(x, rows) for x in tensors]
    values = [None if each is None else tf.tile(each, copies) for each in values]
    results = normalize_channels(tensors, *values, epsilon)
    return [tf.reshape(x, images) for x in results]


def normalize_channels(tensors, scales, offsets, means, variances, epsilon):
    """`normalize_by_kernels` without regard to the number of channels."""
    rows = (
        rows_of(scales, 1.0, tensors),
        rows_of(offsets, 0.0, tensors),
        tf.unstack(means, len(tensors)),
        tf.unstack(variances, len(tensors)),
    )
    return [
        tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=epsilon,
            is_training=False,
        ).y
        for x, scale, offset, mean, variance in zip(tensors, *rows, strict=True)
    ]


def slopes_by_kernels(slopes, tensors, scales, offsets, means, variances, epsilon):
    """Returns the gradients of the arguments of a batch norm, on CPUs."""
    unused = constant([0.0])
    rows = (
        rows_of(scales, 1.0, tensors),
        tf.unstack(means, len(tensors)),
        tf.unstack(variances, len(tensors)),
    )
    results = [
        tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=slope,
            x=x,
            scale=scale,
            reserve_space_1=mean,
            reserve_space_2=variance,  # The kernels of GPUs take another value.
            reserve_space_3=unused,
            epsilon=epsilon,
        )
        for slope, x, scale, mean, variance in zip(slopes, tensors, *rows, strict=True)
    ]
    gradients = [result.x_backprop for result in results]
    if scales is not None:
        gradients.append(tf.stack([result.scale_backprop for result in results]))
    if offsets is not None:
        gradients.append(tf.stack([result.offset_backprop for result in results]))
    return gradients


def differentiated_as(plain, fast):
    """Returns the function `fast`, with the derivative of the function `plain`.

    Args:
        plain: Function from tensors to a list of tensors.
        fast: Function with the same results.
    """

    @tf.custom_gradient
    def function(*inputs):
        def gradient(*upstream):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(inputs)
                results = plain(*inputs)
            return tape.gradient(results, inputs, upstream)

        return fast(*inputs), gradient

    return function


def rows_of(values, default, tensors):
    """Returns the scales or offsets of each tensor, as `batch_normalization` has."""
    if values is None:
        row = constant(np.full(tensors[0].shape[-1], default, "float32"))
        return [row] * len(tensors)
    return tf.unstack(values, len(tensors))
