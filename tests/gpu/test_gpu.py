"""Whether models are right on a GPU: held to the same ones in float64 on the CPU.

Without a GPU these tests are skipped. To try them all the same, on the CPU with the
backend that GPUs use:

    KERAS_ATDARTS_GPU_TESTS=cpu pytest tests/gpu
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.kernels.choice import VARIABLE
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.export import export_saved_model
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

ON_CPU = os.environ.get("KERAS_ATDARTS_GPU_TESTS") == "cpu"
BACKENDS = ("joined", "reference")
ATTENTION = ("channel_attention", "spatial_attention")
OPERATIONS = ("none", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5", *ATTENTION)
GENOTYPE = Genotype.load("DARTS_V2")
ARCHITECTS = {1: FirstOrder, 2: SecondOrder}
# Relative bounds of one step: float32 by itself, and rounded to TensorFloat-32.
EXACT, ROUNDED = 1e-3, 3e-2
# And of a step in bfloat16, which keeps 8 bits: of the loss, and of what moves.
BFLOAT16_LOSS, BFLOAT16_MOVES = 2e-2, 0.3

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (ON_CPU or tf.config.list_physical_devices("GPU")), reason="no GPU"
    ),
]


@pytest.fixture(params=[False, True], ids=["exact", "tf32"])
def tolerance(request):
    """Returns the bound, with TensorFloat-32 switched off or on."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(request.param)
    yield ROUNDED if request.param else EXACT
    tf.config.experimental.enable_tensor_float_32_execution(before)


def place():
    return "CPU:0" if ON_CPU else "GPU:0"


def batch():
    return random_images((8, 8, 8, 3)), np.arange(8, dtype="int32") % 3


def make_supernet(dtype="float32", order=1, **options):
    supernet = Supernet(3, 4, 3, OPERATIONS, num_nodes=1, dtype=dtype)
    supernet.build((None, 8, 8, 3))
    architect = ARCHITECTS[order]()
    supernet.compile(SGD(0.05, 0.9), SGD(0.1), architect=architect, **options)
    return supernet


def step_of_search(monkeypatch, device, backend, weights=None, **settings):
    """Returns the supernet after a step of `fit`, its metrics and its first weights."""
    monkeypatch.setenv(VARIABLE, backend)
    with tf.device(device):
        supernet = make_supernet(**settings)
        if weights is not None:
            give(supernet, weights)
        before = trained_values(supernet)
        data = tf.data.Dataset.from_tensors((batch(), batch()))
        history = supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    metrics = {name: value for name, [value] in history.history.items()}
    return supernet, metrics, before


def trained_values(model):
    return [variable.numpy() for variable in model.trainable_variables]


def give(model, values):
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)


