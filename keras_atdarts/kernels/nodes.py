"""The nodes of a cell: what their outgoing edges read, and what they add up."""

import functools

import tensorflow as tf

from keras_atdarts.kernels.choice import choose_backend
from keras_atdarts.kernels.convolutions import every_second_pixel


class Source:
    """The tensor that edges read, and how to compute with it.

    The choice of the backend travels with the tensor: layers do not ask for devices.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        training: Boolean, as for batch norm.
        kernels_learn: See `choose_backend`.
    """

    def __init__(self, x, training=None, kernels_learn=1.0):
        self.x = x
        self.training = bool(training)
        self.kernels_learn = kernels_learn
        self.backend = self.backend_for(synchronized=False)

    @functools.cached_property
    def even_and_odd(self):
        """The pixels (0, 0), (0, 2), ... and (1, 1), (1, 3), ... side by side."""
        even, _, _, odd = every_second_pixel(self.x)
        return tf.concat([even, odd], axis=-1)

    def backend_for(self, synchronized):
        """Returns the backend for batch norms that are synchronized or not."""
        return choose_backend(
            self.x.dtype, self.training, synchronized, self.kernels_learn
        )


class Node:
    """The sum of all terms on the edges that enter a node.

    Args:
        num_edges: Integer, how many edges enter it.
        backend: The backend of what is added.

    Example:

    >>> node = Node(num_edges=2, backend=source.backend)
    >>> node.add(terms_of_first_edge)
    >>> node.add(terms_of_second_edge)
    >>> x = node.value()
    """

    def __init__(self, num_edges, backend):
        self._edges_left = num_edges
        self._backend = backend
        self._terms = []

    def add(self, terms):
        """Adds the terms of one edge, see `Reference`."""
        self._edges_left -= 1
        if not self._edges_left:
            self._terms = self._backend.partial_sum(self._terms)
        self._terms = [*self._terms, *terms]

    def value(self):
        """Returns the sum as a tensor."""
        return self._backend.sum(self._terms)
