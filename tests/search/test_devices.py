"""Several devices train as one does; logical CPU devices stand in for GPUs."""

import collections
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

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import runtime
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.kernels import machine
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam

NUM_DEVICES = 4
CLIP_NORM = 0.05


def mean_square(alphas):
    values = [alphas[cell].operations.values for cell in ("normal", "reduction")]
    return tf.add_n([tf.reduce_mean(each**2) for each in values])


ARCHITECTS = {
    "first": FirstOrder([mean_square]),
    "second": SecondOrder(regularizers=[mean_square]),
    "exact": SecondOrder("exact"),
    "random": FirstOrder(),
}
OPERATIONS = ("none", "dil_conv_3x3", "spatial_attention")
# Differentiating attention twice takes long, and is the same on all devices.
FEWER = ("none", "max_pool_3x3", "dil_conv_3x3")
# Draws are the same on all devices.
RANDOM = {"sampler": "dirichlet"}
PERTURBED = {"perturbation": RandomPerturbation(0.1)}


def in_a_process_of_its_own(call):
    """TensorFlow confuses two strategies of one process."""
    helpers = pathlib.Path(sample_data.__file__).parent
    program = f"import sys; sys.path.append({str(helpers)!r}); import test_devices"
    program += f"; test_devices.{call}"
    place = pathlib.Path(__file__).parent
    subprocess.run([sys.executable, "-c", program], cwd=place, check=True)


# Two devices are enough where the graph is larger.
@pytest.mark.parametrize(
    ("order", "num_devices"),
    [("first", NUM_DEVICES), ("second", 2), ("exact", 2), ("random", 2)],
)
def test_steps_on_several_devices_are_those_on_one(order, num_devices):
    in_a_process_of_its_own(f"compare_steps({order!r}, {num_devices})")


def compare_steps(order, num_devices):
    """The first step leaves momentum, from which the second one looks ahead."""
    runtime.prepare_runtime()
    # The devices first: they are made before TensorFlow runs anything.
    several, one = (take_steps(devices, order) for devices in (num_devices, 1))
    for (metrics, found), (expected_metrics, expected) in zip(
        several, one, strict=True
    ):
        for name, value in expected_metrics.items():  # Of float32.
            np.testing.assert_allclose(metrics[name], value, 1e-6, err_msg=name)
        for value, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, other, rtol=0, atol=1e-12)
    (_, first), (_, second) = several
    changes = [np.max(np.abs(x - y)) for x, y in zip(first, second, strict=True)]
    assert min(changes) > 1e-8  # Far more than they may differ.


def take_steps(num_devices, order):
    """Returns the metrics and the variables after each of two steps, in float64."""
    keras.utils.set_random_seed(0)
    with machine.make_strategy(num_devices).scope():
        operations = FEWER if order == "exact" else OPERATIONS
        made, compiled = (RANDOM, PERTURBED) if order == "random" else ({}, {})
        supernet = Supernet(3, 4, 3, operations, num_nodes=1, dtype="float64", **made)
        supernet.build((None, 8, 8, 1))
        optimizer = SGD(0.1, momentum=0.9, clip_norm=CLIP_NORM)
        architect = ARCHITECTS[order]
        supernet.compile(optimizer, SGD(0.1), architect=architect, **compiled)
    data = tf.data.Dataset.from_tensors(batches()).repeat()
    steps = []
    for _ in range(2):
        history = supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
        metrics = {name: value for name, [value] in history.history.items()}
        steps.append((metrics, list(map(compared_values, supernet.weights))))
        if len(steps) == 1:
            # The momentum is the first gradient, which was clipped.
            norm = tf.linalg.global_norm([each.numpy() for each in optimizer.buffers])
            np.testing.assert_allclose(norm, CLIP_NORM, rtol=1e-12)
    return steps


def test_replicas_share_what_is_traced_and_send_few_messages():
    in_a_process_of_its_own("check_graph()")


