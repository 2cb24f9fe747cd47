"""What XLA compiles forwards and backwards is the function and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.training import compiled
from keras_atdarts.training.compiled import Compiled
from keras_atdarts.training.compiled import Compiler

COUNT = 5.0


def function(weights, state, tensors):
    """Two products with a ReLU between them, and a counter."""
    first, second = weights
    [x] = tensors
    hidden = tf.nn.relu(tf.matmul(x, first))
    return tf.matmul(hidden, second), [state[0] + COUNT]


def arguments():
    random = np.random.default_rng(0)
    shapes = [[(3, 4), (4, 2)], [()], [(6, 3)]]
    return [
        [tf.constant(random.normal(size=shape).astype("float32")) for shape in group]
        for group in shapes
    ]


def differentiate(call, weights, state, tensors):
    """Returns the result, the state, and the gradients of a sum of squares."""

    @tf.function(autograph=False)
    def both(weights, state, tensors):
        with tf.GradientTape() as tape:
            tape.watch([weights, tensors])
            result, moved = call(weights, state, tensors)
            loss = tf.reduce_sum(result**2)
        return result, moved, tape.gradient(loss, [weights, tensors])

    return both(weights, state, tensors)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("ahead", [False, True])
def test_results_and_gradients_are_those_of_the_function(ahead, recompute, monkeypatch):
    monkeypatch.setattr(compiled, "has_gpus", lambda: ahead)
    compiler = Compiler()
    found = differentiate(Compiled(function, compiler, recompute), *arguments())
    compiler.wait()
    expected = differentiate(function, *arguments())
    for one, other in zip(*map(tf.nest.flatten, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_gradients_of_weights_are_left_out():
    call = Compiled(function, Compiler())
    weights, _, tensors = arguments()
    *_, [of_weights, [of_tensor]] = differentiate(
        lambda *groups: call(*groups, weights_learn=False), *arguments()
    )
    assert of_weights == [None, None]
    *_, [_, [expected]] = differentiate(function, *arguments())
    np.testing.assert_allclose(of_tensor, expected, rtol=1e-5)
    # One for each of what it takes and keeps, and nothing but the tensor's to give.
    [backward] = [x for x in passes(call)._backwards.values()]
    assert len(backward[0].outputs) == len(tensors)


@pytest.mark.parametrize("recompute, count", [(False, 1), (True, 0)])
def test_only_costly_results_are_kept(recompute, count):
    """The first product; the ReLU is cheap, and nobody reads the second product."""
    call = Compiled(function, Compiler(), recompute)
    differentiate(call, *arguments())
    assert [x.op.type for x in passes(call)._kept] == ["MatMul"] * count


def passes(call):
    [only] = call._passes.values()
    return only


def test_a_second_derivative_is_refused():
    call = Compiled(function, Compiler())

    def slope(*groups):
        with tf.GradientTape() as tape:
            tape.watch(groups[2])
            result, moved = call(*groups)
        return tape.gradient(result, groups[2][0]), moved

    with pytest.raises(LookupError, match="differentiated once"):
        differentiate(slope, *arguments())


def test_functions_that_are_called_within_come_along():
    @tf.function(autograph=False)
    def squared(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x**2, lambda: -(x**2))

    def outer(weights, state, tensors):
        result, moved = function(weights, state, tensors)
        return squared(result), moved

    found = differentiate(Compiled(outer, Compiler()), *arguments())
    expected = differentiate(outer, *arguments())
    for one, other in zip(*map(tf.nest.flatten, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_batches_of_any_size():
    call = Compiled(function, Compiler())
    weights, state, [x] = arguments()
    spec = tf.TensorSpec((None, 3))
    by_graph = tf.function(lambda x: call(weights, state, [x])[0])
    by_graph = by_graph.get_concrete_function(spec)
    for size in (1, 6):
        [expected, _] = function(weights, state, [x[:size]])
        np.testing.assert_allclose(by_graph(x[:size]), expected, rtol=1e-5)


def test_what_cannot_be_compiled_is_told(monkeypatch):
    monkeypatch.setattr(compiled, "has_gpus", lambda: True)
    compiler = Compiler()
    strings = tf.function(tf.strings.length, jit_compile=True)
    compiler.start(strings.get_concrete_function(tf.TensorSpec((2,), tf.string)))
    with pytest.raises(tf.errors.OpError):
        compiler.wait()
    compiler.wait()  # It is told once.
