"""What replicas of a `tf.distribute` strategy tell each other."""

import functools
import math

import keras
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.traced import Traced

VARIABLES = (keras.Variable, tf.Variable)


def num_replicas():
    """Returns how many replicas work on a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def flatten(tensors):
    """Returns the numbers of all tensors, which have one dtype, in one vector.

    Args:
        tensors: List of tensors, or of variables of this replica.
    """
    tensors = [read_here(x) if isinstance(x, VARIABLES) else x for x in tensors]
    return _shared(_flatten, tuple(x.shape for x in tensors))(tensors)


def unflatten(vector, like):
    """Returns a vector's numbers as a list of tensors in the shapes of others."""
    return _shared(_unflatten, tuple(x.shape for x in like))(vector)


def _shared(function, shapes):
    """Returns a function of some shapes, which several replicas share.

    It has an operation for each tensor, a thousand of them in a supernet.
    """
    if num_replicas() == 1:
        return functools.partial(function, shapes)
    return _traced(function, shapes)


@functools.lru_cache(maxsize=16)
def _traced(function, shapes):
    return Traced(functools.partial(function, shapes))


def _flatten(shapes, tensors):
    del shapes
    return tf.concat([tf.reshape(x, constant([-1])) for x in tensors], axis=0)


def _unflatten(shapes, vector):
    parts = tf.split(vector, [math.prod(shape) for shape in shapes])
    pairs = zip(parts, shapes, strict=True)
    return [tf.reshape(part, constant(shape.as_list())) for part, shape in pairs]


def sum_over_replicas(tensors):
    """Returns the sums over all replicas, as a list; without several, the tensors.

    All travel in one message.

    Args:
        tensors: List of tensors of one dtype, of the same shapes on all replicas.
    """
    if num_replicas() == 1 or not tensors:
        return list(tensors)
    return unflatten(sum_vector(flatten(tensors)), tensors)


def average_over_replicas(tensors):
    """Returns the means over all replicas, as a list; see `sum_over_replicas`."""
    if num_replicas() == 1 or not tensors:
        return list(tensors)
    return unflatten(sum_vector(flatten(tensors)) / num_replicas(), tensors)


def sum_vector(vector):
    """Returns the sum of a vector over all replicas."""
    if num_replicas() == 1:
        return vector
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, vector)


def read_here(variable):
    """Returns the value that a variable has on this replica, as one operation.

    Unlike `tf.convert_to_tensor` it asks no `keras.StatelessScope`.

    Args:
        variable: `keras.Variable` or `tf.Variable`.
    """
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)


def assign_here(variable, value):
    """Assigns a value to the copy of a variable that this replica has.

    Assigning to a mirrored variable would be a message for each variable.

    Args:
        variable: `keras.Variable` or `tf.Variable`.
        value: Tensor, the same on all replicas.
    """
    if isinstance(variable, keras.Variable):
        variable = variable.value
    value = tf.cast(value, variable.dtype)
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
