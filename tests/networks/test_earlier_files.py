"""Files of version 0.2 are read: what they compute, and how they go on learning.

The files were written by version 0.2: a supernet after three steps and a derived
network after two, both compiled with momentum. `expected.npz` has their logits, and
those after further steps on the same batch. They are compressed, unlike those of Keras.
"""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_atdarts  # noqa: F401  It registers the layers.

FOLDER = pathlib.Path(__file__).parents[1] / "files/version_0_2"


@pytest.fixture(scope="module")
def expected():
    return dict(np.load(FOLDER / "expected.npz"))


def check_logits(model, logits, images):
    np.testing.assert_allclose(model(images, training=False), logits, atol=1e-6)


def test_a_supernet(expected):
    images, labels = expected["images"], expected["labels"]
    supernet = keras.saving.load_model(FOLDER / "supernet.keras")
    check_logits(supernet, expected["supernet"], images)
    batches = (images, labels), (images[::-1], labels[::-1])
    data = tf.data.Dataset.from_tensors(batches).repeat()
    supernet.fit(data, steps_per_epoch=2, shuffle=False, verbose=0)
    # Momentum, and the alphas' moments, go on where they were.
    check_logits(supernet, expected["supernet_later"], images)
    change = np.abs(expected["supernet_later"] - expected["supernet"]).max()
    assert change > 1e-2


def test_a_derived_network(expected, tmp_path):
    images, labels = expected["images"], expected["labels"]
    network = keras.saving.load_model(FOLDER / "network.keras")
    check_logits(network, expected["network"], images)
    network.save(tmp_path / "network.keras")  # In the form of today.
    again = keras.saving.load_model(tmp_path / "network.keras")
    for model in (network, again):
        model.fit(images, labels, verbose=0)
        check_logits(model, expected["network_later"], images)
    assert np.abs(expected["network_later"] - expected["network"]).max() > 1e-2
