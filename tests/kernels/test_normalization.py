"""All forms of batch normalization against the definition, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.kernels import normalization
from keras_atdarts.kernels.cpu_normalization import cpu_batch_normalization
from keras_atdarts.kernels.staged_normalization import staged_batch_normalization

EPSILON = 1e-5
FORMS = {
    "staged": staged_batch_normalization,
    "fused": normalization.fused_batch_normalization,
    "cpu": cpu_batch_normalization,
}
all_forms = pytest.mark.parametrize(
    ("form", "dtype"),
    [
        ("staged", "float64"),
        ("staged", "float32"),
        ("fused", "float32"),
        ("cpu", "float32"),
    ],
)
SCALES = {
    "affine": ([[0.5, 1.0, 2.0], [3.0, 0.1, -1.0]], [[0.0, 1.0, 2.0], [1.0, 0.0, 3.0]]),
    "scaled": ([[0.3, 0.3, 0.3], [0.7, 0.7, 0.7]], None),
    "plain": (None, None),
}


def tensor_of(values, dtype):
    return None if values is None else tf.constant(values, dtype)


def tensors_of(values, dtype):
    return [tf.constant(value, dtype) for value in values]


def defined(tensors, scales, offsets, epsilon):
    """The definition, for TensorFlow to differentiate."""
    results = []
    for index, x in enumerate(tensors):
        mean = tf.reduce_mean(x, axis=[0, 1, 2])
        variance = tf.reduce_mean((x - mean) ** 2, axis=[0, 1, 2])
        y = (x - mean) / tf.sqrt(variance + epsilon)
        y = y if scales is None else y * scales[index]
        results.append(y if offsets is None else y + offsets[index])
    return results, None, None


def twice_differentiated(form, inputs, probes):
    """Returns values, gradients, and gradients of the squared gradients' sum."""
    tensors, *_ = inputs
    watched = tf.nest.flatten([values for values in inputs if values is not None])
    with tf.GradientTape() as outer:
        outer.watch(watched)
        with tf.GradientTape() as inner:
            inner.watch(watched)
            results, _, _ = form(*inputs, EPSILON)
            products = zip(results, probes, strict=True)
            loss = tf.add_n([tf.reduce_sum(tf.sin(y) * probe) for y, probe in products])
        gradients = inner.gradient(loss, watched)
        total = tf.add_n([tf.reduce_sum(gradient**2) for gradient in gradients])
    return [*results, *gradients, *outer.gradient(total, watched)]


@all_forms
@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_values_and_both_gradients(form, dtype, kind, graph):
    images = random_images((4, 4, 5, 6, 3), dtype)
    inputs = [tensors_of(images[:2] * 3 + 1, dtype)]
    inputs += [tensor_of(values, dtype) for values in SCALES[kind]]
    probes = tensors_of(images[2:], dtype)
    exact_inputs, exact_probes = tf.nest.map_structure(
        lambda x: None if x is None else tf.cast(x, tf.float64), (inputs, probes)
    )
    expected = twice_differentiated(defined, exact_inputs, exact_probes)

    def differentiate():
        return twice_differentiated(FORMS[form], inputs, probes)

    results = tf.function(differentiate)() if graph else differentiate()
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    for result, exact in zip(results, expected, strict=True):
        atol = tolerance * np.abs(exact).max()
        np.testing.assert_allclose(result, exact, rtol=0, atol=atol)


@all_forms
def test_statistics_of_the_batch_are_those_of_pytorch(form, dtype):
    images = random_images((2, 2, 3, 3, 2), dtype)
    _, means, variances = FORMS[form](tensors_of(images, dtype), None, None, EPSILON)
    np.testing.assert_allclose(means, images.mean((1, 2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variances, images.var((1, 2, 3), ddof=1), rtol=1e-5)


@pytest.mark.parametrize("form", ["staged", "cpu"])
def test_unknown_sizes_give_the_same(form):
    x = tf.constant(random_images((2, 3, 4, 2)))

    def normalize(x):
        [y], means, variances = FORMS[form]([x], None, None, EPSILON)
        return y, means, variances

    unknown = tf.TensorSpec((None, None, None, 2))
    of_unknown = tf.function(normalize, input_signature=[unknown])(x)
    for one, other in zip(of_unknown, normalize(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", SCALES)
def test_given_statistics(kind):
    tensors = tensors_of(random_images((2, 4, 5, 6, 3), "float64"), "float64")
    scales, offsets = (tensor_of(values, "float64") for values in SCALES[kind])
    means = tf.stack([tf.reduce_mean(x, axis=[0, 1, 2]) for x in tensors])
    variances = tf.stack([tf.math.reduce_variance(x, axis=[0, 1, 2]) for x in tensors])
    expected, _, _ = defined(tensors, scales, offsets, EPSILON)
    results = normalization.frozen_batch_normalization(
        tensors, scales, offsets, means, variances, EPSILON
    )
    for result, exact in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", ["staged", "cpu"])
def test_float32_is_as_exact_as_it_can_be(form):
    """One running sum over 32,768 pixels would be off by 1e-6 and more."""
    generator = np.random.default_rng(0)
    images = (1.5 * generator.normal(size=(32, 32, 32, 4)) + 0.7).astype("float32")
    [exact], _, _ = defined([tf.constant(images, tf.float64)], None, None, EPSILON)
    [y], _, _ = FORMS[form]([tf.constant(images)], None, None, EPSILON)
    error = np.linalg.norm(y.numpy() - exact.numpy()) / np.linalg.norm(exact)
    assert error < 2e-7


@pytest.mark.parametrize("channels", [8, 16, 48])
def test_any_number_of_channels_is_normalised(channels):
    """Those that fill the vectors of a processor take another way."""
    images = random_images((2, 4, 6, 5, channels)) + 1
    scales, offsets = random_images((2, 2, channels))

    def differentiate(form, dtype):
        tensors = tensors_of(images, dtype)
        rows = tensor_of(scales, dtype), tensor_of(offsets, dtype)
        with tf.GradientTape() as tape:
            tape.watch([tensors, rows])
            results, *statistics = form(tensors, *rows, EPSILON)
            loss = tf.add_n([tf.reduce_sum(tf.sin(x)) for x in results])
        return [*results, *statistics, *tape.gradient(loss, [*tensors, *rows])]

    found = differentiate(cpu_batch_normalization, "float32")
    exact = differentiate(staged_batch_normalization, "float64")
    for each, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-5)
