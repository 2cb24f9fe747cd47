"""The tensor functions against the reference's arithmetic, written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.kernels import kernels
from keras_atdarts.kernels import pooling
from keras_atdarts.kernels.depthwise import depthwise_convolutions

both_strides = pytest.mark.parametrize("strides", [1, 2])
sizes = pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5)])


def windows(x, kernel_size, strides, dilation_rate, fill):
    """Yields the output position and the window of PyTorch's padding."""
    margin = dilation_rate * (kernel_size // 2)
    padded = np.pad(
        x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), constant_values=fill
    )
    reach = dilation_rate * (kernel_size - 1) + 1
    for row in range(0, x.shape[1], strides):
        for column in range(0, x.shape[2], strides):
            yield (
                (row // strides, column // strides),
                padded[
                    :,
                    row : row + reach : dilation_rate,
                    column : column + reach : dilation_rate,
                ],
            )


def slide(x, function, kernel_size, strides=1, dilation_rate=1, fill=0.0):
    size = [-(-side // strides) for side in x.shape[1:3]]
    result = None
    for (row, column), window in windows(x, kernel_size, strides, dilation_rate, fill):
        value = function(window)
        if result is None:
            result = np.zeros((x.shape[0], *size, value.shape[-1]))
        result[:, row, column] = value
    return result


@both_strides
@sizes
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("dilation_rate", [1, 2])
def test_depthwise_convolution(size, strides, kernel_size, dilation_rate):
    x = random_images((2, *size, 3), "float64")
    kernel = random_images((kernel_size, kernel_size, 3, 1), "float64")
    expected = slide(
        x,
        lambda window: np.sum(window * kernel[..., 0], axis=(1, 2)),
        kernel_size,
        strides,
        dilation_rate,
    )
    [result] = depthwise_convolutions(
        [tf.constant(x)], tf.constant(kernel[np.newaxis]), strides, dilation_rate
    )
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


@both_strides
@pytest.mark.parametrize("dilation_rate", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5), (2, 3), (None, None)])
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_gradients_of_the_fast_depthwise_convolution(
    size, dilation_rate, strides, shared
):
    """Against TensorFlow's own, twice differentiated, in float64."""
    shape = [8 if side is None else side for side in size]
    images = random_images((2, 2, *shape, 3), "float64")
    weights = random_images((2, 5, 5, 3, 1), "float64")

    def plain(x, kernel):
        y = tf.nn.depthwise_conv2d(
            x, kernel, [1, 1, 1, 1], "SAME", dilations=[dilation_rate] * 2
        )
        return y[:, ::strides, ::strides]

    def fast(tensors, weights):
        return depthwise_convolutions(tensors, weights, strides, dilation_rate)

    def reference(tensors, weights):
        return [plain(*pair) for pair in zip(tensors, tf.unstack(weights), strict=True)]

    def differentiate(function, images, weights):
        with tf.GradientTape() as outer:
            outer.watch([images, weights])
            with tf.GradientTape() as inner:
                inner.watch([images, weights])
                first, second = tf.unstack(images)
                tensors = [first, first] if shared else [first, second]
                results = function(tensors, weights)
                loss = tf.add_n([tf.reduce_sum(tf.sin(y)) for y in results])
            gradients = inner.gradient(loss, [images, weights])
            total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients])
        return [*results, *gradients, *outer.gradient(total, [images, weights])]

    signature = [
        tf.TensorSpec((2, 2, *size, 3), tf.float64),
        tf.TensorSpec(weights.shape, tf.float64),
    ]
    traced = tf.function(
        lambda *values: differentiate(fast, *values), input_signature=signature
    )
    expected = differentiate(reference, tf.constant(images), tf.constant(weights))
    for found, exact in zip(traced(images, weights), expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)


@both_strides
@sizes
def test_convolution(size, strides):
    x = random_images((2, *size, 3), "float64")
    kernel = random_images((3, 3, 3, 4), "float64")
    expected = slide(x, lambda w: np.einsum("bhwc,hwcf->bf", w, kernel), 3, strides)
    np.testing.assert_allclose(kernels.convolution(x, kernel, strides), expected)


@both_strides
@sizes
def test_max_pool(size, strides):
    x = random_images((2, *size, 3))
    expected = slide(x, lambda w: w.max(axis=(1, 2)), 3, strides, fill=-np.inf)
    np.testing.assert_array_equal(pooling.max_pool(tf.constant(x), strides), expected)


@both_strides
@sizes
def test_average_pool_does_not_count_its_padding(size, strides):
    x = random_images((2, *size, 3))
    expected = slide(x, lambda w: np.nanmean(w, axis=(1, 2)), 3, strides, fill=np.nan)
    result = pooling.average_pool(tf.constant(x), strides)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@sizes
def test_gradients_of_average_pooling_are_those_of_tensorflow(size):
    x, other = (
        tf.constant(each) for each in random_images((2, 3, *size, 2), "float64")
    )
    slopes = []
    for pool in (
        pooling.average_pool,
        lambda x: tf.nn.avg_pool2d(x, ksize=3, strides=1, padding="SAME"),
    ):
        with tf.GradientTape() as outer:
            outer.watch(other)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(pool(x) * other**2)
            first = tape.gradient(loss, x)
            twice = tf.reduce_sum(first * x)
        slopes.append((first, outer.gradient(twice, other)))
    for found, expected in zip(*slopes, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@sizes
def test_subsampling(size):
    x = random_images((2, *size, 3))
    np.testing.assert_array_equal(pooling.subsample_even(x), x[:, ::2, ::2])
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    rows, columns = (-(-side // 2) for side in size)
    expected = padded[:, 1::2, 1::2][:, :rows, :columns]
    np.testing.assert_array_equal(pooling.subsample_odd(tf.constant(x)), expected)


def test_subsampling_of_unknown_sizes():
    function = tf.function(
        pooling.subsample_odd,
        input_signature=[tf.TensorSpec((None, None, None, 3))],
    )
    for size in ((8, 8), (7, 10)):
        x = tf.constant(random_images((2, *size, 3)))
        np.testing.assert_array_equal(function(x), pooling.subsample_odd(x))


@sizes
def test_pointwise_convolutions(size):
    images = random_images((2, 2, *size, 3), "float64")
    weights = random_images((2, 3, 4), "float64")
    expected = np.einsum("ebhwc,ecf->ebhwf", images, weights)

    def convolve(images, weights):
        return kernels.pointwise_convolutions(tf.unstack(images, 2), weights)

    np.testing.assert_allclose(convolve(images, weights), expected)
    unknown = tf.function(
        convolve,
        input_signature=[
            tf.TensorSpec((2, None, None, None, 3), tf.float64),
            tf.TensorSpec((2, 3, 4), tf.float64),
        ],
    )
    np.testing.assert_allclose(unknown(images, weights), expected)
