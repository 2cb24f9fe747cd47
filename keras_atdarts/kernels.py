"""Tensor functions with the arithmetic of the reference.

Images are `(batch, height, width, channels)`.

TensorFlow's own `"SAME"` padding is asymmetric at stride 2, where DARTS pads
`kernel_size // 2` on every side. Everything that depends on this, or on which
formulation is fast, is in this file; layers only combine it.
"""

import tensorflow as tf


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
    return tf.nn.max_pool2d(x, ksize=1, strides=2, padding="VALID")


def subsample_odd(x):
    """Returns `x[:, 1::2, 1::2]`, with zeros where an odd size has no last pixel.

    Both subsamplings thus have `ceil(size / 2)` pixels. The reference fails at
    odd sizes; at even ones this is exactly its shifted view.
    """
    # Not x[:, 1:, 1:], whose gradient is fifty times slower.
    shifted = tf.slice(x, [0, 1, 1, 0], [-1, -1, -1, -1])
    if not (is_even(x.shape[1]) and is_even(x.shape[2])):
        shifted = tf.pad(shifted, [[0, 0], [0, 1], [0, 1], [0, 0]])
    return subsample_even(shifted)


def pad_symmetric(x, kernel):
    """Returns `x` with half the kernel's height and width of zeros on each side."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    return tf.pad(x, [[0, 0], [rows, rows], [columns, columns], [0, 0]])


def mean_over_pixels(x):
    """Returns the mean `(batch, channels)`.

    Axis by axis: TensorFlow adds up both at once in one running sum, which in
    float32 is ten times less exact.
    """
    return tf.reduce_mean(tf.reduce_mean(x, axis=2), axis=1)


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
        x = pad_symmetric(x, kernel)
        padding = "valid"
    return tf.nn.conv2d(x, kernel, strides=strides, padding=padding.upper())


def pointwise_convolution(x, kernel):
    """Convolves 1x1, as a matrix product: `kernel` is `(channels, filters)`."""
    _, height, width, channels = x.shape
    filters = kernel.shape[-1]
    if height is None or width is None:
        return tf.nn.conv2d(x, kernel[tf.newaxis, tf.newaxis], 1, "VALID")
    pixels = tf.reshape(x, [-1, channels])
    return tf.reshape(tf.matmul(pixels, kernel), [-1, height, width, filters])


def depthwise_convolution(x, kernel, strides=1, dilation_rate=1):
    """Convolves each channel by itself with symmetric padding.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel: Tensor `(size, size, channels, 1)`, `size` odd.
        strides: Integer, 1 or 2.
        dilation_rate: Integer, 1 or 2.

    Returns:
        Tensor `(batch, ceil(height / strides), ceil(width / strides), channels)`.
    """
    if strides == 2 and dilation_rate == 2:
        # Only even pixels are ever read: a plain convolution on their grid.
        return depthwise_convolution(subsample_even(x), kernel)
    if strides == 1 and dilation_rate == 1:
        return dense_depthwise_convolution(x, kernel)
    if strides == 1:
        return tf.nn.depthwise_conv2d(
            x,
            kernel,
            strides=[1, 1, 1, 1],
            padding="SAME",
            dilations=[dilation_rate, dilation_rate],
        )
    # Padding inside the op (EXPLICIT) sends its gradients to slow kernels.
    padded = pad_symmetric(x, kernel)
    return tf.nn.depthwise_conv2d(
        padded, kernel, strides=[1, strides, strides, 1], padding="VALID"
    )


def dense_depthwise_convolution(x, kernel):
    """`depthwise_convolution` without strides or dilation."""
    if kernel.shape[:2] != (5, 5) or x.shape[2] is None or on_gpu():
        return plain_depthwise_convolution(x, kernel)

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(slope):
            # The input's is a convolution too, with the kernel turned around.
            of_x = plain_depthwise_convolution(slope, kernel[::-1, ::-1])
            return of_x, filter_gradient_of_5x5(x, slope)

        return plain_depthwise_convolution(x, kernel), gradient

    return convolve(x, kernel)


def plain_depthwise_convolution(x, kernel):
    """TensorFlow's form of `dense_depthwise_convolution`."""
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME")


def filter_gradient_of_5x5(x, slope):
    """Returns the gradient of the kernel of a 5x5 depthwise convolution.

    oneDNN has no fast kernel for it, but one for three columns: the middle ones.
    The columns -2, 0 and 2 are neighbours in an image of half the width and twice
    the channels, which has the same numbers in memory.

    Args:
        x: Input `(batch, height, width, channels)` of known width.
        slope: Gradient of the result, of the same shape.
    """
    width, channels = x.shape[2:]
    middle = filter_gradient(x, slope, columns=3)
    if width % 2:
        x, slope = (tf.pad(t, [[0, 0], [0, 0], [0, 1], [0, 0]]) for t in (x, slope))
    size = [-1, x.shape[1] or tf.shape(x)[1], (width + 1) // 2, 2 * channels]
    x, slope = tf.reshape(x, size), tf.reshape(slope, size)
    even, odd = tf.split(filter_gradient(x, slope, columns=3), 2, axis=2)
    outer = even + odd
    return tf.concat([outer[:, :1], middle, outer[:, 2:]], axis=1)


def filter_gradient(x, slope, columns):
    """Returns the gradient `(5, columns, channels, 1)` of a depthwise kernel."""
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x,
        filter_sizes=[5, columns, x.shape[3], 1],
        out_backprop=slope,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )


def max_pool(x, strides=1):
    """Pools 3x3 with symmetric padding; strided, the even pixels of stride 1."""
    pooled = tf.nn.max_pool2d(x, ksize=3, strides=1, padding="SAME")
    return pooled if strides == 1 else subsample_even(pooled)


def average_pool(x, strides=1):
    """Pools 3x3 with symmetric padding that is not counted in the average."""
    pooled = tf.nn.avg_pool2d(x, ksize=3, strides=1, padding="SAME")
    return pooled if strides == 1 else subsample_even(pooled)
