"""Constants that stand once in a graph, however often they are needed."""

import threading

import numpy as np
import tensorflow as tf

_ATTRIBUTE = "_keras_atdarts_constants"


def constant(value, dtype=None):
    """Returns `tf.constant(value, dtype)`; in a graph, one node for equal ones.

    A search step is made of thousands of small operations, most of which take a
    shape, an axis or a factor: a quarter of the nodes of a cell were such constants.

    Args:
        value: Number, nested list or NumPy array.
        dtype: Optional dtype; by default as `tf.constant` chooses it.
    """
    if tf.executing_eagerly():
        return tf.constant(value, dtype)
    graph = tf.compat.v1.get_default_graph()
    # On the graph, so that they are forgotten with it.
    if not hasattr(graph, _ATTRIBUTE):
        setattr(graph, _ATTRIBUTE, {})
    known = getattr(graph, _ATTRIBUTE)
    array = np.asarray(value)
    key = (dtype and tf.as_dtype(dtype), array.dtype.str, array.shape, array.tobytes())
    # Each replica is a thread, and has constants on its own device.
    key = (*key, threading.get_ident())
    if key not in known:
        with tf.control_dependencies(None):
            known[key] = tf.constant(value, dtype)
    return known[key]
