"""Convolutions with the padding of DARTS, in plain TensorFlow.

Images are `(batch, height, width, channels)`. TensorFlow's own `"SAME"` padding is
asymmetric at stride 2, where DARTS pads `kernel_size // 2` on every side. Odd sizes, at
which the reference of DARTS fails, are rounded up when they are halved.
"""

import tensorflow as tf

from keras_atdarts.kernels.xla import is_compiled_by_xla


def convolution(x, kernel, strides=1, padding="same"):
    """Convolves: `y[i, j] = sum over a, b of x[s i + a, s j + b] kernel[a, b]`.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel: Tensor `(rows, columns, channels, filters)`. Padded, its sizes are
            odd, and `a` and `b` run from `-(size // 2)` to `size // 2`.
        strides: Integer `s`, 1 or 2, or a pair of them for rows and columns.
        padding: `"same"` or `"valid"`.

    Returns:
        Tensor `(batch, new_height, new_width, filters)`; padded, the new sizes are
        `ceil(size / strides)`.
    """
    if padding == "same" and strides != 1:
        x, padding = pad_symmetric(x, kernel), "valid"
    return tf.nn.conv2d(x, kernel, strides, padding.upper())


def depthwise_convolution(x, kernel, strides=1, dilation_rate=1):
    """Convolves each channel by itself, padded.

    `y[i, j, c] = sum over a, b of x[s i + d a, s j + d b, c] kernel[a, b, c]`

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel: Tensor `(size, size, channels, 1)`, see `convolution`.
        strides: Integer `s`, 1 or 2.
        dilation_rate: Integer `d`, 1 or 2.

    Returns:
        Tensor `(batch, ceil(height / s), ceil(width / s), channels)`.
    """
    padding = "SAME"
    if strides == dilation_rate == 2:  # Only even pixels are ever read.
        x, strides, dilation_rate = every_second_pixel(x)[0], 1, 1
    elif strides == 2:
        x, padding = pad_symmetric(x, kernel), "VALID"
    steps = [1, strides, strides, 1]
    if is_compiled_by_xla():  # Without the blocks that TensorFlow's kernels need.
        dilations = [1, dilation_rate, dilation_rate, 1]
        return tf.raw_ops.DepthwiseConv2dNative(
            input=x, filter=kernel, strides=steps, padding=padding, dilations=dilations
        )
    return tf.nn.depthwise_conv2d(
        x, kernel, steps, padding, dilations=[dilation_rate] * 2
    )


def pad_symmetric(x, kernel):
    """Returns `x` with half of the kernel's height and width of zeros on each side."""
    rows, columns = (size // 2 for size in kernel.shape[:2])
    return tf.pad(x, [[0, 0], [rows, rows], [columns, columns], [0, 0]])


def pointwise_convolution(x, kernel):
    """Mixes the channels of each pixel: `y[i, j] = x[i, j] kernel`.

    As a matrix product, which is faster on CPUs than a convolution.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel: Tensor `(channels, filters)`.
    """
    _, height, width, channels = x.shape
    if height is None or width is None:
        return fusible_pointwise_convolution(x, kernel)
    y = tf.matmul(tf.reshape(x, [-1, channels]), kernel)
    return tf.reshape(y, [-1, height, width, kernel.shape[-1]])


def fusible_pointwise_convolution(x, kernel):
    """`pointwise_convolution`, with which TensorFlow fuses a bias and ReLU after it."""
    return tf.nn.conv2d(x, kernel[tf.newaxis, tf.newaxis], 1, "VALID")


def every_second_pixel(x, beyond=0.0):
    """Returns the four images of every second pixel.

    They begin at the pixels (0, 0), (0, 1), (1, 0) and (1, 1) of `x`.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        beyond: Float, what stands for pixels beyond an odd size.

    Returns:
        Tuple of tensors `(batch, ceil(height / 2), ceil(width / 2), channels)`.
    """
    height, width = (
        tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis] for axis in (1, 2)
    )
    x = tf.pad(
        x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]], constant_values=beyond
    )
    rows, columns = (height + 1) // 2, (width + 1) // 2
    blocks = tf.reshape(x, [-1, rows, 2, columns, 2, x.shape[-1]])
    # Not x[:, ::2, ::2], whose gradient is far slower on CPUs.
    return tuple(
        pixels
        for pairs in tf.unstack(blocks, axis=2)
        for pixels in tf.unstack(pairs, axis=3)
    )


def mean_over_pixels(x):
    """Returns the mean `(batch, channels)`.

    Axis by axis: TensorFlow adds up both at once in one running sum, which in
    float32 is ten times less exact.
    """
    return tf.reduce_mean(tf.reduce_mean(x, axis=2), axis=1)
