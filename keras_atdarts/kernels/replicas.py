"""What replicas of a `tf.distribute` strategy tell each other."""

import tensorflow as tf


def sum_over_replicas(tensors):
    """Returns the sums over all replicas; without several, the tensors.

    Args:
        tensors: List of tensors, of the same shapes on all replicas.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def average_over_replicas(tensors):
    """Returns the means over all replicas, as a list; see `sum_over_replicas`."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return [tensor / replicas for tensor in sum_over_replicas(tensors)]
