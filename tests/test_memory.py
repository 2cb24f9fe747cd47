"""What saves memory changes no result: recomputing, and batches in parts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.architect import FirstOrder
from keras_atdarts.architect import SecondOrder
from keras_atdarts.errors import InputError
from keras_atdarts.optimizers import SGD
from keras_atdarts.runs import runtime
from keras_atdarts.supernet import Supernet

OPERATIONS = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")
ARCHITECTS = {
    "first order": FirstOrder(),
    "finite difference": SecondOrder(),
    "exact": SecondOrder("exact"),
}
architects = pytest.mark.parametrize("architect", ARCHITECTS.values(), ids=ARCHITECTS)


def make_supernet(devices=1, **options):
    """Returns a small supernet in float64, on whose gradients the clipping bites."""
    keras.utils.set_random_seed(0)
    with runtime.make_strategy(devices).scope():
        supernet = Supernet(
            3,
            filters=2,
            num_cells=3,
            operations=(*OPERATIONS, "spatial_attention"),
            num_nodes=1,
            attention_placement="after_operations",
            dtype="float64",
        )
        supernet.build((None, 8, 8, 1))
        optimizer = SGD(0.1, 0.9, clip_norm=0.05, coupled_weight_decay=0.1)
        supernet.compile(optimizer, SGD(0.1), **options)
    return supernet


def batch(parts=1, seed=0):
    """Four images, as often as there are parts."""
    images = random_images((2, 4, 8, 8, 1), "float64")[seed]
    labels = np.arange(4, dtype="int32") % 3
    return np.tile(images, (parts, 1, 1, 1)), np.tile(labels, parts)


def tensors(batch):
    return tuple(map(tf.constant, batch))


def numbers(metrics):
    return {name: float(value) for name, value in metrics.items()}


def assert_same_variables(mine, expected):
    for one, other in zip(mine, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@architects
def test_a_step_in_parts_is_the_step_at_once(architect):
    """Of equal parts, so that batch norms see the same statistics."""
    plain = make_supernet(architect=architect)
    expected = plain.train_step((tensors(batch()), tensors(batch(seed=1))))
    parts = make_supernet(architect=architect, gradient_accumulation=2)
    found = parts.train_step((tensors(batch(2)), tensors(batch(2, seed=1))))
    assert numbers(found) == pytest.approx(numbers(expected))
    assert_same_variables(parts.trainable_variables, plain.trainable_variables)
    assert parts.optimizer.iterations == parts.alpha_optimizer.iterations == 1


@architects
def test_recomputing_changes_nothing(architect):
    plain = make_supernet(architect=architect)
    again = make_supernet(architect=architect, recompute=True)
    data = tensors(batch()), tensors(batch(seed=1))
    assert numbers(again.train_step(data)) == numbers(plain.train_step(data))
    assert_same_variables(again.weights, plain.weights)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("recompute", [False, True])
def test_parts_in_a_graph_and_on_devices(devices, recompute):
    """Both steps see the same images, so the stem's statistics are known."""
    plain = make_supernet()
    plain.train_step((tensors(batch()), tensors(batch())))
    parts = make_supernet(devices, gradient_accumulation=2, recompute=recompute)
    data = batch(2 * devices)
    data = tf.data.Dataset.from_tensors((data, data)).repeat()
    parts.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    assert_same_variables(parts.trainable_variables, plain.trainable_variables)
    # Moved once a part, 4 times where they moved twice.
    for name, start in (("moving_mean", 0), ("moving_variance", 1)):
        moved = [
            getattr(supernet.stem.normalization, name).numpy()
            for supernet in (plain, parts)
        ]
        of_batch = (moved[0] - 0.9**2 * start) / (1 - 0.9**2)
        expected = 0.9**4 * start + (1 - 0.9**4) * of_batch
        np.testing.assert_allclose(moved[1], expected, rtol=1e-9, atol=1e-12)


def test_a_batch_without_equal_parts_is_refused():
    supernet = make_supernet(gradient_accumulation=3)
    with pytest.raises(InputError, match="4 images on a device has no 3 equal parts"):
        supernet.train_step((tensors(batch()), tensors(batch())))
