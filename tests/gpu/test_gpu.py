"""Whether models are right on a GPU: held to the same ones in float64 on the CPU.

Without a GPU these tests are skipped. To try them all the same, on the CPU with the
backend that GPUs use:

    KERAS_ATDARTS_GPU_TESTS=cpu pytest tests/gpu
"""

import os

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.kernels.choice import VARIABLE
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

ON_CPU = os.environ.get("KERAS_ATDARTS_GPU_TESTS") == "cpu"
BACKENDS = ("joined", "reference")
ATTENTION = ("channel_attention", "spatial_attention")
OPERATIONS = ("none", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5", *ATTENTION)
ARCHITECTS = {1: FirstOrder, 2: SecondOrder}
# Relative bounds of one step: float32 by itself, and rounded to TensorFloat-32.
EXACT, ROUNDED = 1e-3, 3e-2

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
            supernet.set_weights(weights)
        before = supernet.get_weights()
        data = tf.data.Dataset.from_tensors((batch(), batch()))
        history = supernet.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    metrics = {name: value for name, [value] in history.history.items()}
    return supernet, metrics, before


def relative_error(found, expected):
    found, expected = (
        np.concatenate([np.ravel(x) for x in y]) for y in (found, expected)
    )
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def assert_same_step(found, expected, before, tolerance):
    """Compares losses, and what the alphas and the weights have moved by."""
    supernet, metrics = found
    other, expected_metrics = expected
    for name in ("loss", "alpha_loss"):
        np.testing.assert_allclose(metrics[name], expected_metrics[name], tolerance)
    moves, expected_moves = (
        [x - y for x, y in zip(model.get_weights(), before, strict=True)]
        for model in (supernet, other)
    )
    assert relative_error(moves, expected_moves) < tolerance


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


@pytest.mark.parametrize("option", ["jit_compile", "recompute"])
def test_options_of_a_search_change_nothing(option, monkeypatch):
    *expected, before = step_of_search(monkeypatch, place(), "joined")
    *found, _ = step_of_search(monkeypatch, place(), "joined", before, **{option: True})
    assert_same_step(found, expected, before, ROUNDED)
