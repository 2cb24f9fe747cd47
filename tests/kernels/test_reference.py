"""The reference against the arithmetic of DARTS, written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images
from numbers_checks import check
from numbers_checks import differentiated
from numbers_checks import numbers

from keras_atdarts.kernels import Reference
from keras_atdarts.kernels import convolutions
from keras_atdarts.kernels import reference

both_strides = pytest.mark.parametrize("strides", [1, 2])
sizes = pytest.mark.parametrize("size", [(8, 8), (7, 10), (9, 5), (2, 3)])


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
    unknown = tf.function(
        lambda x, kernel: convolutions.depthwise_convolution(
            x, kernel, strides, dilation_rate
        ),
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float64),
            tf.TensorSpec(kernel.shape, tf.float64),
        ],
    )
    result = convolutions.depthwise_convolution(
        tf.constant(x), tf.constant(kernel), strides, dilation_rate
    )
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(unknown(x, kernel), expected, rtol=1e-10, atol=1e-12)


@both_strides
@sizes
def test_convolution(size, strides):
    x = random_images((2, *size, 3), "float64")
    kernel = random_images((3, 3, 3, 4), "float64")
    expected = slide(x, lambda w: np.einsum("bhwc,hwcf->bf", w, kernel), 3, strides)
    result = convolutions.convolution(x, tf.constant(kernel), strides)
    np.testing.assert_allclose(result, expected)


@sizes
def test_pointwise_convolution(size):
    x = random_images((2, *size, 3), "float64")
    kernel = random_images((3, 4), "float64")
    expected = np.einsum("bhwc,cf->bhwf", x, kernel)
    unknown = tf.function(
        convolutions.pointwise_convolution,
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float64),
            tf.TensorSpec((3, 4), tf.float64),
        ],
    )
    for convolve in (
        convolutions.pointwise_convolution,
        convolutions.fusible_pointwise_convolution,
        unknown,
    ):
        result = convolve(tf.constant(x), tf.constant(kernel))
        np.testing.assert_allclose(result, expected)


@both_strides
@sizes
def test_pools(size, strides):
    x = random_images((2, *size, 3))
    largest = slide(x, lambda w: w.max(axis=(1, 2)), 3, strides, fill=-np.inf)
    # What is beyond the image does not count in an average.
    mean = slide(x, lambda w: np.nanmean(w, axis=(1, 2)), 3, strides, fill=np.nan)
    pool = Reference().pool
    np.testing.assert_array_equal(pool(tf.constant(x), "max", strides), largest)
    np.testing.assert_allclose(
        pool(tf.constant(x), "average", strides), mean, rtol=1e-5, atol=1e-6
    )


@sizes
@pytest.mark.parametrize("known", [True, False])
def test_every_second_pixel(size, known):
    x = random_images((2, *size, 3))
    split = convolutions.every_second_pixel
    if not known:
        split = tf.function(
            split, input_signature=[tf.TensorSpec((None, None, None, 3))]
        )
    found = split(tf.constant(x))
    padded = np.pad(x, ((0, 0), (0, size[0] % 2), (0, size[1] % 2), (0, 0)))
    starts = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for result, (row, column) in zip(found, starts, strict=True):
        np.testing.assert_array_equal(result, padded[:, row::2, column::2])


EDGE_VALUES = {
    "affine": ((2, 3), (2, 3)),
    "weighted": ((2,), None),
    "one number each": ((2,), (2,)),
    "plain": (None, None),
}


def defined_batch_norm(tensors, scales, offsets):
    """The definition, for TensorFlow to differentiate."""
    results = []
    for index, x in enumerate(tensors):
        mean = tf.reduce_mean(x, axis=[0, 1, 2])
        variance = tf.reduce_mean((x - mean) ** 2, axis=[0, 1, 2])
        y = (x - mean) / tf.sqrt(variance + reference.EPSILON)
        y = y if scales is None else y * scales[index]
        results.append(y if offsets is None else y + offsets[index])
    return results


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)]
)
@pytest.mark.parametrize("kind", EDGE_VALUES)
def test_batch_norm_and_both_derivatives(dtype, tolerance, kind):
    images = numbers(2, 4, 5, 6, 3, dtype=dtype) * 3 + 1
    scales, offsets = (
        None if shape is None else numbers(*shape, seed=i, dtype=dtype)
        for i, shape in enumerate(EDGE_VALUES[kind])
    )
    inputs = [each for each in (images, scales, offsets) if each is not None]

    def by(function):
        def call(images, *rows):
            rows = (*rows, None, None)[:2]
            return function(tf.unstack(images), *rows)

        return call

    normalize = by(lambda *values: Reference().normalize(*values)[0])
    found = differentiated(normalize, inputs, twice=True)
    exact = [tf.cast(each, tf.float64) for each in inputs]
    check(found, differentiated(by(defined_batch_norm), exact, twice=True), tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_statistics_of_the_batch_are_those_of_pytorch(dtype):
    images = tf.cast(random_images((2, 2, 3, 3, 2)), dtype)
    [y, _], (means, variances) = Reference().normalize(tf.unstack(images))
    assert y.dtype == dtype
    images = tf.cast(images, "float64").numpy()
    np.testing.assert_allclose(means, images.mean((1, 2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variances, images.var((1, 2, 3), ddof=1), rtol=1e-5)


def test_a_batch_norm_of_unknown_sizes():
    x = tf.constant(random_images((2, 3, 4, 2)))

    def normalize(x):
        [y], statistics = Reference().normalize([x])
        return y, statistics

    unknown = tf.function(normalize, input_signature=[tf.TensorSpec([None] * 3 + [2])])
    check(unknown(x), normalize(x), tolerance=1e-6)


@pytest.mark.parametrize("kind", EDGE_VALUES)
def test_frozen_statistics_give_the_same(kind):
    tensors = tf.unstack(numbers(2, 4, 5, 6, 3))
    scales, offsets = (
        None if shape is None else numbers(*shape, seed=i)
        for i, shape in enumerate(EDGE_VALUES[kind])
    )
    expected = defined_batch_norm(tensors, scales, offsets)
    means = tf.stack([tf.reduce_mean(x, axis=[0, 1, 2]) for x in tensors])
    variances = tf.stack([tf.math.reduce_variance(x, axis=[0, 1, 2]) for x in tensors])
    rows = (
        each if each is None or each.shape.rank == 2 else each[:, tf.newaxis]
        for each in (scales, offsets)
    )
    factors, shifts = reference.frozen_factors(*rows, means, variances)
    results = [x * factors[i] + shifts[i] for i, x in enumerate(tensors)]
    check(results, expected, 1e-12)


def test_float32_is_as_exact_as_it_can_be():
    """One running sum over 32,768 pixels would be off by 1e-6 and more."""
    generator = np.random.default_rng(0)
    images = (1.5 * generator.normal(size=(32, 32, 32, 4)) + 0.7).astype("float32")
    [exact] = defined_batch_norm([tf.constant(images, tf.float64)], None, None)
    [y], _ = Reference().normalize([tf.constant(images)])
    error = np.linalg.norm(y.numpy() - exact.numpy()) / np.linalg.norm(exact)
    assert error < 2e-7
