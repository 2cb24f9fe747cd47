"""The tensors of several edges as one, for devices on which launches cost."""

import collections.abc
import functools

import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.devices import joins_edges

CHANNELS = 3  # The last axis of images.


class JoinedTensors(collections.abc.Sequence):
    """Tensors side by side in the channels of one; for the rest a list of them.

    Args:
        joined: Tensor `(batch, height, width, num_edges * channels)`, the channels
            of the first edge first.
        num_edges: Integer.
    """

    def __init__(self, joined, num_edges):
        self.joined = joined
        self.num_edges = num_edges

    @classmethod
    def of(cls, tensors):
        """Returns the `JoinedTensors` of a list of tensors of one shape."""
        if isinstance(tensors, cls):
            return tensors
        if are_one(tensors):
            joined = tf.tile(tensors[0], constant([1, 1, 1, len(tensors)]))
        else:
            joined = tf.concat(tensors, constant(CHANNELS))
        return cls(joined, len(tensors))

    @functools.cached_property
    def _apart(self):
        return tf.split(self.joined, self.num_edges, constant(CHANNELS))

    def __len__(self):
        return self.num_edges

    def __getitem__(self, index):
        return self._apart[index]


def should_join(tensors):
    """Whether a list of tensors is to be computed as one."""
    return len(tensors) > 1 and joins_edges()


def are_one(tensors):
    """Whether all tensors of a list are the same."""
    return not isinstance(tensors, JoinedTensors) and all(
        x is tensors[0] for x in tensors
    )


def on_each(function, tensors):
    """Returns a function's results, which works on every channel by itself."""
    if isinstance(tensors, JoinedTensors):
        return JoinedTensors(function(tensors.joined), len(tensors))
    return [function(x) for x in tensors]


def concat_channels(left, right):
    """Returns the pairs of two lists, the channels of the first one first."""
    if not isinstance(left, JoinedTensors):
        pairs = zip(left, right, strict=True)
        return [tf.concat(pair, constant(CHANNELS)) for pair in pairs]
    edges = len(left)
    halves = [each.joined for each in (left, right)]
    *image, _ = tf.unstack(tf.shape(halves[0]))
    halves = [tf.reshape(x, [*image, edges, x.shape[-1] // edges]) for x in halves]
    channels = sum(x.shape[-1] for x in halves)
    joined = tf.reshape(tf.concat(halves, axis=-1), [*image, edges * channels])
    joined.set_shape([*left.joined.shape[:-1], edges * channels])
    return JoinedTensors(joined, edges)
