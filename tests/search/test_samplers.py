"""Samplers against their equations, and steps of searches that have them."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.mixing import LOG_WEIGHTS
from keras_atdarts.genotypes.mixing import log_weights
from keras_atdarts.search.alphas import search_choices
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.expected_cost import CostTarget
from keras_atdarts.search.operation_costs import operation_costs
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.regularizers import resolve_regularizers
from keras_atdarts.search.samplers import SAMPLERS
from keras_atdarts.search.samplers import Draw
from keras_atdarts.search.samplers import GumbelSoftmax
from keras_atdarts.search.samplers import get_sampler
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.schedules import EpochLinear

ALPHAS = np.array([[1.0, -0.5, 0.0], [-2.0, 0.3, 0.1]])


def draw(number=0, step=0):
    return Draw(tf.constant([3, number], tf.int64), tf.constant(step))


def many(sampler, alphas, count):
    """Returns draws `(count, edges, choices)`; each edge is drawn by itself."""
    repeated = np.tile(alphas, (count, 1))
    weights = sampler.sample(tf.constant(repeated), draw())
    return np.reshape(weights, (count, *alphas.shape))


def test_all_samplers_are_known_to_genotypes():
    assert set(SAMPLERS) == set(LOG_WEIGHTS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_tensors_and_numbers_agree(name):
    names = ("a", "b", "c")
    means = get_sampler(name).mean(tf.constant(ALPHAS)).numpy()
    for mean, alphas in zip(means, ALPHAS, strict=True):
        logarithms = log_weights(dict(zip(names, alphas, strict=True)), name)
        expected = [np.exp(logarithms[each]) for each in names]
        np.testing.assert_allclose(mean, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("softmax", np.exp(ALPHAS) / np.exp(ALPHAS).sum(axis=1, keepdims=True)),
        ("sigmoid", 1 / (1 + np.exp(-ALPHAS))),
        # Concentrations 2, 0.607, 1 and 0.135, 1.3, 1.1.
        (
            "dirichlet",
            [[2 / 3.60653, 0.60653 / 3.60653, 1 / 3.60653]]
            + [[0.13534 / 2.53534, 1.3 / 2.53534, 1.1 / 2.53534]],
        ),
    ],
)
def test_mean_weights(name, expected):
    means = get_sampler(name).mean(tf.constant(ALPHAS))
    np.testing.assert_allclose(means, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "name", [name for name in SAMPLERS if SAMPLERS[name].is_random]
)
def test_draws_have_the_mean_and_repeat(name):
    sampler = get_sampler(name)
    drawn = many(sampler, ALPHAS, 20_000)
    np.testing.assert_allclose(drawn.sum(axis=-1), 1.0, rtol=1e-9)
    np.testing.assert_allclose(
        drawn.mean(axis=0), sampler.mean(tf.constant(ALPHAS)), atol=0.01
    )
    alphas = tf.constant(ALPHAS)
    one, again, other = (sampler.sample(alphas, draw(x)) for x in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    if name == "dirichlet":  # Of 0 and 1, few draws can be the same.
        assert np.any(one != other)


def test_a_gumbel_draw_is_one_operation_with_the_gradient_of_the_softmax():
    alphas, sampler = tf.constant(ALPHAS), GumbelSoftmax(temperature=0.7)
    factors = tf.constant([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        weights = sampler.sample(alphas, draw())
        value = tf.reduce_sum(weights * factors)
    np.testing.assert_array_equal(np.sort(weights, axis=-1), [[0, 0, 1]] * 2)
    gradient = tape.gradient(value, alphas)
    uniform = tf.random.stateless_uniform(
        (2, 3), draw().seed, minval=1e-20, dtype=tf.float64
    )
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        logits = tf.nn.log_softmax(alphas) - tf.math.log(-tf.math.log(uniform))
        value = tf.reduce_sum(tf.nn.softmax(logits / 0.7) * factors)
    np.testing.assert_allclose(gradient, tape.gradient(value, alphas), rtol=1e-9)


def test_the_temperature_falls_with_the_epochs():
    cooling = EpochLinear(10.0, 0.1, epochs=3, steps_per_epoch=5)
    steps = (0, 4, 5, 10, 99)
    found = [float(cooling(step)) for step in steps]
    np.testing.assert_allclose(found, [10.0, 10.0, 5.05, 0.1, 0.1], rtol=1e-5)

    def slope(step):
        alphas = tf.constant(ALPHAS)
        with tf.GradientTape() as tape:
            tape.watch(alphas)
            weights = GumbelSoftmax(cooling).sample(alphas, draw(step=step))
            value = tf.reduce_sum(weights[:, 0])
        return float(tf.norm(tape.gradient(value, alphas)))

    assert slope(0) < slope(5)  # Hotter, so flatter.


def test_a_draw_of_dirichlet_has_the_gradient_of_its_mean():
    count = 50_000
    alphas = tf.constant(np.tile(ALPHAS[:1], (count, 1)))
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        weights = get_sampler("dirichlet").sample(alphas, draw())
        value = tf.reduce_mean(weights[:, 0])
    found = np.sum(tape.gradient(value, alphas), axis=0)
    alphas = tf.constant(ALPHAS[:1])
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        value = get_sampler("dirichlet").mean(alphas)[0, 0]
    np.testing.assert_allclose(found, tape.gradient(value, alphas)[0], atol=5e-3)


def test_a_perturbation_is_uniform_and_grows():
    weights = tf.fill((5000, 2), tf.constant(0.5, tf.float64))
    growing = RandomPerturbation(EpochLinear(0.1, 0.3, epochs=2, steps_per_epoch=1))
    for step, epsilon in ((0, 0.1), (1, 0.3)):
        change = growing(weights, draw(step=step)).numpy() - 0.5
        assert np.abs(change).max() == pytest.approx(epsilon, rel=1e-2)
        assert np.abs(change).max() <= epsilon * (1 + 1e-6)
        assert change.mean() == pytest.approx(0, abs=epsilon / 30)
        assert change.std() == pytest.approx(epsilon / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: get_sampler("gumbel"), "Did you mean 'gumbel_softmax'"),
        (lambda: GumbelSoftmax(0.0), "temperature must be above 0. Received: 0.0"),
        (lambda: RandomPerturbation(-1), "epsilon must be above 0. Received: -1"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


OPERATIONS = ("none", "skip_connect", "avg_pool_3x3")


def batches():
    images = random_images((2, 8, 8, 8, 1))
    labels = np.arange(8, dtype="int32") % 3
    return tf.data.Dataset.from_tensors(((images[0], labels), (images[1], labels)))


@functools.cache
def costs():
    choices = search_choices(OPERATIONS)
    return operation_costs("parameters", choices, (8, 8, 1), 3, 2, 3, num_nodes=1)


def searched(order=1, sampler="softmax", **options):
    """Returns a supernet after two steps, and the alphas before them."""
    keras.utils.set_random_seed(0)
    supernet = Supernet(3, 2, 3, OPERATIONS, num_nodes=1, sampler=sampler)
    supernet.build((None, 8, 8, 1))
    before = [variable.numpy() for variable in supernet.alpha_variables]
    regularizers = resolve_regularizers(["beta_decay=0:1", "zero_one=2"], 2, 1)
    regularizers += (CostTarget(costs(), costs().smallest()),)
    architect = {1: FirstOrder, 2: SecondOrder}[order](regularizers=regularizers)
    supernet.compile(SGD(0.1, 0.9), SGD(0.1), architect=architect, **options)
    supernet.fit(
        batches().repeat(), epochs=2, steps_per_epoch=1, shuffle=False, verbose=0
    )
    return supernet, before


COMBINATIONS = [
    {"perturbation": RandomPerturbation(0.1)},
    {"sampler": "sigmoid"},
    {"sampler": GumbelSoftmax(0.5), "order": 2},
    {
        "sampler": "dirichlet",
        "perturbation": RandomPerturbation(EpochLinear(0.1, 0.2, 2, 1)),
        "recompute": True,
    },
]
NAMES = ["perturbed", "sigmoid", "gumbel_softmax of second order", "dirichlet"]


@pytest.mark.parametrize("options", COMBINATIONS, ids=NAMES)
def test_remedies_combine_repeat_and_are_saved(options, tmp_path):
    supernet, before = searched(**options)
    again, _ = searched(**options)
    for one, other in zip(supernet.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    for old, variable in zip(before, supernet.alpha_variables, strict=True):
        assert np.any(old != variable.numpy())
    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    assert loaded.get_config() == supernet.get_config()
    assert loaded.get_compile_config() == supernet.get_compile_config()
    for model in (supernet, loaded):
        model.fit(batches(), steps_per_epoch=1, shuffle=False, verbose=0)
    for one, other in zip(supernet.variables, loaded.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_parts_of_a_batch_share_a_draw():
    """With batch norms that see the same images, parts are the whole."""
    images = np.concatenate([random_images((4, 8, 8, 1))] * 2)
    batch = images, np.arange(8, dtype="int32") % 3
    alphas = []
    for parts in (1, 2):
        keras.utils.set_random_seed(0)
        supernet = Supernet(
            3, 2, 3, ("none", "max_pool_3x3"), num_nodes=1, sampler="dirichlet"
        )
        supernet.build((None, 8, 8, 1))
        supernet.compile(SGD(0.1), SGD(10.0), gradient_accumulation=parts)
        data = tf.data.Dataset.from_tensors((batch, batch))
        supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
        alphas.append([variable.numpy() for variable in supernet.alpha_variables])
    for one, other in zip(*alphas, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
