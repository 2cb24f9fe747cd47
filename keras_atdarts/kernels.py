"""Tensor functions with the arithmetic of the reference.

Images are `(batch, height, width, channels)`.

TensorFlow's own `"SAME"` padding is asymmetric at stride 2, where DARTS pads
`kernel_size // 2` on every side. Everything that depends on this, or on which
formulation is fast, is in this file; layers only combine it.
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.constants import constant


def on_gpu():
    """Whether this process computes on GPUs."""
    return bool(tf.config.list_logical_devices("GPU"))


def is_even(size):
    """Whether a static size is known to be even; unknown sizes (`None`) are not."""
    return size is not None and size % 2 == 0


def subsample_even(x):
    """Returns `x[:, ::2, ::2]`; as a 1x1 pool it is far faster, backward too.

    Like every maximum of TensorFlow, it turns nan into the lowest number.
    """
    return pool_maximum(x, ksize=1, strides=2)


def subsample_odd(x):
    """Returns `x[:, 1::2, 1::2]`, with zeros where an odd size has no last pixel.

    Both subsamplings thus have `ceil(size / 2)` pixels. The reference fails at
    odd sizes; at even ones this is exactly its shifted view.
    """
    # Not x[:, 1:, 1:], whose gradient is fifty times slower.
    shifted = tf.slice(x, constant([0, 1, 1, 0]), constant([-1, -1, -1, -1]))
    if not (is_even(x.shape[1]) and is_even(x.shape[2])):
        shifted = tf.pad(shifted, constant([[0, 0], [0, 1], [0, 1], [0, 0]]))
    return subsample_even(shifted)


def pad_symmetric(x, kernel_size):
    """Returns `x` with half the kernel's height and width of zeros on each side."""
    rows, columns = (size // 2 for size in kernel_size)
    return tf.pad(x, constant([[0, 0], [rows, rows], [columns, columns], [0, 0]]))


def mean_over_pixels(x):
    """Returns the mean `(batch, channels)`.

    Axis by axis: TensorFlow adds up both at once in one running sum, which in
    float32 is ten times less exact.
    """
    return tf.reduce_mean(tf.reduce_mean(x, constant(2)), constant(1))


def convolution(x, kernel, strides=1, padding="same"):
    """Convolves with symmetric padding of `kernel_size // 2`, or with none.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel: Tensor `(rows, columns, channels, filters)`, odd sizes if padded.
        strides: Integer, 1 or 2, or a pair of them for rows and columns.
        padding: `"same"` or `"valid"`.

    Returns:
        Tensor `(batch, new_height, new_width, filters)`; padded, the new sizes are
        `ceil(size / strides)`.
    """
    if padding == "same" and strides != 1:
        x = pad_symmetric(x, kernel.shape[:2])
        padding = "valid"
    return tf.nn.conv2d(x, kernel, strides=strides, padding=padding.upper())


def pointwise_convolutions(tensors, kernels):
    """Convolves 1x1, as matrix products.

    Args:
        tensors: List of tensors `(batch, height, width, channels)` of one shape.
        kernels: Tensor `(len(tensors), channels, filters)`.
    """
    _, height, width, channels = tensors[0].shape
    kernels = tf.unstack(kernels, len(tensors))
    if height is None or width is None:
        kernels = [kernel[tf.newaxis, tf.newaxis] for kernel in kernels]
        pairs = zip(tensors, kernels, strict=True)
        return [tf.nn.conv2d(x, kernel, 1, "VALID") for x, kernel in pairs]
    pixels = constant([-1, channels])
    images = constant([-1, height, width, kernels[0].shape[-1]])
    flat = map_distinct(lambda x: tf.reshape(x, pixels), tensors)
    pairs = zip(flat, kernels, strict=True)
    return [tf.reshape(tf.matmul(x, kernel), images) for x, kernel in pairs]


def map_distinct(function, tensors):
    """Returns the function's results; computed once where tensors are the same."""
    results = {id(x): None for x in tensors}
    for x in tensors:
        if results[id(x)] is None:
            results[id(x)] = function(x)
    return [results[id(x)] for x in tensors]


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


def size_of(x):
    """Returns height and width, as integers where they are known."""
    dynamic = tf.shape(x)
    return [dynamic[i] if x.shape[i] is None else x.shape[i] for i in (1, 2)]


def to_phases(x):
    """Returns the four images of every second pixel `(4 * batch, ...)`.

    Neighbours in them are two pixels apart in `x`. Odd sizes are rounded up, with
    zeros.
    """
    height, width = size_of(x)
    return tf.space_to_batch(x, *moved_blocks(height, width))


def from_phases(x, size):
    """Returns the image of height and width `size` whose `to_phases` are `x`."""
    height, width = size
    return tf.batch_to_space(x, *moved_blocks(height, width))


def moved_blocks(height, width):
    """Returns the blocks of pixels that are moved, and the zeros beyond the image."""
    margins = [[0, height % 2], [0, width % 2]]
    known = isinstance(height, int) and isinstance(width, int)
    return constant([2, 2]), constant(margins) if known else margins


class Phases:
    """An image of even size that is kept as its `to_phases`.

    Dilated convolutions end in phases. What follows is linear or does not care in
    which order the pixels are, so that all that end in one node can be added first.

    Args:
        pixels: Tensor `(4 * batch, height / 2, width / 2, channels)`.
    """

    def __init__(self, pixels):
        self.pixels = pixels


def add(terms):
    """Returns the sum of tensors and `Phases`, as a tensor."""
    phases = [term.pixels for term in terms if isinstance(term, Phases)]
    images = [term for term in terms if not isinstance(term, Phases)]
    if phases:
        images.append(from_phases(tf.add_n(phases), (0, 0)))
    return tf.add_n(images)


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


def pool_maximum(x, ksize, strides):
    """Pools `ksize` x `ksize` pixels, at margins those that there are.

    On CPUs the gradient has a fast kernel only where it stands in one
    `tf.function` with the pooling, which is therefore done again.
    """
    sizes = {"ksize": [1, ksize, ksize, 1], "strides": [1, strides, strides, 1]}

    def pool(x):
        return tf.raw_ops.MaxPool(input=x, padding="SAME", **sizes)

    @tf.custom_gradient
    def pooled(x):
        def gradient(slope):
            return tf.raw_ops.MaxPoolGrad(
                orig_input=x, orig_output=pool(x), grad=slope, padding="SAME", **sizes
            )

        return pool(x), gradient

    return pooled(x)


def max_pool(x, strides=1):
    """Pools 3x3 with symmetric padding; strided, the even pixels of stride 1."""
    pooled = pool_maximum(x, ksize=3, strides=1)
    return pooled if strides == 1 else subsample_even(pooled)


@tf.custom_gradient
def pool_average(x):
    """Pools 3x3 at stride 1.

    Sums over neighbours are their own transpose: the gradient is a pooling as well,
    whose kernel is several times faster than that of the gradient.
    """

    def pool(x):
        return tf.nn.avg_pool2d(x, ksize=3, strides=1, padding="SAME")

    counts = count_pooled(x)

    def gradient(slope):
        return counts * pool_average(slope / counts)

    return pool(x), gradient


def count_pooled(x):
    """Returns how many pixels a 3x3 pool sees: 9, and fewer at the margins."""
    height, width = x.shape[1:3]
    if height is None or width is None:
        margin = constant([[0, 0], [1, 1], [1, 1], [0, 0]])
        ones = tf.pad(tf.ones_like(x[:1, :, :, :1]), margin)
        return tf.round(9 * tf.nn.avg_pool2d(ones, ksize=3, strides=1, padding="VALID"))
    rows, columns = map(count_neighbours, (height, width))
    return constant(np.outer(rows, columns)[..., np.newaxis], x.dtype)


def count_neighbours(size):
    """Returns how many of three neighbours there are, of each pixel in a row."""
    pixels = np.arange(size)
    return 1 + np.minimum(pixels, 1) + np.minimum(size - 1 - pixels, 1)


def average_pool(x, strides=1):
    """Pools 3x3 with symmetric padding that is not counted in the average."""
    pooled = pool_average(x)
    return pooled if strides == 1 else subsample_even(pooled)
