"""The mixed operation: all candidates on an edge, weighted by its alphas.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import keras
import tensorflow as tf

from keras_atdarts.kernels import Source
from keras_atdarts.operations import build_operation


class Mixture(keras.layers.Layer):
    """Base of what weights candidates on all edges that leave one node.

    Args:
        names: Tuple of the names of the candidates.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        num_edges: Integer, how many edges leave the node.
        search: Boolean, whether batch norms stand behind the candidates.
    """

    def __init__(self, names, filters, strides, num_edges, search, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.num_edges = num_edges
        self.candidates = [
            build_operation(
                name,
                filters,
                strides,
                num_edges=num_edges,
                search=search,
                name=name,
                dtype=self.dtype_policy,
            )
            for name in names
        ]

    def build(self, input_shape):
        for candidate in self.candidates:
            candidate.build(input_shape)

    def get_config(self):
        config = {"filters": self.filters, "num_edges": self.num_edges}
        return {**super().get_config(), **config}


def by_edge(terms):
    """Returns a list of terms for each edge, of those of each candidate."""
    return [list(of_edge) for of_edge in zip(*terms, strict=True)]


@keras.saving.register_keras_serializable(package="keras_atdarts")
class MixedOperation(Mixture):
    """All candidate operations on the edges that leave one node.

    On each edge, with its alphas, `x` becomes

        sum over operations o of  exp(alpha_o) / (sum over o' of exp(alpha_o')) o(x)

    or, with another of `search.samplers`, the sum with its weights.

    DARTS mixes edge by edge. The edges that leave a node read the same tensor, so
    they are computed together here and share what does not depend on their weights;
    with `num_edges=1` this is the mixed operation of the paper. The weight of an
    operation is the scale of the batch norm it ends in, which costs nothing.

    Args:
        operations: Tuple of operation names.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        num_edges: Integer, how many edges leave the node.

    Call arguments:
        inputs: Tensor `(batch, height, width, filters)`.
        weights: Tensor `(num_edges, num_operations)`, of a sampler.
        training: Boolean, as for batch norm.

    Input shape:
        `(batch, height, width, filters)`.

    Output shape:
        List of `num_edges` tensors, the mixture on each edge,
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Example:

    >>> mixed = MixedOperation(("skip_connect", "sep_conv_3x3"), 16, num_edges=2)
    >>> weights = keras.ops.softmax(alphas)  # (2, 2): 2 edges, 2 operations
    >>> first, second = mixed(images, weights=weights)

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, equation 2.
    """

    def __init__(self, operations, filters, strides=1, num_edges=1, **kwargs):
        super().__init__(operations, filters, strides, num_edges, search=True, **kwargs)
        self.operations = tuple(operations)

    def terms(self, source, weights):
        """Returns what each edge adds to its node.

        Args:
            source: The node's `Source`.
            weights: Tensor `(num_edges, num_operations)`, see `weights_by_source`.

        Returns:
            List of `num_edges` lists of terms, see `kernels.Reference`. Their sum,
            which is left to the node, is the mixture on the edge.
        """
        columns = tf.unstack(weights, axis=1)
        terms = [
            candidate.terms(source, of_candidate)
            for candidate, of_candidate in zip(self.candidates, columns, strict=True)
            if not candidate.is_zero  # Others weigh less by its weight.
        ]
        return by_edge(terms)

    def call(self, inputs, weights, training=None):
        source = Source(inputs, training)
        weights = tf.cast(weights, self.variable_dtype)
        return list(map(source.backend.sum, self.terms(source, weights)))

    def get_config(self):
        own = {"operations": self.operations, "strides": self.strides}
        return {**super().get_config(), **own}
