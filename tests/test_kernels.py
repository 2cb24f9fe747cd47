"""The tensor functions against the reference's arithmetic, written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts import kernels

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
    result = kernels.depthwise_convolution(
        tf.constant(x), kernel, strides, dilation_rate
    )
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)


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
    np.testing.assert_array_equal(kernels.max_pool(tf.constant(x), strides), expected)


@both_strides
@sizes
def test_average_pool_does_not_count_its_padding(size, strides):
    x = random_images((2, *size, 3))
    expected = slide(x, lambda w: np.nanmean(w, axis=(1, 2)), 3, strides, fill=np.nan)
    result = kernels.average_pool(tf.constant(x), strides)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@sizes
def test_subsampling(size):
    x = random_images((2, *size, 3))
    np.testing.assert_array_equal(kernels.subsample_even(x), x[:, ::2, ::2])
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    rows, columns = (-(-side // 2) for side in size)
    expected = padded[:, 1::2, 1::2][:, :rows, :columns]
    np.testing.assert_array_equal(kernels.subsample_odd(tf.constant(x)), expected)


def test_subsampling_of_unknown_sizes():
    function = tf.function(
        kernels.subsample_odd,
        input_signature=[tf.TensorSpec((None, None, None, 3))],
    )
    for size in ((8, 8), (7, 10)):
        x = tf.constant(random_images((2, *size, 3)))
        np.testing.assert_array_equal(function(x), kernels.subsample_odd(x))


EPSILON = 1e-5
NORMALIZATIONS = {
    "staged": kernels.staged_batch_normalization,
    "fused": kernels.fused_batch_normalization,
}
all_normalizations = pytest.mark.parametrize(
    ("name", "dtype"),
    [("staged", "float64"), ("staged", "float32"), ("fused", "float32")],
)


def defined_normalization(x, scale, offset):
    mean = tf.reduce_mean(x, axis=[0, 1, 2])
    variance = tf.reduce_mean((x - mean) ** 2, axis=[0, 1, 2])
    return (x - mean) / tf.sqrt(variance + EPSILON) * scale + offset


def twice_differentiated(function, inputs, probe):
    """Returns values, gradients, and gradients of the squared gradients' sum."""
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            y = function(*inputs)
            loss = tf.reduce_sum(tf.sin(y) * probe)
        gradients = inner.gradient(loss, inputs)
        total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients])
    return [y, *gradients, *outer.gradient(total, inputs)]


@all_normalizations
def test_batch_normalization_and_both_its_gradients(name, dtype):
    """Each form against the definition, differentiated by TensorFlow in float64."""
    inputs = [
        tf.constant(random_images((4, 5, 6, 3), dtype) * 3 + 1),
        tf.constant([0.5, 1.0, 2.0], dtype),
        tf.constant([0, 1, 2.0], dtype),
    ]
    probe = tf.constant(random_images((4, 5, 6, 3), dtype))
    exact_inputs = [tf.cast(value, tf.float64) for value in inputs]
    expected = twice_differentiated(
        defined_normalization, exact_inputs, tf.cast(probe, tf.float64)
    )
    results = twice_differentiated(
        lambda *inputs: NORMALIZATIONS[name](*inputs, EPSILON)[0], inputs, probe
    )
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    for result, exact in zip(results, expected, strict=True):
        scale = np.abs(exact).max()
        np.testing.assert_allclose(result, exact, rtol=0, atol=tolerance * scale)


@all_normalizations
def test_statistics_of_the_batch_are_those_of_pytorch(name, dtype):
    x = random_images((2, 3, 3, 2), dtype)
    scale = tf.ones(2, dtype)
    _, mean, variance = NORMALIZATIONS[name](tf.constant(x), scale, None, EPSILON)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, x.var((0, 1, 2), ddof=1), rtol=1e-5)


def test_batch_normalization_is_as_exact_as_float32_can_be():
    """One running sum over 32,768 pixels would be off by 2e-6 and more."""
    generator = np.random.default_rng(0)
    x = (1.5 * generator.normal(size=(32, 32, 32, 4)) + 0.7).astype("float32")
    scale, offset = tf.ones(4), tf.zeros(4)
    exact = defined_normalization(tf.constant(x, tf.float64), 1.0, 0.0).numpy()
    y, _, _ = kernels.batch_normalization(tf.constant(x), scale, offset, EPSILON)
    assert np.linalg.norm(y.numpy() - exact) < 2e-7 * np.linalg.norm(exact)


@sizes
def test_pointwise_convolution(size):
    x = tf.constant(random_images((2, *size, 3), "float64"))
    kernel = random_images((3, 4), "float64")
    expected = np.einsum("bhwc,cf->bhwf", x, kernel)
    result = kernels.pointwise_convolution(x, tf.constant(kernel))
    np.testing.assert_allclose(result, expected)
    unknown = tf.function(
        kernels.pointwise_convolution,
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float64),
            tf.TensorSpec((3, 4), tf.float64),
        ],
    )
    np.testing.assert_allclose(unknown(x, kernel), expected)
