import keras
import numpy as np
import pytest

from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam
from keras_atdarts.training.schedules import EpochCosineDecay
from keras_atdarts.training.schedules import EpochExponentialDecay

GRADIENTS = np.array([[3.0, -4.0], [0.5, 0.25], [-6.0, 8.0], [0.1, 0.2]])
START = np.array([1.0, -2.0])


def run(optimizer):
    """Returns the values of a variable after each of the gradients."""
    variable = keras.Variable(START, dtype="float64")
    values = []
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        values.append(variable.numpy().copy())
    return np.array(values)


def test_sgd_is_that_of_pytorch():
    """Momentum carries the gradient and its decay, not the learning rate."""
    rates = [0.1, 0.1, 0.05, 0.05]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.05])
    optimizer = SGD(schedule, momentum=0.9, coupled_weight_decay=0.01, clip_norm=5.0)
    w, buffer, expected = START, 0, []
    for rate, gradient in zip(rates, GRADIENTS, strict=True):
        clipped = gradient * min(1, 5 / np.linalg.norm(gradient))
        buffer = 0.9 * buffer + clipped + 0.01 * w
        w = w - rate * buffer
        expected.append(w)
    assert_same_steps(run(optimizer), expected, rtol=1e-6)


def assert_same_steps(values, expected, rtol):
    """Compares how the variable changed, not the value that hides it."""
    np.testing.assert_allclose(values - START, expected - START, rtol=rtol)


def test_adam_is_that_of_pytorch():
    optimizer = Adam(0.01, beta_1=0.5, beta_2=0.999, coupled_weight_decay=0.001)
    w, first, second, expected = START, 0, 0, []
    for count, gradient in enumerate(GRADIENTS, start=1):
        gradient = gradient + 0.001 * w
        first = 0.5 * first + 0.5 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, scale = first / (1 - 0.5**count), second / (1 - 0.999**count)
        w = w - 0.01 * mean / (np.sqrt(scale) + 1e-8)
        expected.append(w)
    # The learning rate is a float32.
    assert_same_steps(run(optimizer), expected, rtol=1e-7)


def test_unusable_clipping_is_refused():
    with pytest.raises(ValueError, match="clip_norm=-1"):
        SGD(0.1, clip_norm=-1)


def test_the_norm_is_that_of_all_gradients():
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    gradients = [keras.ops.convert_to_tensor([value]) for value in (30.0, 40.0)]
    SGD(1.0, clip_norm=5.0).apply(gradients, variables)
    np.testing.assert_allclose([v.numpy()[0] for v in variables], [-3, -4], rtol=1e-6)


def test_cosine_falls_once_an_epoch():
    schedule = EpochCosineDecay(0.025, epochs=50, steps_per_epoch=10, minimum=0.001)
    rates = np.array([schedule(keras.ops.convert_to_tensor(i)) for i in range(510)])
    epochs = np.arange(51)
    expected = 0.001 + 0.024 * (1 + np.cos(np.pi * epochs / 50)) / 2
    np.testing.assert_allclose(rates.reshape(51, 10)[:, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(rates, np.repeat(rates[::10], 10))


def test_exponential_decay_falls_once_an_epoch():
    schedule = EpochExponentialDecay(0.1, 0.97, steps_per_epoch=10)
    rates = np.array([schedule(keras.ops.convert_to_tensor(i)) for i in range(510)])
    np.testing.assert_allclose(rates[::10], 0.1 * 0.97 ** np.arange(51), rtol=1e-5)
    np.testing.assert_array_equal(rates, np.repeat(rates[::10], 10))


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(EpochCosineDecay(0.1, 5, 7), momentum=0.5, clip_norm=2.0),
        SGD(EpochExponentialDecay(0.1, 0.5, 2), momentum=0.5),
        Adam(0.1, beta_1=0.4, coupled_weight_decay=0.2),
    ],
    ids=["sgd", "sgd, exponential", "adam"],
)
def test_configuration_round_trip(optimizer):
    config = keras.saving.serialize_keras_object(optimizer)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == optimizer.get_config()
    np.testing.assert_array_equal(run(restored), run(optimizer))
