"""What replicas of a `tf.distribute` strategy tell each other."""

import math

import keras
import tensorflow as tf

from keras_atdarts.kernels.constants import constant


def num_replicas():
    """Returns how many replicas work on a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def flatten(tensors):
    """Returns the numbers of all tensors, which have one dtype, in one vector."""
    return tf.concat([tf.reshape(x, constant([-1])) for x in tensors], axis=0)


def unflatten(vector, like):
    """Returns a vector's numbers as a list of tensors in the shapes of others."""
    parts = tf.split(vector, [math.prod(x.shape) for x in like])
    pairs = zip(parts, like, strict=True)
    return [tf.reshape(part, constant(x.shape.as_list())) for part, x in pairs]


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
