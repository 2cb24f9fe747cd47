"""Tensor functions with the arithmetic of the reference.

Images are `(batch, height, width, channels)`.

TensorFlow's own `"SAME"` padding is asymmetric at stride 2, where DARTS pads
`kernel_size // 2` on every side. Everything that depends on this, or on which of
TensorFlow's formulations is fast, is in this file, in `pooling`, `depthwise` and
`normalization`; layers combine it, or call the kernels of `native` in its place.
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.joined import JoinedTensors
from keras_atdarts.kernels.joined import are_one
from keras_atdarts.kernels.joined import should_join
from keras_atdarts.kernels.native import operations as native


def is_even(size):
    """Whether a static size is known to be even; unknown sizes (`None`) are not."""
    return size is not None and size % 2 == 0


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


def pointwise_convolutions(tensors, kernels, fusible=False):
    """Convolves 1x1, as matrix products.

    Args:
        tensors: List of tensors `(batch, height, width, channels)` of one shape.
        kernels: Tensor `(len(tensors), channels, filters)`.
        fusible: Boolean, whether to convolve by what TensorFlow makes one kernel
            with the bias and the ReLU that follow.
    """
    if should_join(tensors):
        return joined_pointwise_convolutions(tensors, kernels)
    _, height, width, channels = tensors[0].shape
    kernels = tf.unstack(kernels, len(tensors))
    if fusible or height is None or width is None:
        kernels = [kernel[tf.newaxis, tf.newaxis] for kernel in kernels]
        pairs = zip(tensors, kernels, strict=True)
        return [tf.nn.conv2d(x, kernel, 1, "VALID") for x, kernel in pairs]
    pixels = constant([-1, channels])
    images = constant([-1, height, width, kernels[0].shape[-1]])
    flat = map_distinct(lambda x: tf.reshape(x, pixels), tensors)
    pairs = zip(flat, kernels, strict=True)
    return [tf.reshape(tf.matmul(x, kernel), images) for x, kernel in pairs]


def joined_pointwise_convolutions(tensors, kernels):
    """`pointwise_convolutions` as one matrix product."""
    edges, channels, filters = kernels.shape
    if are_one(tensors):
        x = tensors[0]
        kernel = tf.transpose(kernels, constant([1, 0, 2]))
    else:
        # Blocks along the diagonal: products with zeros, for a single launch.
        x = JoinedTensors.of(tensors).joined
        blocks = constant(np.eye(edges)[:, np.newaxis, :, np.newaxis], kernels.dtype)
        kernel = tf.expand_dims(kernels, constant(2)) * blocks
        channels *= edges
    kernel = tf.reshape(kernel, constant([1, channels, edges * filters]))
    [joined] = pointwise_convolutions([x], kernel)
    return JoinedTensors(joined, edges)


def map_distinct(function, tensors):
    """Returns the function's results; computed once where tensors are the same."""
    results = {id(x): None for x in tensors}
    for x in tensors:
        if results[id(x)] is None:
            results[id(x)] = function(x)
    return [results[id(x)] for x in tensors]


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
    """Returns the sum of tensors, `Phases` and `Line`s, as a tensor."""
    phases = [term.pixels for term in terms if isinstance(term, Phases)]
    images = [term for term in terms if not isinstance(term, Phases)]
    if phases:
        images.append(from_phases(tf.add_n(phases), (0, 0)))
    if any(isinstance(image, native.Line) for image in images):
        return native.add(images)
    return tf.add_n(images)


def added_early(terms):
    """Returns fewer terms of the same sum, if that pays while others are computed.

    Nothing else can run while a node's sum is taken, which is to be short.
    """
    if any(isinstance(term, native.Line) for term in terms):
        return [add(terms)]
    return terms


def as_tensor(term):
    """Returns a tensor, `Phases` or a `Line` as a tensor."""
    return term if isinstance(term, tf.Tensor) else add([term])
