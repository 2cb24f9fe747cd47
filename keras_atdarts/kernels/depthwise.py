"""Depthwise convolutions, and the gradients of their kernels that are fast on CPUs."""

import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.devices import on_gpu
from keras_atdarts.kernels.joined import JoinedTensors
from keras_atdarts.kernels.joined import should_join
from keras_atdarts.kernels.kernels import from_phases
from keras_atdarts.kernels.kernels import map_distinct
from keras_atdarts.kernels.kernels import pad_symmetric
from keras_atdarts.kernels.kernels import size_of
from keras_atdarts.kernels.kernels import to_phases
from keras_atdarts.kernels.pooling import subsample_even


def depthwise_convolutions(tensors, kernels, strides=1, dilation_rate=1):
    """Convolves each channel by itself with symmetric padding.

    Args:
        tensors: List of tensors `(batch, height, width, channels)` of one shape.
        kernels: Tensor `(len(tensors), size, size, channels, 1)`, `size` odd.
        strides: Integer, 1 or 2.
        dilation_rate: Integer, 1 or 2.

    Returns:
        List of tensors
        `(batch, ceil(height / strides), ceil(width / strides), channels)`.
    """
    if should_join(tensors):
        return joined_convolutions(tensors, kernels, strides, dilation_rate)
    if strides == 2 and dilation_rate == 2:
        # Only even pixels are ever read: a plain convolution on their grid.
        return dense_convolutions(map_distinct(subsample_even, tensors), kernels)
    if strides == 2:
        # Padding inside the op (EXPLICIT) sends its gradients to slow kernels.
        size = kernels.shape[1:3]
        tensors = map_distinct(lambda x: pad_symmetric(x, size), tensors)
        return halving_convolutions(tensors, kernels)
    if dilation_rate == 2:
        phases = map_distinct(to_phases, tensors)
        size = size_of(tensors[0])
        return [from_phases(x, size) for x in dense_convolutions(phases, kernels)]
    return dense_convolutions(tensors, kernels)


def joined_convolutions(tensors, kernels, strides, dilation_rate):
    """`depthwise_convolutions` of all edges as one, with more channels."""
    edges, *kernel_size, channels, _ = kernels.shape
    kernel = tf.transpose(kernels, constant([1, 2, 0, 3, 4]))
    kernel = tf.reshape(kernel, constant([1, *kernel_size, edges * channels, 1]))
    [joined] = depthwise_convolutions(
        [JoinedTensors.of(tensors).joined], kernel, strides, dilation_rate
    )
    return JoinedTensors(joined, edges)


def plain_convolutions(tensors, kernels, strides=1, padding="SAME"):
    """Depthwise convolutions by TensorFlow's own operation and gradient."""
    return [
        tf.raw_ops.DepthwiseConv2dNative(
            input=x, filter=kernel, strides=[1, strides, strides, 1], padding=padding
        )
        for x, kernel in zip(tensors, tf.unstack(kernels, len(tensors)), strict=True)
    ]


def dense_convolutions(tensors, kernels):
    """`depthwise_convolutions` without strides or dilation."""
    if not has_slow_filter_gradient(tensors, kernels):
        return plain_convolutions(tensors, kernels)

    @tf.custom_gradient
    def convolve(kernels, *tensors):
        def gradient(*slopes):
            # A convolution as well, with the kernels turned around.
            turned = tf.reverse(kernels, constant([1, 2]))
            of_tensors = plain_convolutions(slopes, turned)
            return (filter_gradients_of_5x5(tensors, slopes), *of_tensors)

        return plain_convolutions(tensors, kernels), gradient

    return convolve(kernels, *tensors)


