"""Several devices train as one does; logical CPU devices stand in for GPUs."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.architect import FirstOrder
from keras_atdarts.architect import SecondOrder
from keras_atdarts.errors import InputError
from keras_atdarts.optimizers import SGD
from keras_atdarts.optimizers import Adam
from keras_atdarts.runs import runtime
from keras_atdarts.runs.search_config import SearchConfig
from keras_atdarts.supernet import Supernet

NUM_DEVICES = 2
OPERATIONS = ("none", "skip_connect", "sep_conv_3x3", "channel_attention")


def mean_square(alphas):
    return tf.add_n([tf.reduce_mean(alpha**2) for alpha in alphas])


def batches(num_devices):
    """The same four images for every device, so that batch norms see the same."""
    images = np.tile(random_images((4, 8, 8, 1)), (num_devices, 1, 1, 1))
    labels = np.tile(np.arange(4, dtype="int32") % 3, num_devices)
    batch = (images, labels)
    return tf.data.Dataset.from_tensors((batch, batch)).repeat()


def train(num_devices, architect, clip_norm):
    """Returns loss and variables after a step of gradient descent."""
    keras.utils.set_random_seed(0)
    with runtime.make_strategy(num_devices).scope():
        supernet = Supernet(
            3, filters=4, num_cells=3, operations=OPERATIONS, num_nodes=1
        )
        supernet.build((None, 8, 8, 1))
        weight_optimizer = SGD(0.1, clip_norm=clip_norm)
        supernet.compile(weight_optimizer, SGD(0.1), architect=architect)
    history = supernet.fit(
        batches(num_devices), steps_per_epoch=1, shuffle=False, verbose=0
    )
    return history.history, supernet


@pytest.mark.parametrize(
    "architect",
    [FirstOrder([mean_square]), SecondOrder(), SecondOrder("exact")],
    ids=["first", "second", "exact"],
)
def test_one_step_on_two_devices_is_one_step_on_one(architect):
    """The clipping bites: its norm must be that of the whole batch's gradient."""
    expected_history, expected = train(1, architect, clip_norm=0.05)
    history, supernet = train(NUM_DEVICES, architect, clip_norm=0.05)
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)
    for one, other in zip(expected.variables, supernet.variables, strict=True):
        if "seed" not in one.path:
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for variable in (*supernet.alphas, *supernet.non_trainable_variables[:4]):
        copies = variable.value.values
        assert len(copies) == NUM_DEVICES
        for copy in copies[1:]:
            np.testing.assert_array_equal(copy, copies[0])


class Copies(keras.callbacks.Callback):
    """Counts the variables, and holds the copies of each to be the same bits."""

    def __init__(self):
        super().__init__()
        self.counts = []

    def on_train_batch_end(self, batch, logs=None):
        optimizers = (self.model.optimizer, self.model.alpha_optimizer)
        owners = (self.model, *optimizers)
        variables = [each for owner in owners for each in owner.variables]
        # Metrics are added up when they are read.
        held = [each for each in variables if each.synchronization != "on_read"]
        for variable in held:
            first, *others = variable.value.values
            for other in others:
                np.testing.assert_array_equal(first, other, err_msg=variable.path)
        self.counts.append(len(held))


def test_two_replicas_stay_the_same_bits():
    train_and_compare_copies(NUM_DEVICES)


def test_four_replicas_stay_the_same_bits():
    """In a process of its own: TensorFlow confuses two strategies of one process."""
    program = "import test_devices; test_devices.train_and_compare_copies(4)"
    place = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, "-c", program], cwd=place, check=True)


def train_and_compare_copies(num_devices):
    """Replicas see different images: gradients and moving statistics are shared."""
    with runtime.make_strategy(num_devices).scope():
        operations = OPERATIONS[1:3]
        supernet = Supernet(
            3, filters=4, num_cells=3, operations=operations, num_nodes=1
        )
        supernet.build((None, 8, 8, 1))
        weight_optimizer = SGD(0.1, momentum=0.9, clip_norm=1.0)
        supernet.compile(weight_optimizer, Adam(0.1))
    batch = random_images((2 * num_devices, 8, 8, 1)), np.arange(2 * num_devices) % 3
    copies = Copies()
    supernet.fit(
        tf.data.Dataset.from_tensors((batch, batch)).repeat(),
        steps_per_epoch=3,
        shuffle=False,
        verbose=0,
        callbacks=[copies],
    )
    own = supernet.alphas + supernet.operation_weights
    statistics = [each for each in supernet.variables if "moving" in each.path]
    assert statistics
    # Of the optimizers: momentum; two moments; and each its steps and its rate.
    num_states = len(supernet.operation_weights) + 2 * len(supernet.alphas) + 4
    assert copies.counts == [len(own) + len(statistics) + num_states] * 3


def test_scripts_train_on_two_devices(tmp_path):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    data = ["--dataset", images, *scripts.SMALL, "--devices", 2, "--epochs", 1]
    search, network = tmp_path / "search", tmp_path / "network"
    words = [*data, *scripts.SMALL_SPACE, "--workdir", search]
    assert scripts.run("search.py", *words) == 0
    genotype = search / "genotype.json"
    words = [*data, "--genotype", genotype, "--workdir", network, "--auxiliary"]
    assert scripts.run("retrain.py", *words) == 0
    assert scripts.run("evaluate.py", "--workdir", network) == 0


def test_unusable_devices_are_refused():
    with pytest.raises(InputError, match="--batch-size 48 or 52"):
        SearchConfig(batch_size=50, devices=4)
    with pytest.raises(InputError, match="runs already"):
        runtime.make_strategy(5)  # The tests run on four.


def test_more_devices_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * 2)
    with pytest.raises(InputError, match="There are 2 GPUs; received 4 devices"):
        runtime.make_strategy(4)
