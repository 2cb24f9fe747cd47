"""Alphas over the epochs of a search: weights of operations, entropy of edges."""

import math


def attention_of(cell_type):
    """Returns what the attention in a type of cell is called in a report."""
    return f"{cell_type}_attention"


def softmax(alphas):
    """Returns the weights that the alphas of one edge stand for.

    Args:
        alphas: Dict from the name of an operation to its alpha.

    Returns:
        Dict from name to weight; they sum to 1.
    """
    largest = max(alphas.values())
    powers = {name: math.exp(alpha - largest) for name, alpha in alphas.items()}
    total = math.fsum(powers.values())
    return {name: power / total for name, power in powers.items()}


def entropy(weights):
    """Returns how undecided an edge is, between 0 and 1.

    Args:
        weights: Dict from the name of an operation to its weight.

    Returns:
        Float: the entropy of the weights in relation to their sum, divided by that
        of equal ones. 1 says
        that all are equal, 0 that one has all the weight. A single operation has
        nothing to decide: 0.
    """
    if len(weights) < 2:
        return 0.0
    total = math.fsum(weights.values())
    shares = [weight / total for weight in weights.values() if weight > 0]
    nats = -math.fsum(share * math.log(share) for share in shares)
    return nats / math.log(len(weights))


def weights_of(labelled):
    """Returns the weights that labelled alphas stand for.

    Args:
        labelled: What `Supernet.labelled_alphas` returns. With edge normalization,
            weights are those of the operation times that of its edge.

    Returns:
        Dict of kinds of cells to dicts of edges to dicts of names to weights. Attention
        that follows operations is a kind of its own, see `attention_of`.
    """
    weights = {
        cell: {
            edge: weights_of_edge(of_edge, edge, alphas.edges)
            for edge, of_edge in alphas.operations.items()
        }
        for cell, alphas in labelled.items()
    }
    for cell, alphas in labelled.items():
        if alphas.attention is not None:
            weights[attention_of(cell)] = {
                edge: softmax(of_edge) for edge, of_edge in alphas.attention.items()
            }
    return weights


def weights_of_edge(alphas, edge, betas):
    """Returns the softmax of an edge's alphas, times that of its beta, if any."""
    weights = softmax(alphas)
    if betas is None:
        return weights
    node, _ = edge
    entering = {other: beta for other, beta in betas.items() if other[0] == node}
    of_edge = softmax(entering)[edge]
    return {name: of_edge * weight for name, weight in weights.items()}


def weights_over_epochs(epochs):
    """Returns the weight of every operation on every edge, epoch by epoch.

    Args:
        epochs: List of labelled alphas, see `Supernet.labelled_alphas`.

    Returns:
        Nested dict: kind of cell, edge as `(node, source)`, name of the operation,
        to the list of its weights.
    """
    if not epochs:
        return {}
    weights = [weights_of(epoch) for epoch in epochs]
    return {
        cell: {
            edge: {
                name: [of_epoch[cell][edge][name] for of_epoch in weights]
                for name in of_edge
            }
            for edge, of_edge in sorted(edges.items())
        }
        for cell, edges in weights[-1].items()
    }


def entropy_over_epochs(weights):
    """Returns the entropy of every edge, epoch by epoch.

    Args:
        weights: What `weights_over_epochs` returns.

    Returns:
        Nested dict: kind of cell, edge, to the list of its entropies, see `entropy`.
    """
    return {
        cell: {edge: edge_entropies(series) for edge, series in edges.items()}
        for cell, edges in weights.items()
    }


def edge_entropies(series):
    """Returns the list of entropies of an edge from the weights of its operations."""
    epochs = zip(*series.values(), strict=True)
    return [entropy(dict(zip(series, epoch, strict=True))) for epoch in epochs]