def halving_convolutions(tensors, kernels):
    """`depthwise_convolutions` of stride 2, of padded tensors."""
    if not has_slow_filter_gradient(tensors, kernels):
        return plain_convolutions(tensors, kernels, 2, "VALID")

    @tf.custom_gradient
    def convolve(kernels, *tensors):
        def gradient(*slopes):
            size = tf.shape(tensors[0])
            of_tensors = [
                tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=size,
                    filter=kernel,
                    out_backprop=slope,
                    strides=[1, 2, 2, 1],
                    padding="VALID",
                )
                for kernel, slope in zip(
                    tf.unstack(kernels, len(tensors)), slopes, strict=True
                )
            ]
            return (halving_filter_gradients_of_5x5(tensors, slopes), *of_tensors)

        return plain_convolutions(tensors, kernels, 2, "VALID"), gradient

    return convolve(kernels, *tensors)


def has_slow_filter_gradient(tensors, kernels):
    """Whether oneDNN has no fast kernel for the gradient of depthwise kernels.

    It has for three columns, of images that have as many rows as the kernel.
    """
    known = None not in tensors[0].shape[1:3]
    return kernels.shape[1:3] == (5, 5) and known and not on_gpu()


def filter_gradients_of_5x5(tensors, slopes):
    """Returns the gradient of the kernels of 5x5 depthwise convolutions.

    Three columns have a fast kernel: the middle ones. The columns -2, 0 and 2 are
    neighbours in an image of half the width and twice the channels, which has the
    same numbers in memory.

    Args:
        tensors: List of inputs `(batch, height, width, channels)`, of known size.
        slopes: List of the gradients of the results, of the same shape.
    """
    tensors, slopes = at_least_high(tensors, 5), at_least_high(slopes, 5)
    _, height, width, channels = tensors[0].shape
    middle = filter_gradients(tensors, slopes, (5, 3))
    if width % 2:
        margin = constant([[0, 0], [0, 0], [0, 1], [0, 0]])
        tensors, slopes = (
            map_distinct(lambda x: tf.pad(x, margin), images)
            for images in (tensors, slopes)
        )
    size = constant([-1, height, (width + 1) // 2, 2 * channels])
    outer = filter_gradients(
        map_distinct(lambda x: tf.reshape(x, size), tensors),
        [tf.reshape(slope, size) for slope in slopes],
        (5, 3),
    )
    outer = tf.add(*tf.split(outer, 2, axis=constant(3)))
    first, _, last = tf.split(outer, 3, axis=constant(2))
    return tf.concat([first, middle, last], axis=constant(2))


def at_least_high(tensors, height):
    """Returns tensors with rows of zeros below, where they have fewer."""
    missing = height - tensors[0].shape[1]
    if missing <= 0:
        return tensors
    margin = constant([[0, 0], [0, missing], [0, 0], [0, 0]])
    return map_distinct(lambda x: tf.pad(x, margin), tensors)


def halving_filter_gradients_of_5x5(tensors, slopes):
    """`filter_gradients_of_5x5` of stride 2, without padding.

    Rows 0, 2 and 4 of a kernel only see even rows of the image, rows 1 and 3 only
    odd ones, and so do the columns: each of the four phases of the image was read
    by a kernel of 3x3 at stride 1, of which the odd ones lack a row or column.
    """
    phases = map_distinct(lambda x: tuple(tf.split(to_phases(x), 4)), tensors)
    gradients = filter_gradients(
        [phase for of_tensor in phases for phase in of_tensor],
        [slope for slope in slopes for _ in range(4)],
        (3, 3),
        padding="VALID",
    )
    channels = tensors[0].shape[3]
    gradients = tf.reshape(gradients, constant([-1, 2, 2, 3, 3, channels]))
    gradients = tf.transpose(gradients, constant([0, 3, 1, 4, 2, 5]))
    gradients = tf.reshape(gradients, constant([-1, 6, 6, channels, 1]))
    return gradients[:, :5, :5]


def filter_gradients(tensors, slopes, kernel_size, padding="SAME"):
    """Returns the gradient `(len(tensors), *kernel_size, channels, 1)` of kernels."""
    sizes = constant([*kernel_size, tensors[0].shape[3], 1])
    return tf.stack(
        [
            tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x,
                filter_sizes=sizes,
                out_backprop=slope,
                strides=[1, 1, 1, 1],
                padding=padding,
            )
            for x, slope in zip(tensors, slopes, strict=True)
        ]
    )
