"""Grad-CAM against closed forms."""

import explained
import keras
import numpy as np

from keras_atdarts.experiments.explanations.gates import derived_cells
from keras_atdarts.experiments.explanations.grad_cam import class_activations
from keras_atdarts.experiments.explanations.grad_cam import with_outputs_of


def test_of_a_linear_network():
    """Of mean pooling and a dense layer, gradients are its weights over pixels."""
    images = keras.Input((4, 6, 2))
    features = keras.layers.Conv2D(3, 1)
    dense = keras.layers.Dense(5)
    pooled = keras.layers.GlobalAveragePooling2D()(features(images))
    network = keras.Model(images, dense(pooled))
    pixels = np.random.default_rng(0).normal(size=(7, 4, 6, 2)).astype("float32")
    classes = np.arange(7) % 5
    (maps,) = class_activations(network, [features])(pixels, classes)
    weights = dense.kernel.numpy().T[classes] / (4 * 6)
    expected = np.einsum("bhwk,bk->bhw", features(pixels), weights)
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(maps, np.maximum(expected, 0), atol=1e-6)


def test_of_the_cells_of_a_network():
    network = explained.shared_network()
    cells = derived_cells(network)
    images, classes = explained.images(3), np.array([2, 0, 1])
    maps = class_activations(network, cells)(images, classes)
    assert [tuple(each.shape) for each in maps] == [(3, 12, 10), (3, 6, 5), (3, 3, 3)]
    logits, last = with_outputs_of(network, cells[-1:])(images, training=False)
    np.testing.assert_allclose(logits, network(images, training=False), atol=1e-6)
    # What follows the last cell is linear.
    weights = network.get_layer("logits").kernel.numpy().T[classes] / 9
    expected = np.einsum("bhwk,bk->bhw", last, weights)
    np.testing.assert_allclose(maps[-1], np.maximum(expected, 0), atol=1e-6)


def test_an_image_does_not_change_the_map_of_another():
    network = explained.shared_network()
    activate = class_activations(network, derived_cells(network))
    images, classes = explained.images(3), np.array([0, 1, 2])
    together = activate(images, classes)
    alone = activate(images[1:2], classes[1:2])
    for both, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(both[1:2], one, atol=1e-6)
