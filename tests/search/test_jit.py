"""XLA compiles the step that runs without it as well."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD


def trained(jit):
    """Returns the variables after a step of the smallest search there is."""
    keras.utils.set_random_seed(0)
    supernet = Supernet(3, 2, 3, ("none", "skip_connect", "avg_pool_3x3"), num_nodes=1)
    supernet.build((None, 4, 4, 1))
    supernet.compile(SGD(0.1, 0.9, clip_norm=0.05), SGD(0.1), jit_compile=jit)
    batch = random_images((4, 4, 4, 1)), np.arange(4, dtype="int32") % 3
    data = tf.data.Dataset.from_tensors((batch, batch)).repeat()
    supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    return supernet


def test_a_compiled_step_is_the_plain_one():
    expected, compiled = trained(False), trained(True)
    assert compiled.calls.jit_compile and not expected.calls.jit_compile
    for one, other in zip(compiled.variables, expected.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_xla_on_several_devices_is_refused():
    with pytest.raises(InputError, match="--jit only counts with --devices 1"):
        SearchConfig.preset("paper", jit=True, devices=2)


def trained_network(parts=1, **options):
    """Returns a derived network after a step, worked off in parts."""
    keras.utils.set_random_seed(0)
    cell = CellGenotype([[("avg_pool_3x3", 0), ("skip_connect", 1)]], concat=[2])
    network = build_network(Genotype(cell, cell), (8, 8, 1), 3, filters=2, num_cells=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(SGD(0.1), loss, gradient_accumulation=parts, **options)
    network.fit(random_images((4, 8, 8, 1)), np.arange(4) % 3, verbose=0)
    return network


@pytest.mark.parametrize("parts", [1, 2])
def test_a_derived_network_is_compiled_where_it_is_asked_for(parts):
    expected, compiled = (trained_network(parts, jit_compile=x) for x in (False, True))
    assert compiled.calls.jit_compile and not expected.calls.jit_compile
    for one, other in zip(compiled.variables, expected.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_differentiating_twice_is_refused():
    supernet = Supernet(3, 2, 3, ("none", "skip_connect"), num_nodes=1)
    architect = SecondOrder(hessian="exact")
    with pytest.raises(InputError, match="--hessian finite_difference"):
        supernet.compile(SGD(0.1), SGD(0.1), architect=architect, jit_compile=True)
