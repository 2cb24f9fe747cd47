"""The weights that choices are mixed by: softmaxed alphas, sorted by source.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.genotypes.cell import NUM_INPUTS
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
