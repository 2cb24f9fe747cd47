"""One table chooses the backend, and the choice travels with the tensor."""

import numpy as np
import pytest
import tensorflow as tf
from numbers_checks import needs_library

from keras_atdarts.errors import InputError
from keras_atdarts.kernels import Joined
from keras_atdarts.kernels import Native
from keras_atdarts.kernels import Reference
from keras_atdarts.kernels import Synchronized
from keras_atdarts.kernels import choice
from keras_atdarts.kernels import choose_backend
from keras_atdarts.operations import build_operation


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv(choice.VARIABLE, raising=False)


def chosen(*arguments, **options):
    return type(choose_backend(*arguments, **options))


@needs_library
def test_on_cpus():
    assert chosen("float32", True) is Native
    assert chosen("float64", True) is Native
    assert chosen("bfloat16", True) is Reference
    assert chosen("float32", False) is Reference
    assert chosen("float32", None) is Reference
    assert chosen("float32", True, synchronized=True) is Synchronized


def test_on_gpus(monkeypatch):
    monkeypatch.setattr(choice, "has_gpus", lambda: True)
    assert chosen("float32", True) is Joined
    assert chosen("bfloat16", True) is Joined
    assert chosen("float32", False) is Reference
    assert chosen("float32", True, synchronized=True) is Synchronized


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr(choice, "native_library", lambda: None)
    assert chosen("float32", True) is Reference
    monkeypatch.setenv(choice.VARIABLE, "native")
    with pytest.raises(InputError, match="nothing is compiled.*C\\+\\+ compiler"):
        choose_backend("float32", True)


def test_a_variable_decides(monkeypatch):
    for name, backend in (("reference", Reference), ("joined", Joined)):
        monkeypatch.setenv(choice.VARIABLE, name)
        assert chosen("float32", True) is backend
        assert chosen("float32", False) is Reference
    monkeypatch.setenv(choice.VARIABLE, "nativ")
    with pytest.raises(InputError, match="Did you mean 'native'"):
        choose_backend("float32", True)


@needs_library
def test_xla_gets_what_it_can_compile():
    seen = []

    def look(x):
        seen.append(chosen("float32", True))
        return x

    def around(x):
        return tf.function(look)(x)

    tf.function(around, jit_compile=True)(tf.constant(1.0))
    tf.function(around)(tf.constant(1.0))
    assert seen == [Reference, Native]


@needs_library
@pytest.mark.parametrize("name", ["max_pool_3x3", "sep_conv_3x3", "skip_connect"])
@pytest.mark.parametrize("training", [True, False])
def test_own_kernels_are_used_in_training_only(name, training):
    operation = build_operation(name, 4, strides=2)
    images = tf.TensorSpec((2, 6, 6, 4))
    call = tf.function(operation).get_concrete_function(images, training=training)
    types = {each.type for each in call.graph.get_operations()}
    assert any(each.startswith("Atdarts") for each in types) == training


@needs_library
def test_a_layer_trains_under_xla():
    """A training loop of one's own needs to know nothing of backends."""
    operation = build_operation("sep_conv_3x3", 4)
    images = tf.random.normal((2, 5, 5, 4))
    operation.build(images.shape)
    compiled = tf.function(operation, jit_compile=True)
    before = operation.get_weights()
    found = compiled(images, training=True)
    operation.set_weights(before)
    expected = operation(images, training=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
