"""Several devices train as one does; logical CPU devices stand in for GPUs."""

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
        supernet = Supernet(3, filters=4, num_cells=3, operations=OPERATIONS)
        supernet.build((None, 8, 8, 1))
        weight_optimizer = SGD(0.1, clip_norm=clip_norm)
        supernet.compile(weight_optimizer, SGD(0.1), architect=architect)
    history = supernet.fit(
        batches(num_devices), steps_per_epoch=1, shuffle=False, verbose=0
    )
    return history.history, supernet


@pytest.mark.parametrize(
    "architect", [FirstOrder([mean_square]), SecondOrder()], ids=["first", "second"]
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