def check_graph():
    """What is traced is traced once; gradients and statistics are one message each."""
    strategy = machine.make_strategy(2)
    with strategy.scope():
        supernet = Supernet(3, 4, 3, ("none", "sep_conv_3x3"), num_nodes=1)
        supernet.build((None, 8, 8, 1))
        supernet.compile(SGD(0.1), SGD(0.1))
    batch = tf.TensorSpec((2, 8, 8, 1)), tf.TensorSpec((2,), tf.int32)
    step = tf.function(lambda data: strategy.run(supernet.train_step, args=(data,)))
    nodes = step.get_concrete_function((batch, batch)).graph.get_operations()
    called = [node.get_attr("f").name for node in nodes if "Call" in node.type]
    assert set(collections.Counter(called).values()) == {2}  # By both replicas.
    # The gradients of alphas and of weights; to and from a vector for each message.
    assert len(set(called)) == 2 + 2 * 3
    sent = [node for node in nodes if node.type.startswith("CollectiveReduce")]
    assert len(sent) == 2 * 3  # Of each: the alphas, the weights, the statistics.


def compared_values(variable):
    """Not of moving variances: they are unbiased by the pixels of one device."""
    is_statistic = variable.path.endswith("moving_statistics")
    return variable.numpy()[0] if is_statistic else variable.numpy()


def batches():
    """Batches for weights and alphas whose batch norms see the same everywhere.

    Each device has the same images, so that the statistics of its part are those
    of the whole, but labels and with them gradients of its own.
    """
    images = random_images((2, 2, 8, 8, 1), "float64")
    images = np.concatenate([images] * NUM_DEVICES, axis=1)
    labels = np.random.default_rng(0).integers(3, size=images.shape[:2])
    return tuple(zip(images, labels, strict=True))


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


def test_four_replicas_stay_the_same_bits():
    in_a_process_of_its_own("train_and_compare_copies()")


def train_and_compare_copies():
    """Replicas see different images: gradients and moving statistics are shared."""
    with machine.make_strategy(NUM_DEVICES).scope():
        operations = ("skip_connect", "sep_conv_3x3")
        supernet = Supernet(
            3, filters=4, num_cells=3, operations=operations, num_nodes=1
        )
        supernet.build((None, 8, 8, 1))
        weight_optimizer = SGD(0.1, momentum=0.9, clip_norm=1.0)
        supernet.compile(weight_optimizer, Adam(0.1))
    batch = random_images((2 * NUM_DEVICES, 8, 8, 1)), np.arange(2 * NUM_DEVICES) % 3
    copies = Copies()
    supernet.fit(
        tf.data.Dataset.from_tensors((batch, batch)).repeat(),
        steps_per_epoch=3,
        shuffle=False,
        verbose=0,
        callbacks=[copies],
    )
    own = supernet.alpha_variables + supernet.operation_weights
    statistics = [each for each in supernet.variables if "moving" in each.path]
    assert statistics
    # Of the optimizers: momentum; two moments; and each its steps and its rate.
    num_states = len(supernet.operation_weights) + 2 * len(supernet.alpha_variables) + 4
    assert copies.counts == [len(own) + len(statistics) + num_states] * 3


def test_scripts_train_on_two_devices(tmp_path):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    data = ["--dataset", images, *scripts.SMALL, "--devices", 2, "--epochs", 1]
    search, network = tmp_path / "search", tmp_path / "network"
    words = [*data, *scripts.SMALLEST_SPACE, "--workdir", search]
    assert scripts.run("search.py", *words) == 0
    genotype = search / "genotype.json"
    words = [*data, "--genotype", genotype, "--workdir", network, "--auxiliary"]
    assert scripts.run("retrain.py", *words) == 0
    assert scripts.run("evaluate.py", "--workdir", network) == 0


def test_unusable_devices_are_refused():
    with pytest.raises(InputError, match="--batch-size 48 or 52"):
        SearchConfig(batch_size=50, devices=4)
    tf.zeros(())  # TensorFlow runs now, on the four devices of the tests.
    with pytest.raises(InputError, match="runs already"):
        machine.make_strategy(5)


def test_more_devices_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * 2)
    with pytest.raises(InputError, match="There are 2 GPUs; received 4 devices"):
        machine.make_strategy(4)
