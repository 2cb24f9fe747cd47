"""The weights that choices are mixed by, and the edges that they belong to.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.kernels.constants import constant


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
        Tensor `(num_edges, 1)`.

    Reference:
        Xu et al., PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737,
        section 3.3
    """
    parts = by_node(betas, num_nodes)
    return tf.concat([tf.nn.softmax(each, axis=0) for each in parts], axis=0)


def by_node(of_edges, num_nodes):
    """Returns a tensor `(num_edges, ...)` in parts: the edges that enter each node."""
    return tf.split(of_edges, [NUM_INPUTS + node for node in range(num_nodes)])


def weights_by_source(weights, num_nodes):
    """Returns the weights of all choices on the edges that leave each source.

    Args:
        weights: Tensor `(num_edges, num_choices)`, edges as in `cell_edges`.
        num_nodes: Integer.

    Returns:
        List of a tensor `(num_leaving_edges, num_choices)` for each source.
    """
    # One product and one split, where slices would have long gradients.
    sources = [source for _, source in cell_edges(num_nodes)]
    order = np.argsort(sources, kind="stable")
    by_source = constant(np.eye(len(sources))[order], weights.dtype) @ weights
    return tf.split(by_source, np.bincount(sources), axis=0)
