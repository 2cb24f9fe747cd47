"""The mixed operation: all candidates on an edge, weighted by its alphas.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.kernels import Source
from keras_atdarts.kernels.constants import constant
from keras_atdarts.operations import build_operation


class Mixture(keras.layers.Layer):
    """Base of what weights candidates on all edges that leave one node.

    Args:
        names: Tuple of the names of the candidates.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        num_edges: Integer, how many edges leave the node.
        search: Boolean, whether batch norms stand behind the candidates.
        kept: Optional tuple of a tuple of names for each edge: the candidates that
            are left on it.

    Attributes:
        candidates: List of layers, in the order of their names. Each is built for the
            edges that it is left on; what is left on none is not built.
        columns: Tuple of the place of each candidate's name in `names`.
        edges: Tuple of the edges of each candidate, a tuple of integers.
    """

    def __init__(self, names, filters, strides, num_edges, search, kept=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.num_edges = num_edges
        self.kept = kept and tuple(map(tuple, kept))
        kept = self.kept or (tuple(names),) * num_edges
        found = [
            (
                column,
                name,
                tuple(edge for edge in range(num_edges) if name in kept[edge]),
            )
            for column, name in enumerate(names)
        ]
        built = [each for each in found if each[-1]]
        self.columns = tuple(column for column, _, _ in built)
        self.edges = tuple(edges for _, _, edges in built)
        self.candidates = [
            build_operation(
                names[column],
                filters,
                strides,
                num_edges=len(edges),
                search=search,
                name=names[column],
                dtype=self.dtype_policy,
            )
            for column, edges in zip(self.columns, self.edges, strict=True)
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
        kept: Optional tuple of a tuple of names for each edge, of which one is not
            `none`: the operations that are left on it, where others were dropped.

    Call arguments:
        inputs: Tensor `(batch, height, width, filters)`.
        weights: Tensor `(num_edges, num_operations)`, of a sampler. Those of what was
            dropped are not read.
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

    def __init__(
        self, operations, filters, strides=1, num_edges=1, kept=None, **kwargs
    ):
        super().__init__(
            operations, filters, strides, num_edges, search=True, kept=kept, **kwargs
        )
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
        mixtures = [[] for _ in range(self.num_edges)]
        parts = self.candidates, self.edges, self._weights_by_candidate(weights)
        for candidate, edges, of_candidate in zip(*parts, strict=True):
            if candidate.is_zero:  # Others weigh less by its weight.
                continue
            terms = candidate.terms(source, of_candidate)
            for edge, term in zip(edges, terms, strict=True):
                mixtures[edge].append(term)
        return mixtures

    def _weights_by_candidate(self, weights):
        """Returns the weights of each candidate on its edges, a list of tensors."""
        if self.kept is None:
            return tf.unstack(weights, axis=1)
        # One product and one split, where slices would have long gradients.
        size = len(self.operations)
        pairs = zip(self.columns, self.edges, strict=True)
        places = [edge * size + column for column, edges in pairs for edge in edges]
        chosen = constant(np.eye(self.num_edges * size)[places], weights.dtype)
        values = tf.linalg.matvec(chosen, tf.reshape(weights, [-1]))
        return tf.split(values, list(map(len, self.edges)))

    def call(self, inputs, weights, training=None):
        source = Source(inputs, training)
        weights = tf.cast(weights, self.variable_dtype)
        return list(map(source.backend.sum, self.terms(source, weights)))

    def get_config(self):
        own = {"operations": self.operations, "strides": self.strides}
        return {**super().get_config(), **own, "kept": self.kept}
