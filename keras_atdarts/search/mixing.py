"""The mixtures on the edges of a search cell, and the weights they are mixed by.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.genotypes.cell import NUM_INPUTS
from keras_atdarts.kernels import Source
from keras_atdarts.kernels.constants import constant
from keras_atdarts.operations import build_operation
from keras_atdarts.operations.base import scaled


def cell_edges(num_nodes):
    """Returns the edges `(node, source)` of a cell, node by node.

    Sources 0 and 1 are the cell's inputs, source `2 + i` is node `i`.
    """
    return [
        (node, source)
        for node in range(num_nodes)
        for source in range(NUM_INPUTS + node)
    ]


def edge_weights(betas, num_nodes):
    """Returns how much each edge counts among those that enter its node.

    Edge normalization: `softmax(beta)` over the edges that enter a node.

    Args:
        betas: Tensor `(num_edges, 1)`, edges as in `cell_edges`.
        num_nodes: Integer.

    Returns:
        List of a tensor `(num_entering_edges, 1)` for each node.

    Reference:
        Xu et al., PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737,
        section 3.3
    """
    entering = [NUM_INPUTS + node for node in range(num_nodes)]
    return [tf.nn.softmax(each, axis=0) for each in tf.split(betas, entering)]


def weights_by_source(alphas, num_nodes, of_edges=None):
    """Returns the weights of all choices on the edges that leave each source.

    Args:
        alphas: Tensor `(num_edges, num_choices)`, edges as in `cell_edges`.
        num_nodes: Integer.
        of_edges: Optional list from `edge_weights`, which multiplies the weights.

    Returns:
        List of a tensor `(num_leaving_edges, num_choices)` for each source.
    """
    weights = tf.nn.softmax(alphas, axis=-1)
    if of_edges is not None:
        weights *= tf.concat(of_edges, axis=0)
    # One product and one split, where slices would have long gradients.
    sources = [source for _, source in cell_edges(num_nodes)]
    order = np.argsort(sources, kind="stable")
    by_source = constant(np.eye(len(sources))[order], weights.dtype) @ weights
    return tf.split(by_source, np.bincount(sources), axis=0)


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
        weights: Tensor `(num_edges, num_operations)`, the softmaxed alphas.
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
            if not candidate.is_zero  # Its weight counts in the softmax only.
        ]
        return by_edge(terms)

    def call(self, inputs, weights, training=None):
        source = Source(inputs, training)
        weights = tf.cast(weights, self.variable_dtype)
        return list(map(source.backend.sum, self.terms(source, weights)))

    def get_config(self):
        own = {"operations": self.operations, "strides": self.strides}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class MixedAttention(Mixture):
    """The identity and all attention operations, after a `MixedOperation`.

    On each edge, with its alphas, the mixture `x` becomes `w_identity x` plus the
    sum over attention operations of `w_a a(x)`, with `w = softmax(alphas)`. No batch
    norm follows: the mixture before is made of normalised results, and with the
    identity among the choices it is to stay what it is.

    Args:
        attention: Tuple of the names of attention operations.
        filters: Integer, the channels of input and output.
        num_edges: Integer, how many edges leave the node.

    Call arguments:
        tensors: List of `num_edges` tensors `(batch, height, width, filters)`, the
            mixtures of a `MixedOperation`.
        weights: Tensor `(num_edges, 1 + num_attention)`, the softmaxed alphas, those
            of the identity first.
        training: Boolean, as for batch norm.

    Output shape:
        List of `num_edges` tensors `(batch, height, width, filters)`.

    Example:

    >>> mixed = MixedAttention(("channel_attention",), 16, num_edges=2)
    >>> mixed.build((None, 32, 32, 16))
    >>> first, second = mixed([images, images], weights=weights)

    Reference:
        Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
        https://github.com/chomin/Att-DARTS
    """

    def __init__(self, attention, filters, num_edges=1, **kwargs):
        super().__init__(attention, filters, 1, num_edges, search=False, **kwargs)
        self.attention = tuple(attention)

    def terms(self, mixtures, source, weights):
        """Returns what each edge adds to its node, see `MixedOperation.terms`.

        Args:
            mixtures: What the method of `MixedOperation` returns.
            source: The node's `Source`.
            weights: Tensor `(num_edges, 1 + num_attention)`.
        """
        tensors = list(map(source.backend.sum, mixtures))
        of_identity, *columns = tf.unstack(weights, axis=1)
        terms = [scaled(tensors, of_identity)]
        for candidate, of_candidate in zip(self.candidates, columns, strict=True):
            terms.append(candidate.attend(tensors, of_candidate, source.training))
        return by_edge(terms)

    def call(self, tensors, weights, training=None):
        source = Source(tensors[0], training)
        weights = tf.cast(weights, self.variable_dtype)
        terms = self.terms([[x] for x in tensors], source, weights)
        return list(map(source.backend.sum, terms))

    def get_config(self):
        return {**super().get_config(), "attention": self.attention}
