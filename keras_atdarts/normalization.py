"""Batch normalization of one tensor per edge, as functions of tensors.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.constants import constant
from keras_atdarts.devices import on_gpu
from keras_atdarts.distribution import average_over_replicas
from keras_atdarts.joined import JoinedTensors
from keras_atdarts.joined import should_join

VECTOR = 16  # Numbers in a vector of the widest kernels of CPUs.


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


def is_half(x):
    """Whether a tensor is of 16-bit floats."""
    return x.dtype in (tf.float16, tf.bfloat16)


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


def rows_of(values, default, tensors):
    """Returns the scales or offsets of each tensor, as `batch_normalization` has."""
    if values is None:
        row = constant(np.full(tensors[0].shape[-1], default, "float32"))
        return [row] * len(tensors)
    return tf.unstack(values, len(tensors))


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


def staged_statistics(tensors):
    """`statistics_by_kernels` for any sizes, see `staged_mean`."""
    mean = staged_mean()
    means = [mean(x) for x in tensors]
    squares = map(tf.math.squared_difference, tensors, means)
    return tf.stack(means), tf.stack([mean(x) for x in squares])


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


def synchronized_batch_normalization(tensors, scales, offsets, epsilon):
    """`batch_normalization` with the means of all replicas' parts of the batch."""
    dtype = tensors[0].dtype
    if is_half(tensors[0]):
        tensors = [tf.cast(x, tf.float32) for x in tensors]
    results, means, variances = staged_batch_normalization(
        tensors,
        scales,
        offsets,
        epsilon,
        tf.distribute.get_strategy().num_replicas_in_sync,
        average_over_replicas,
    )
    return [tf.cast(x, dtype) for x in results], means, variances


def staged_batch_normalization(
    tensors, scales, offsets, epsilon, shares=1, average=list
):
    """`batch_normalization` whose means, and those of its gradient, are staged.

    The mean of each image comes first: one running sum over a whole batch is
    inexact. Not `tf.nn.moments`, which hides the mean from the variance's
    gradient: its second derivative is wrong.

    The batch may have equal `shares` of which this is one; `average` then makes
    means over the batch of a list of means over this share.
    """
    edges = len(tensors)
    scales = [] if scales is None else tf.unstack(scales, edges)
    offsets = [] if offsets is None else tf.unstack(offsets, edges)
    size = count_pixels(tensors[0])

    @tf.custom_gradient
    def normalize(*inputs):
        tensors = inputs[:edges]
        scales_now = inputs[edges : edges + len(scales)]
        offsets_now = inputs[edges + len(scales) :]
        mean = staged_mean()
        means = average([mean(x) for x in tensors])
        centred = [x - mean_of_x for x, mean_of_x in zip(tensors, means, strict=True)]
        variances = tf.stack(average([mean(tf.square(x)) for x in centred]))
        deviations = tf.unstack(tf.math.rsqrt(variances + epsilon))
        factors = products(scales_now, deviations) if scales else deviations
        results = products(centred, factors)
        if offsets:
            results = [x + y for x, y in zip(results, offsets_now, strict=True)]

        def gradient(*slopes):
            slopes = slopes[:edges]
            totals = [mean(slope) for slope in slopes]
            alongs = products(deviations, map(mean, products(slopes, centred)))
            # Scales and offsets get this share's part, which the optimizer adds up.
            of_batch = average(totals + alongs)
            terms = zip(
                factors,
                slopes,
                of_batch[:edges],
                products(centred, products(deviations, of_batch[edges:])),
                strict=True,
            )
            of_tensors = [
                factor * (slope - total - projection)
                for factor, slope, total, projection in terms
            ]
            of_scales = [size * along for along in alongs] if scales else []
            of_offsets = [size * total for total in totals] if offsets else []
            return of_tensors + of_scales + of_offsets

        return (*results, tf.stack(means), variances), gradient

    *results, means, variances = normalize(*tensors, *scales, *offsets)
    return results, means, unbiased(variances, tensors[0], shares)


def unbiased(variances, x, shares=1):
    """Returns the unbiased variances of a batch, `shares` times as large as `x`."""
    size = x.shape[:-1].num_elements()
    if size is not None:
        size *= shares
        return variances * constant(size / max(size - 1, 1), variances.dtype)
    size = shares * count_pixels(x)
    return variances * (size / tf.maximum(size - 1, 1))


def staged_mean():
    """Returns the function from a tensor to its mean `(channels,)`, image by image."""
    pixels, images = constant([1, 2]), constant(0)
    return lambda x: tf.reduce_mean(tf.reduce_mean(x, axis=pixels), axis=images)


def products(left, right):
    """Returns the products of the elements of two iterables."""
    return [x * y for x, y in zip(left, right, strict=True)]


def count_pixels(x):
    """Returns batch times height times width, as a scalar of the dtype of `x`."""
    size = x.shape[:-1].num_elements()
    if size is None:
        size = tf.reduce_prod(tf.shape(x)[:-1])
    return tf.cast(size, x.dtype)


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
