"""The operations that are left on each edge of a supernet, where others were dropped.

Reference:
    Chen, Xie, Wu, Tian, Progressive Differentiable Architecture Search (P-DARTS),
    ICCV 2019, https://arxiv.org/abs/1904.12760, section 3.2
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import edge_text
from keras_atdarts.operations.base import is_none
from keras_atdarts.search.mixing_weights import cell_edges

DROPPED = -1e9  # The alpha of what was dropped: far below all others, yet finite.


def kept_rows(kept, operations, num_nodes):
    """Returns the names of the operations that are left on each edge, checked.

    Args:
        kept: `{cell type: {(node, source): tuple of names}}`, as
            `strongest_operations` returns it.
        operations: Tuple of the names of all operations.
        num_nodes: Integer.

    Returns:
        `{cell type: tuple of a tuple of names for each edge}`, edges as in
        `cell_edges`, names in the order of `operations`.

    Raises:
        InputError: An edge or a type of cell is missing or unknown, a name is no
            operation of the supernet, or an edge has none left but `none`.
    """
    with located("kept operations"):
        check_same_names("cell type", kept, CELL_TYPES)
        return {
            cell_type: tuple(_rows(kept[cell_type], cell_type, operations, num_nodes))
            for cell_type in CELL_TYPES
        }


def _rows(of_cell, cell_type, operations, num_nodes):
    edges = cell_edges(num_nodes)
    with located(f"{cell_type} cell"):
        texts = [edge_text(edge) for edge in of_cell]
        check_same_names("edge", texts, list(map(edge_text, edges)))
        for edge in edges:
            with located(f"edge {edge_text(edge)}"):
                yield _row(of_cell[edge], operations)


def _row(names, operations):
    for name in names:
        if name not in operations:
            raise unknown_name("operation of the supernet", name, operations)
    if all(map(is_none, names)):
        raise InputError(
            f"received {', '.join(names) or 'no operation'}; expected one that can be "
            "derived. Keep another operation on this edge."
        )
    return tuple(name for name in operations if name in names)


def check_same_names(kind, received, expected):
    """Raises `InputError` where a name is unknown or missing."""
    for name in received:
        if name not in expected:
            raise unknown_name(kind, name, expected)
    for name in expected:
        if name not in received:
            raise InputError(f"the {kind} '{name}' is missing. Give all of them.")


def is_kept(rows, operations):
    """Returns a boolean array `(num_edges, len(operations))`: what is left.

    Args:
        rows: Tuple of a tuple of names for each edge, see `kept_rows`.
        operations: Tuple of names.
    """
    return np.array([[name in names for name in operations] for names in rows])


def without_dropped(values, kept, instead=DROPPED):
    """Returns values of choices, with another number for what was dropped.

    Nothing is learned of these: their gradients are 0.

    Args:
        values: Tensor `(num_edges, num_choices)`, such as alphas.
        kept: Boolean array of the same shape; None where nothing was dropped.
        instead: Float; by default an alpha far below all others.
    """
    return values if kept is None else tf.where(kept, values, instead)


def weights_of_kept(function, alphas, kept):
    """Returns the mixing weights of alphas; of what was dropped they are exactly 0.

    Args:
        function: Function from alphas to weights, of a sampler.
        alphas: Tensor `(num_edges, num_choices)`.
        kept: See `without_dropped`.
    """
    weights = function(without_dropped(alphas, kept))
    return without_dropped(weights, kept, 0)  # Some samplers leave a tiny one.
