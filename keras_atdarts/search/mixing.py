"""The mixtures on the edges of a search cell, and the weights they are mixed by.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.genotypes.genotype import NUM_INPUTS
from keras_atdarts.kernels.constants import constant
from keras_atdarts.layers.blocks import SharedInput
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


def entering_edges(num_nodes):
    """Returns how many edges enter each node, in the order of `cell_edges`."""
    return [NUM_INPUTS + node for node in range(num_nodes)]


class EdgeWeights:
    """The weights of all operations on the edges that leave one node.

    Not tensors but an object, so that Keras hands them to layers as they are, in
    float32 also under mixed precision.

    Args:
        of_operations: For each operation a tensor `(num_edges,)`.
    """

    def __init__(self, of_operations):
        self.of_operations = list(map(tf.convert_to_tensor, of_operations))


class MixingWeights:
    """The softmaxed alphas of one cell type.

    With edge normalization, each node is a weighted sum of its edges: the softmax
    of their betas multiplies the weights of all that is on an edge.

    Args:
        alphas: Tensor `(num_edges, num_operations)`, edges as in `cell_edges`.
        num_nodes: Integer.
        betas: Optional tensor `(num_edges, 1)`.

    Reference:
        Xu et al., PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737,
        section 3.3: edge normalization.
    """

    def __init__(self, alphas, num_nodes, betas=None):
        weights = tf.nn.softmax(alphas, axis=-1)
        self._shares = None
        if betas is not None:
            self._shares = [
                tf.nn.softmax(of_node, axis=0)
                for of_node in tf.split(betas, entering_edges(num_nodes))
            ]
            weights *= tf.concat(self._shares, axis=0)
        # One product and one split, where slices would have long gradients.
        sources = [source for _, source in cell_edges(num_nodes)]
        order = np.argsort(sources, kind="stable")
        by_source = constant(np.eye(len(sources))[order], weights.dtype) @ weights
        self._of_sources = tf.split(by_source, np.bincount(sources), axis=0)

    def leaving(self, source):
        """Returns the `EdgeWeights` of the edges that leave a source."""
        return EdgeWeights(tf.unstack(self._of_sources[source], axis=1))

    def shares(self, node):
        """Returns the weights of the edges that enter a node; None if all are 1."""
        if self._shares is None:
            return None
        return tf.unstack(tf.reshape(self._shares[node], [-1]), NUM_INPUTS + node)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class MixedOperation(keras.layers.Layer):
    """All candidate operations on the edges that leave one node.

    DARTS mixes per edge. The edges that leave a node read the same tensor, so
    that they are computed together here and share what does not depend on their
    weights; with `num_edges=1` this is the mixed operation of the paper.

    Args:
        operations: Tuple of operation names.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        num_edges: Integer, how many edges leave the node.

    Call arguments:
        inputs: Tensor `(batch, height, width, filters)`.
        weights: `EdgeWeights` of the operations.
        training: Boolean, as for batch norm.

    Input shape:
        `(batch, height, width, filters)`.

    Output shape:
        List of `num_edges` lists of tensors
        `(batch, ceil(height / strides), ceil(width / strides), filters)`,
        `kernels.Phases` or `native.Line`s, whose sum is the mixture on the edge. The
        sum is left to the node, which adds up all its edges at once.

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, equation 2.
    """

    def __init__(self, operations, filters, strides=1, num_edges=1, **kwargs):
        super().__init__(**kwargs)
        self.operations = tuple(operations)
        self.filters = filters
        self.strides = strides
        self.num_edges = num_edges
        self.candidates = [
            build_operation(
                name,
                filters,
                strides,
                num_edges=num_edges,
                search=True,
                name=name,
                dtype=self.dtype_policy,
            )
            for name in self.operations
        ]

    def build(self, input_shape):
        for candidate in self.candidates:
            candidate.build(input_shape)

    def call(self, inputs, weights, training=None):
        shared = SharedInput(inputs)
        terms = [
            candidate.terms(shared, of_operation, training)
            for candidate, of_operation in zip(
                self.candidates, weights.of_operations, strict=True
            )
            if not candidate.is_zero  # Its weight counts in the softmax only.
        ]
        return [list(of_edge) for of_edge in zip(*terms, strict=True)]

    def get_config(self):
        return {
            **super().get_config(),
            "operations": self.operations,
            "filters": self.filters,
            "strides": self.strides,
            "num_edges": self.num_edges,
        }


@keras.saving.register_keras_serializable(package="keras_atdarts")
class MixedAttention(keras.layers.Layer):
    """The identity and all attention operations, after a `MixedOperation`.

    No batch norm follows: the mixture before is made of normalised results, and
    with the identity among the choices it is to stay what it is.

    Args:
        attention: Tuple of the names of attention operations.
        filters: Integer, the channels of input and output.
        num_edges: Integer, how many edges leave the node.

    Call arguments:
        tensors: List of `num_edges` tensors `(batch, height, width, filters)`, the
            mixtures of a `MixedOperation`.
        weights: `EdgeWeights` of the identity and of the attention operations.
        training: Boolean, as for batch norm.

    Output shape:
        List of `num_edges` lists of tensors `(batch, height, width, filters)`,
        whose sum is the mixture on the edge.

    Reference:
        Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
        https://github.com/chomin/Att-DARTS
    """

    def __init__(self, attention, filters, num_edges=1, **kwargs):
        super().__init__(**kwargs)
        self.attention = tuple(attention)
        self.filters = filters
        self.num_edges = num_edges
        self.candidates = [
            build_operation(
                name, filters, num_edges=num_edges, name=name, dtype=self.dtype_policy
            )
            for name in self.attention
        ]

    def build(self, input_shape):
        for candidate in self.candidates:
            candidate.build(input_shape)

    def call(self, tensors, weights, training=None):
        of_identity, *of_attention = weights.of_operations
        terms = [scaled(tensors, of_identity)]
        for candidate, of_candidate in zip(self.candidates, of_attention, strict=True):
            terms.append(candidate.attend(tensors, of_candidate, training))
        return [list(of_edge) for of_edge in zip(*terms, strict=True)]

    def get_config(self):
        return {
            **super().get_config(),
            "attention": self.attention,
            "filters": self.filters,
            "num_edges": self.num_edges,
        }
