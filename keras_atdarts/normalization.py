"""Batch normalization of one tensor per edge, as functions of tensors.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import tensorflow as tf

from keras_atdarts.distribution import average_over_replicas
from keras_atdarts.kernels import on_gpu


def batch_normalization(tensors, scales, offsets, epsilon, synchronized=False):
    """Normalises tensors, each by the statistics of its batch.

    Args:
        tensors: List of tensors `(batch, height, width, channels)` of one shape.
        scales: List of as many tensors `(channels,)` or `()`, float32 (float64
            for float64 tensors), or `None` for ones.
        offsets: List of tensors `(channels,)`, or `None` for zeros.
        epsilon: Float added to the variances.
        synchronized: Boolean, whether the batch is that of all replicas, not the
            equal part that this replica has.

    Returns:
        The list of normalised tensors, their means `(len(tensors), channels)`, and
        the unbiased variances, which PyTorch averages; neither is differentiated.
    """
    if synchronized:
        return synchronized_batch_normalization(tensors, scales, offsets, epsilon)
    if is_half(tensors[0]) or on_gpu():
        return fused_batch_normalization(tensors, scales, offsets, epsilon)
    if tensors[0].dtype == tf.float32:
        return cpu_batch_normalization(tensors, scales, offsets, epsilon)
    return staged_batch_normalization(tensors, scales, offsets, epsilon)


def is_half(x):
    """Whether a tensor is of 16-bit floats."""
    return x.dtype in (tf.float16, tf.bfloat16)


def fused_batch_normalization(tensors, scales, offsets, epsilon):
    """TensorFlow's kernel for `batch_normalization`: one launch; no float64.

    On CPUs it adds up all pixels in one running sum: in float32 the result is
    ten times less exact than PyTorch's and flips ReLUs.
    """
    like = tensors[0].shape[-1], tf.float32, len(tensors)
    scales, offsets = vectors(scales, 1.0, *like), vectors(offsets, 0.0, *like)
    zeros = tf.zeros(tensors[0].shape[-1])
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
        for x, scale, offset in zip(tensors, scales, offsets, strict=True)
    ]
    return (
        [result.y for result in results],
        tf.stack([result.batch_mean for result in results]),
        tf.stack([result.batch_variance for result in results]),
    )


def cpu_batch_normalization(tensors, scales, offsets, epsilon):
    """`batch_normalization` in float32 on CPUs: as exact as the staged form.

    The statistics are staged; all else are TensorFlow's kernels, which makes it
    three times faster. Their running sums do for gradients, which are of both
    signs and so do not grow along the sum.
    """
    edges = len(tensors)
    like = tensors[0].shape[-1], tensors[0].dtype, edges

    def parts(inputs):
        return inputs[:edges], inputs[edges : 2 * edges], inputs[2 * edges :]

    @tf.custom_gradient
    def normalize(*inputs):
        means, variances = staged_statistics(inputs[:edges])
        statistics = tf.unstack(means), tf.unstack(variances)
        results = normalize_by_kernels(*parts(inputs), *statistics, epsilon)

        def gradient(*slopes):
            def by_kernels(*slopes_and_inputs):
                slopes, inputs = slopes_and_inputs[:edges], slopes_and_inputs[edges:]
                tensors, scales, _ = parts(inputs)
                return slopes_by_kernels(slopes, tensors, scales, *statistics, epsilon)

            def plain(*slopes_and_inputs):
                slopes, inputs = slopes_and_inputs[:edges], slopes_and_inputs[edges:]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(inputs)
                    results, *_ = staged_batch_normalization(*parts(inputs), epsilon)
                return tape.gradient(results, inputs, slopes)

            return differentiated_as(plain, by_kernels)(*slopes[:edges], *inputs)

        return (*results, means, variances), gradient

    *results, means, variances = normalize(
        *tensors, *vectors(scales, 1.0, *like), *vectors(offsets, 0.0, *like)
    )
    return results, means, variances * bias_correction(tensors[0])


def vectors(values, default, channels, dtype, edges):
    """Returns scales or offsets as a list of tensors `(channels,)`."""
    if not values:
        return [tf.fill([channels], tf.constant(default, dtype))] * edges
    if values[0].shape.rank:
        return values
    columns = tf.stack(values)[:, tf.newaxis]
    return tf.unstack(tf.broadcast_to(columns, [edges, channels]))


def staged_statistics(tensors):
    """Returns means and variances `(len(tensors), channels)`, see `staged_mean`."""
    mean = staged_mean()
    means = [mean(x) for x in tensors]
    squares = map(tf.math.squared_difference, tensors, means)
    return tf.stack(means), tf.stack([mean(x) for x in squares])


def normalize_by_kernels(tensors, scales, offsets, means, variances, epsilon):
    """Returns the normalised tensors, by given statistics."""
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
        for x, scale, offset, mean, variance in zip(
            tensors, scales, offsets, means, variances, strict=True
        )
    ]


def slopes_by_kernels(slopes, tensors, scales, means, variances, epsilon):
    """Returns the gradients of tensors, scales and offsets of a batch norm on CPUs."""
    unused = tf.constant([0.0])
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
        for slope, x, scale, mean, variance in zip(
            slopes, tensors, scales, means, variances, strict=True
        )
    ]
    return [
        *(result.x_backprop for result in results),
        *(result.scale_backprop for result in results),
        *(result.offset_backprop for result in results),
    ]


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
    scales, offsets = scales or [], offsets or []
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
            if scales and scales[0].shape.rank == 0:
                of_scales = [tf.reduce_sum(x) for x in of_scales]
            of_offsets = [size * total for total in totals] if offsets else []
            return of_tensors + of_scales + of_offsets

        return (*results, tf.stack(means), variances), gradient

    *results, means, variances = normalize(*tensors, *scales, *offsets)
    return results, means, variances * bias_correction(tensors[0], shares)


def bias_correction(x, shares=1):
    """Returns the factor from the variance of a batch to the unbiased one."""
    size = shares * count_pixels(x)
    return size / tf.maximum(size - 1, 1)


def staged_mean():
    """Returns the function from a tensor to its mean `(channels,)`, image by image."""
    pixels, images = tf.constant([1, 2]), tf.constant(0)  # One node for all calls.
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
    factors = tf.math.rsqrt(variances + epsilon)
    if scales is not None:
        factors *= tf.stack([tf.reshape(scale, [-1]) for scale in scales])
    shifts = -means * factors
    if offsets is not None:
        shifts += tf.stack(offsets)
    dtype = tensors[0].dtype
    factors, shifts = (tf.unstack(tf.cast(x, dtype)) for x in (factors, shifts))
    edges = zip(tensors, factors, shifts, strict=True)
    return [x * factor + shift for x, factor, shift in edges]
