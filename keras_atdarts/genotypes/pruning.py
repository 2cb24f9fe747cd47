"""Which operations stay on each edge when a search goes on with fewer of them.

Reference:
    Chen, Xie, Wu, Tian, Progressive Differentiable Architecture Search (P-DARTS),
    ICCV 2019, https://arxiv.org/abs/1904.12760, section 3.2
"""

from keras_atdarts.errors import located
from keras_atdarts.genotypes.alphas import edge_of_text
from keras_atdarts.genotypes.alphas import edge_text
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.genotypes.derivation import check_finite
from keras_atdarts.genotypes.mixing import log_weights


def strongest_operations(alphas, count, sampler="softmax"):
    """Returns the operations with the most weight on every edge.

    `none` is one of them, as in P-DARTS; but it is never the only one that stays, as
    an edge could then not be derived. Between equals the first name in the alphabet
    wins. The weights of edges do not count: every edge keeps as many operations.

    Args:
        alphas: `{cell type: CellAlphas of dictionaries}`, as
            `Supernet.labelled_alphas` returns them.
        count: Integer, how many operations stay on an edge.
        sampler: String, the name of the sampler that the search had.

    Returns:
        `{cell type: {(node, source): tuple of names}}`, ready for `Supernet(kept=...)`;
        the names are in the order of the alphas.

    Raises:
        InputError: If an alpha is not a finite number, or there is no such sampler.

    Example:

    >>> kept = strongest_operations(supernet.labelled_alphas(), 5)
    >>> smaller = Supernet(num_classes=10, kept=kept)

    Reference:
        P-DARTS, https://arxiv.org/abs/1904.12760, section 3.2
    """
    kept = {}
    for cell_type, of_cell in alphas.items():
        kept[cell_type] = {}
        for edge, of_edge in of_cell.operations.items():
            with located(f"alphas of the {cell_type} cell, edge {edge_text(edge)}"):
                check_finite(of_edge)
            kept[cell_type][edge] = _strongest(log_weights(of_edge, sampler), count)
    return kept


def _strongest(weights, count):
    ranked = sorted(weights, key=lambda name: (-weights[name], name))
    stay = ranked[:count]
    if stay == [NONE]:
        stay = ranked[1:2]
    return tuple(name for name in weights if name in stay)


def kept_to_dict(kept):
    """Returns kept operations ready for JSON: an edge is text, `"0<-1"`.

    Args:
        kept: See `strongest_operations`.
    """
    return {
        cell_type: {edge_text(edge): list(names) for edge, names in edges.items()}
        for cell_type, edges in kept.items()
    }


def kept_from_dict(kept):
    """Returns the kept operations that `kept_to_dict` made ready for JSON."""
    return {
        cell_type: {edge_of_text(edge): tuple(names) for edge, names in edges.items()}
        for cell_type, edges in kept.items()
    }
