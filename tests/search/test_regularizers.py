"""Regularizers see alphas by name, are found by name, and are saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.search import regularizers
from keras_atdarts.search.alphas import Choices
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.regularizers import register_regularizer
from keras_atdarts.search.regularizers import resolve_regularizers
from keras_atdarts.search.samplers import Sigmoid

NAMES = ("none", "skip_connect", "sep_conv_3x3")


def alphas(values=((0.0, 1.0, 2.0), (3.0, 0.0, 0.0))):
    choices = Choices(NAMES, tf.constant(values, tf.float64))
    return {"normal": CellAlphas(choices), "reduction": CellAlphas(choices)}


def test_choices_go_by_name():
    operations = alphas()["normal"].operations
    np.testing.assert_array_equal(operations["sep_conv_3x3"], [2.0, 0.0])
    assert "none" in operations and "max_pool_3x3" not in operations
    np.testing.assert_allclose(sum(operations.weights[name] for name in NAMES), 1.0)
    with pytest.raises(InputError, match="Did you mean 'skip_connect'"):
        operations["skip"]


def test_skip_connections_become_dearer():
    [rule] = resolve_regularizers(["skip_connections=0.5"])
    exponents = np.exp([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    weights = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rule(alphas()), 0.5 * weights[:, 1].mean())
    values = tf.constant([[0.3, 0.2, 0.1]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(values)
        penalty = rule({"normal": CellAlphas(Choices(NAMES, values))})
    # Its descent lowers the alpha of the skip connection, and raises the others.
    gradient = tape.gradient(penalty, values).numpy()[0]
    assert gradient[1] > 0 > gradient[0] and gradient[2] < 0


def test_a_space_without_skips_costs_nothing():
    [rule] = resolve_regularizers(["skip_connections"])
    choices = Choices(("none", "sep_conv_3x3"), tf.zeros((2, 2)))
    assert rule({"normal": CellAlphas(choices)}) == 0


def test_one_function_is_all():
    @register_regularizer("of_test")
    def of_test(alphas):
        return tf.reduce_sum(alphas["reduction"].operations["none"])

    try:
        rules = resolve_regularizers(["of_test=2", "skip_connections=0.1"])
        np.testing.assert_allclose(rules[0](alphas()), 2 * 3.0)
        architect = FirstOrder(rules)
        saved = keras.saving.serialize_keras_object(architect)
        restored = keras.saving.deserialize_keras_object(saved)
        np.testing.assert_allclose(
            restored.penalty(alphas()), architect.penalty(alphas())
        )
        with pytest.raises(ValueError, match="exists already"):
            register_regularizer("of_test")(of_test)
    finally:
        del regularizers._REGISTRY["of_test"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["skip_connection"], "Did you mean 'skip_connections'"),
        (["skip_connections=much"], "must be a number.*'skip_connections=much'"),
        (["skip_connections=inf"], "must be a number.*'skip_connections=inf'"),
        (["skip_connections=0:1:2"], "of the first and of the last epoch"),
        (["skip_connections", "skip_connections=2"], "Give each one once"),
    ],
)
def test_mistakes_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        resolve_regularizers(words)


def test_a_name_cannot_hold_its_strength():
    with pytest.raises(ValueError, match="must not contain '='"):
        register_regularizer("a=b")


def gradients_of(rule, values, names=NAMES, sampler=None):
    """Returns a penalty of normal cells, and its gradient."""
    values = tf.constant(values, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(values)
        penalty = rule({"normal": CellAlphas(Choices(names, values, sampler))})
    return float(penalty), tape.gradient(penalty, values).numpy()


def test_beta_decay_lowers_alphas_by_their_softmax():
    [rule] = resolve_regularizers(["beta_decay"])
    values = [[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]]
    penalty, gradient = gradients_of(rule, values)
    exponents = np.exp(values)
    np.testing.assert_allclose(penalty, np.log(exponents.sum(axis=1)).mean())
    softmax = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, softmax / 2)


def test_zero_one_drives_weights_apart():
    [rule] = resolve_regularizers(["zero_one=10"])
    penalty, gradient = gradients_of(rule, [[1.0, -1.0, 0.0]], sampler=Sigmoid())
    weights = 1 / (1 + np.exp([-1.0, 1.0, 0.0]))
    np.testing.assert_allclose(penalty, -10 * np.mean((weights - 0.5) ** 2))
    # Descent raises what is above one half, lowers what is below.
    assert gradient[0, 0] < 0 < gradient[0, 1] and gradient[0, 2] == 0


def test_the_distance_of_dirichlet_distributions_is_the_closed_form():
    """Of the density `2 x` from the uniform one: `log 2 - 1/2`."""
    [rule] = resolve_regularizers(["dirichlet_distance"])
    names = ("a", "b")
    penalty, _ = gradients_of(rule, [[1.0, 0.0]], names)
    np.testing.assert_allclose(penalty, np.log(2) - 0.5)
    penalty, gradient = gradients_of(rule, [[0.0, 0.0]], names)
    np.testing.assert_allclose([penalty, *gradient[0]], 0, atol=1e-12)


def test_a_strength_can_grow():
    [rule] = resolve_regularizers(["beta_decay=0:50"], epochs=3, steps_per_epoch=4)
    plain = resolve_regularizers(["beta_decay"])[0](alphas())
    for step, strength in ((0, 0), (3, 0), (4, 25), (8, 50), (100, 50)):
        np.testing.assert_allclose(rule(alphas(), step), strength * plain)
    saved = keras.saving.serialize_keras_object(rule)
    restored = keras.saving.deserialize_keras_object(saved)
    np.testing.assert_allclose(restored(alphas(), 4), 25 * plain)
    architect = FirstOrder([rule])
    optimizer = keras.optimizers.SGD()
    optimizer.build([keras.Variable(0.0)])
    optimizer.iterations.assign(8)
    penalty = architect.penalty_at(optimizer)
    np.testing.assert_allclose(penalty(alphas()), 50 * plain)