def relative_error(found, expected):
    found, expected = (
        np.concatenate([np.ravel(x) for x in y]) for y in (found, expected)
    )
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def assert_same_step(found, expected, before, tolerance, of_moves=None):
    """Compares losses, and what the alphas and the weights have moved by.

    Args:
        found: `(model, metrics)`.
        expected: `(model, metrics)`.
        before: List of arrays, the first values of the trained variables.
        tolerance: Float, relative.
        of_moves: Optional float, another tolerance for what has moved.
    """
    model, metrics = found
    other, expected_metrics = expected
    for name in {"loss", "alpha_loss"} & {*metrics}:
        np.testing.assert_allclose(metrics[name], expected_metrics[name], tolerance)
    moves, expected_moves = (
        [x - y for x, y in zip(trained_values(each), before, strict=True)]
        for each in (model, other)
    )
    assert relative_error(moves, expected_moves) < (of_moves or tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("order", [1, 2])
def test_a_step_of_a_search(order, backend, tolerance, monkeypatch):
    *found, before = step_of_search(monkeypatch, place(), backend, order=order)
    wide = [value.astype("float64") for value in before]
    *expected, _ = step_of_search(
        monkeypatch, "CPU:0", "reference", wide, dtype="float64", order=order
    )
    # The finite difference of the second order divides what rounding leaves.
    assert_same_step(found, expected, before, tolerance * order**2)


OPTIONS = ({"jit_compile": True}, {"recompute": True})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_a_search_change_nothing(options, monkeypatch):
    *expected, before = step_of_search(monkeypatch, place(), "joined")
    *found, _ = step_of_search(monkeypatch, place(), "joined", before, **options)
    assert_same_step(found, expected, before, ROUNDED)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_in_parts(backend, tolerance, monkeypatch):
    parts = {"gradient_accumulation": 2}
    *found, before = step_of_search(monkeypatch, place(), backend, **parts)
    wide = [value.astype("float64") for value in before]
    *expected, _ = step_of_search(
        monkeypatch, "CPU:0", "reference", wide, dtype="float64", **parts
    )
    assert_same_step(found, expected, before, tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_step_in_bfloat16(backend, jit_compile, monkeypatch):
    *found, before = step_of_search(
        monkeypatch,
        place(),
        backend,
        dtype="mixed_bfloat16",
        jit_compile=jit_compile,
    )
    *expected, _ = step_of_search(monkeypatch, "CPU:0", "reference", before)
    assert_same_step(found, expected, before, BFLOAT16_LOSS, BFLOAT16_MOVES)


def make_network(dtype="float32", weights=None):
    keras.config.set_dtype_policy(dtype)
    network = build_network(GENOTYPE, (8, 8, 3), 3, filters=4, num_cells=3)
    keras.config.set_dtype_policy("float32")
    if weights is not None:
        give(network, weights)
    return network


def step_of_network(device, weights=None, dtype="float32", **options):
    """Returns a derived network after a step, its metrics, and its first weights."""
    with tf.device(device):
        network = make_network(dtype, weights)
        before = trained_values(network)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
        network.compile(SGD(0.05, 0.9), loss, **options)
        history = network.fit(*batch(), batch_size=8, shuffle=False, verbose=0)
    return network, {"loss": history.history["loss"][0]}, before


@pytest.mark.parametrize(
    "options", [{}, {"gradient_accumulation": 2}, *OPTIONS], ids=str
)
def test_a_step_of_a_derived_network(options, tolerance):
    *found, before = step_of_network(place(), **options)
    wide = [value.astype("float64") for value in before]
    parts = options.get("gradient_accumulation", 1)
    *expected, _ = step_of_network(
        "CPU:0", wide, "float64", gradient_accumulation=parts
    )
    assert_same_step(found, expected, before, tolerance)


def test_what_is_exported_predicts_what_float64_does(tmp_path):
    network, _, _ = step_of_network(place())
    wide = [value.astype("float64") for value in network.get_weights()]
    with tf.device("CPU:0"):
        other = make_network("float64")
        other.set_weights(wide)
    images = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3), dtype="uint8")
    expected = keras.ops.softmax(other((images / 255 - 0.5) / 0.25, training=False))
    dataset = {
        "image_shape": [8, 8, 3],
        "central_fraction": 1.0,
        "class_names": ["a", "b", "c"],
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    export_saved_model(network, tmp_path / "model", dataset, GENOTYPE)
    with tf.device(place()):
        loaded = tf.saved_model.load(tmp_path / "model")
        output = loaded.signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(output["probabilities"], expected, atol=EXACT)


# Devices are divided, and TensorFlow is made deterministic, once in a process.
def in_a_process_of_its_own(call):
    tests = pathlib.Path(__file__).parent.parent
    program = f"import sys; sys.path[:0] = [{str(tests)!r}, {str(tests / 'gpu')!r}]"
    program += f"; import test_gpu; test_gpu.{call}"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_two_devices_step_like_one():
    in_a_process_of_its_own("compare_devices()")


def compare_devices():
    """Two parts of one card take a step of a search, and one takes the same."""
    kind = place().partition(":")[0]
    memory = None if ON_CPU else 4096  # MiB
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices(kind)[0],
        [tf.config.LogicalDeviceConfiguration(memory_limit=memory)] * 2,
    )
    tf.config.experimental.enable_tensor_float_32_execution(False)
    images, labels = batch()
    # Either device has the same images, so that batch norms see the same as one would.
    halves = np.concatenate([images[:4]] * 2), labels
    results = []
    for count in (2, 1):
        keras.utils.set_random_seed(0)
        devices = [f"{kind}:{index}" for index in range(count)]
        with tf.distribute.MirroredStrategy(devices).scope():
            supernet = make_supernet()
            before = trained_values(supernet)
        data = tf.data.Dataset.from_tensors((halves, halves))
        history = supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
        results.append((supernet, history.history, before))
    (found, metrics, before), (expected, expected_metrics, _) = results
    metrics, expected_metrics = (
        {name: value for name, [value] in each.items()}
        for each in (metrics, expected_metrics)
    )
    assert_same_step((found, metrics), (expected, expected_metrics), before, EXACT)


def test_deterministic_steps_are_the_same_bits():
    in_a_process_of_its_own("compare_bits()")


def compare_bits():
    """Takes the same step twice; an operation that cannot repeat it names itself."""
    tf.config.experimental.enable_op_determinism()
    steps = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        with pytest.MonkeyPatch.context() as monkeypatch:
            supernet, _, _ = step_of_search(monkeypatch, place(), "joined")
        steps.append(supernet.get_weights())
    for one, other in zip(*steps, strict=True):
        np.testing.assert_array_equal(one, other)
