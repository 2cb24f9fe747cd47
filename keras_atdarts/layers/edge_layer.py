"""What layers share that work on all edges that leave a node.

Edges that leave one node of a cell read the same tensor. These layers therefore
work on all of them at once: a weight has a leading axis of `num_edges`, and a
result is a list with one term per edge. With `num_edges=1` they are ordinary
layers, and the derived network uses them so.
"""

import math

import keras

from keras_atdarts.kernels import Source
from keras_atdarts.layers.batch_normalization import BatchNormalization


def uniform_initializer(fan_in):
    """PyTorch's default for convolutions and dense layers, which DARTS uses."""
    limit = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def strided_shape(shape, strides, filters):
    """Returns the shape after symmetric padding and `strides`, of `filters` channels.

    Args:
        shape: `(batch, height, width, channels)`; unknown sizes are `None`.
        strides: Integer, 1 or 2.
        filters: Integer.
    """
    batch, *sizes, _ = shape
    sizes = [None if size is None else -(-size // strides) for size in sizes]
    return (batch, *sizes, filters)


def check_strides(strides):
    """Raises `ValueError` unless the strides are 1 or 2."""
    if strides not in (1, 2):
        raise ValueError(f"`strides` must be 1 or 2. Received: strides={strides}")


class EdgeLayer(keras.layers.Layer):
    """Base of layers that work on `num_edges` edges at once.

    A subclass returns in `terms` the results for all edges.

    Args:
        num_edges: Integer, how many edges leave the node.
        affine: Boolean, whether batch norms learn a scale and an offset. The
            supernet's do not: they would rescale the alphas away.
    """

    def __init__(self, num_edges=1, affine=True, **kwargs):
        super().__init__(**kwargs)
        self.num_edges = num_edges
        self.affine = affine

    def add_edge_weight(self, name, shape, fan_in):
        """Adds a weight `(num_edges, *shape)`, each edge with its own values."""
        return self.add_weight(
            name=name,
            shape=(self.num_edges, *shape),
            initializer=uniform_initializer(fan_in),
        )

    def add_batch_normalization(self, filters, num_edges=None):
        """Returns a built batch norm of `filters` channels for the edges."""
        layer = BatchNormalization(
            num_edges=num_edges or self.num_edges,
            affine=self.affine,
            dtype=self.dtype_policy,
        )
        layer.build((None, None, None, filters))
        return layer

    def terms(self, source, weights=None):
        """Returns the results on all edges that leave a node.

        Args:
            source: The node's `Source`.
            weights: Optional tensor `(num_edges,)` that multiplies the results, in
                the dtype of the variables: the softmaxed alphas.

        Returns:
            Sequence of `num_edges` terms, see `kernels.Reference`.
        """
        raise NotImplementedError

    def call(self, inputs, training=None):
        source = Source(inputs, training)
        return source.backend.sum(self.terms(source)[:1])

    def get_config(self):
        config = super().get_config()
        return {**config, "num_edges": self.num_edges, "affine": self.affine}
