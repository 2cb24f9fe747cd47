"""Batch normalization written out, for any precision, size and number of replicas.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.replicas import average_over_replicas


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


def staged_statistics(tensors):
    """`statistics_by_kernels` for any sizes, see `staged_mean`."""
    mean = staged_mean()
    means = [mean(x) for x in tensors]
    squares = map(tf.math.squared_difference, tensors, means)
    return tf.stack(means), tf.stack([mean(x) for x in squares])


def staged_mean():
    """Returns the function from a tensor to its mean `(channels,)`, image by image."""
    pixels, images = constant([1, 2]), constant(0)
    return lambda x: tf.reduce_mean(tf.reduce_mean(x, axis=pixels), axis=images)


def unbiased(variances, x, shares=1):
    """Returns the unbiased variances of a batch, `shares` times as large as `x`."""
    size = x.shape[:-1].num_elements()
    if size is not None:
        size *= shares
        return variances * constant(size / max(size - 1, 1), variances.dtype)
    size = shares * count_pixels(x)
    return variances * (size / tf.maximum(size - 1, 1))


def products(left, right):
    """Returns the products of the elements of two iterables."""
    return [x * y for x, y in zip(left, right, strict=True)]


def count_pixels(x):
    """Returns batch times height times width, as a scalar of the dtype of `x`."""
    size = x.shape[:-1].num_elements()
    if size is None:
        size = tf.reduce_prod(tf.shape(x)[:-1])
    return tf.cast(size, x.dtype)


def is_half(x):
    """Whether a tensor is of 16-bit floats."""
    return x.dtype in (tf.float16, tf.bfloat16)
