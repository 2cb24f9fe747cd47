"""Constants stand once in a graph, and only in the graph they belong to."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.kernels.constants import constant


def count_constants(function):
    graph = tf.function(function, autograph=False).get_concrete_function().graph
    return sum(each.type == "Const" for each in graph.get_operations())


@pytest.mark.parametrize(
    ("first", "second", "nodes"),
    [
        (([1, 2],), ([1, 2],), 1),
        (([1, 2],), ([2, 1],), 2),
        (([1, 2],), ([[1, 2]],), 2),
        ((1, "float32"), (1, "float64"), 2),
        ((np.ones(3, "float32"),), (np.ones(3, "float32"),), 1),
        ((np.ones(3, "float32"),), (np.ones(3, "float64"),), 2),
    ],
)
def test_equal_constants_are_one_node(first, second, nodes):
    def function():
        values = constant(*first), constant(*second)
        for value, arguments in zip(values, (first, second), strict=True):
            with tf.init_scope():  # No node of the function's.
                expected = tf.constant(*arguments)
            assert value.dtype == expected.dtype
            assert value.shape == expected.shape
        return values

    assert count_constants(function) == nodes


def test_graphs_within_a_graph_have_their_own():
    def function():
        outside = constant(2.0)
        return tf.while_loop(
            lambda x: x < 10.0, lambda x: [x * constant(2.0)], [outside]
        )

    np.testing.assert_array_equal(tf.function(function)(), [16.0])


def test_it_does_not_wait_for_what_its_first_use_waits_for():
    @tf.function
    def function(condition):
        with tf.control_dependencies([tf.debugging.Assert(condition, ["no"])]):
            constant(3.0)
        return constant(3.0)

    graph = function.get_concrete_function(tf.constant(True)).graph
    [node] = [
        each
        for each in graph.get_operations()
        if each.type == "Const" and each.outputs[0].dtype == tf.float32
    ]
    assert not node.control_inputs


def test_eager_constants():
    np.testing.assert_array_equal(constant([1, 2]), [1, 2])
