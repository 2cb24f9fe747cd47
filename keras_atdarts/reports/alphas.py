"""Alphas over the epochs of a search: weights of operations, entropy of edges."""

import math


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
        Float: the entropy of the weights, divided by that of equal ones. 1 says
        that all are equal, 0 that one has all the weight. A single operation has
        nothing to decide: 0.
    """
    if len(weights) < 2:
        return 0.0
    nats = -math.fsum(w * math.log(w) for w in weights.values() if w > 0)
    return nats / math.log(len(weights))


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
    weights = [
        {
            (cell, edge): softmax(alphas)
            for cell, edges in epoch.items()
            for edge, alphas in edges.items()
        }
        for epoch in epochs
    ]
    return {
        cell: {
            edge: {
                name: [of_epoch[cell, edge][name] for of_epoch in weights]
                for name in alphas
            }
            for edge, alphas in sorted(edges.items())
        }
        for cell, edges in epochs[-1].items()
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
