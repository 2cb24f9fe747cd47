"""Callbacks that end a search: when, why and with which genotype."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.search.curvature import Curvature
from keras_atdarts.search.monitors import EIGENVALUE
from keras_atdarts.search.stopping import StopAtEigenvalue
from keras_atdarts.search.stopping import StopAtSkips
from keras_atdarts.search.stopping import StopWhenUnchanged
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD


def genotype(*operations):
    """Returns a genotype whose normal cell has these two operations."""
    plain = CellGenotype([[("max_pool_3x3", 0), ("max_pool_3x3", 1)]], concat=[2])
    pairs = [(operation, source) for source, operation in enumerate(operations)]
    return Genotype(CellGenotype([pairs], concat=[2]), plain)


SKIP, POOL, CONV = "skip_connect", "max_pool_3x3", "sep_conv_3x3"
NONE, ONE, TWO = genotype(POOL, CONV), genotype(SKIP, CONV), genotype(SKIP, SKIP)


def run(stop, genotypes, eigenvalues=None):
    """Returns the epoch, from 1, after which a search was stopped; None if not."""
    model = SimpleNamespace(stop_training=False, labelled_alphas=lambda: None)
    stop.set_model(model)
    for epoch, found in enumerate(genotypes):
        stop.derive = lambda _, found=found: found
        logs = {} if eigenvalues is None else {EIGENVALUE: eigenvalues[epoch]}
        stop.on_epoch_end(epoch, logs)
        if model.stop_training:
            return epoch + 1
    return None


def test_a_second_skip_connection_stops(capsys):
    stop = StopAtSkips(2, None)
    assert run(stop, [NONE, ONE, ONE, TWO, NONE]) == 4
    assert stop.genotype == TWO
    words = "Stopped after epoch 4: the normal cell has 2 skip connections."
    assert words in capsys.readouterr().out
    assert run(StopAtSkips(3, None), [TWO] * 5) is None


@pytest.mark.parametrize(
    ("genotypes", "earlier", "expected"),
    [
        ([NONE, ONE, ONE, ONE, ONE], [], 4),
        ([NONE, ONE, NONE, ONE, NONE], [], None),
        # A search that goes on knows the epochs before.
        ([ONE, NONE], [ONE, ONE], 1),
        ([ONE, ONE], [NONE, ONE], 2),
    ],
)
def test_a_genotype_that_stays_stops(genotypes, earlier, expected):
    assert run(StopWhenUnchanged(2, None, earlier), genotypes) == expected


def test_a_rising_eigenvalue_stops_with_the_genotype_before_it():
    genotypes = [NONE] * 2 + [ONE] * 2 + [TWO] * 5
    flat = [0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3]
    stop = StopAtEigenvalue(None, epochs=2)
    assert run(stop, genotypes[: len(flat)], flat) is None
    # Means of two: 0.2 after epoch 3, 0.3 after epoch 5: 0.2 / 0.3 < 0.75.
    rising = [0.2, 0.2, 0.2, 0.3, 0.3, 0.4, 0.5, 0.6]
    stop = StopAtEigenvalue(None, epochs=2)
    assert run(stop, genotypes[: len(rising)], rising) == 5
    assert stop.genotype == genotypes[2]
    # Going on after epoch 4.
    stop = StopAtEigenvalue(None, genotypes[:4], rising[:4], epochs=2)
    assert run(stop, genotypes[4:8], rising[4:]) == 1
    assert stop.genotype == genotypes[2]


@pytest.fixture(scope="module")
def supernet():
    keras.utils.set_random_seed(0)
    operations = ("none", "skip_connect", "avg_pool_3x3")
    supernet = Supernet(3, 2, 3, operations, num_nodes=1, dtype="float64")
    supernet.build((None, 8, 8, 1))
    supernet.compile(SGD(0.1), SGD(0.1))
    for variable in supernet.alpha_variables:
        variable.assign(keras.random.normal(variable.shape, seed=1, dtype="float64"))
    return supernet


def data():
    images = tf.constant(random_images((6, 8, 8, 1), "float64"))
    return images, tf.range(6) % 3


def test_the_eigenvalue_is_that_of_the_hessian(supernet):
    alphas = [variable.value for variable in supernet.alpha_variables]
    before = [variable.numpy() for variable in supernet.variables]
    found = Curvature(supernet, iterations=60)(data())
    for old, variable in zip(before, supernet.variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            loss, *_ = supernet.training_loss()(data())
        slopes = inner.gradient(loss, alphas)
        slope = tf.concat([tf.reshape(x, [-1]) for x in slopes], axis=0)
        entries = [slope[index] for index in range(slope.shape[0])]
    rows = [outer.gradient(entry, alphas) for entry in entries]
    hessian = [np.concatenate([np.ravel(x) for x in row]) for row in rows]
    values = np.linalg.eigvalsh(hessian)
    expected = values[np.argmax(np.abs(values))]
    np.testing.assert_allclose(found, expected, rtol=1e-2)
