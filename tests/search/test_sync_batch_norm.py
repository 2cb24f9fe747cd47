"""Batch norms of several devices that see one batch, as on one device."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.kernels import machine
from keras_atdarts.layers.batch_normalization import synchronize_batch_normalization
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD


def batches():
    """Eight different images for the weights, and eight for the alphas."""
    labels = np.arange(8, dtype="int32") % 3
    images = random_images((2, 8, 8, 8, 1), "float64")
    return tuple((images[half], labels) for half in range(2))


def trained(devices, architect, synchronized=True, recompute=False):
    """Returns the supernet after one step, in float64."""
    keras.utils.set_random_seed(0)
    operations = ("none", "dil_conv_3x3")
    with machine.make_strategy(devices).scope():
        supernet = Supernet(3, 2, 3, operations, num_nodes=1, dtype="float64")
        supernet.build((None, 8, 8, 1))
        optimizer = SGD(0.1, 0.9, clip_norm=0.05)
        supernet.compile(optimizer, SGD(0.1), architect=architect, recompute=recompute)
    if synchronized:
        synchronize_batch_normalization(supernet)
    data = tf.data.Dataset.from_tensors(batches()).repeat()
    supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    return supernet


def difference(one, other):
    """Returns the largest difference of weights, alphas and moving statistics."""
    pairs = zip(one.weights, other.weights, strict=True)
    return max(np.max(np.abs(x.numpy() - y.numpy())) for x, y in pairs)


@pytest.mark.parametrize(
    ("architect", "recompute"),
    [(FirstOrder(), True), (SecondOrder(), False)],
    ids=["first order, recomputed", "second order"],
)
def test_two_devices_see_the_batch_of_one(architect, recompute):
    expected = trained(1, architect, synchronized=False)
    # One device has kernels of its own, which add up in another order.
    assert difference(trained(2, architect, recompute=recompute), expected) < 1e-11


def test_without_it_each_device_sees_its_part():
    expected = trained(1, FirstOrder())
    found = trained(2, FirstOrder(), synchronized=False)
    assert difference(found, expected) > 1e-3


def test_statistics_of_parts_are_not_synchronized():
    with pytest.raises(InputError, match="gradient_accumulation 2, which divides it"):
        SearchConfig(devices=2, sync_batch_norm=True, gradient_accumulation=2)
