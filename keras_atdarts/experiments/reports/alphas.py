"""Alphas over the epochs of a search: weights of operations, entropy of edges."""

import math

from keras_atdarts.genotypes.alphas import edge_text
from keras_atdarts.genotypes.mixing import log_weights


def attention_of(cell_type):
    """Returns what the attention in a type of cell is called in a report."""
    return f"{cell_type}_attention"


def entropy(weights):
    """Returns how undecided an edge with these weights is, between 0 and 1.

    That is the entropy of the weights in relation to their sum, divided by that of
    equal ones. 1 says that all are equal, 0 that one has all the weight. A single
    operation has nothing to decide: 0.
    """
    if len(weights) < 2:
        return 0.0
    total = math.fsum(weights)
    shares = [weight / total for weight in weights if weight > 0]
    nats = -math.fsum(share * math.log(share) for share in shares)
    return nats / math.log(len(weights))


def weights_of(labelled, sampler):
    """Yields `(kind of cell, edge, weights by name)` for labelled alphas.

    With edge normalization, weights are those of the operation times that of its
    edge. Attention that follows operations is a kind of its own, see `attention_of`.
    """
    for cell, alphas in labelled.items():
        for edge, of_edge in sorted(alphas.operations.items()):
            yield cell, edge, weights_of_edge(of_edge, edge, alphas.edges, sampler)
    for cell, alphas in labelled.items():
        for edge, of_edge in sorted((alphas.attention or {}).items()):
            yield attention_of(cell), edge, mixing_weights(of_edge, sampler)


def weights_of_edge(alphas, edge, betas, sampler):
    """Returns the weights of an edge's alphas, times that of its beta, if any."""
    weights = mixing_weights(alphas, sampler)
    if betas is None:
        return weights
    node, _ = edge
    entering = {other: beta for other, beta in betas.items() if other[0] == node}
    of_edge = mixing_weights(entering, "softmax")[edge]
    return {name: of_edge * weight for name, weight in weights.items()}


def mixing_weights(alphas, sampler):
    """Returns the mixing weights of the alphas of one edge, by name."""
    return {
        name: math.exp(weight) for name, weight in log_weights(alphas, sampler).items()
    }


def weights_over_epochs(epochs, sampler="softmax"):
    """Returns the weight of every operation on every edge, epoch by epoch.

    Args:
        epochs: List of labelled alphas, see `Supernet.labelled_alphas`.
        sampler: String, the name of the sampler that the search had.

    Returns:
        Nested dict: kind of cell, edge as `"0<-1"`, name of the operation, to the
        list of its weights; None where the edge has lost the operation.
    """
    found = {}
    for labelled in epochs:
        for cell, edge, weights in weights_of(labelled, sampler):
            # All operations are there in the first epoch.
            series = found.setdefault(cell, {}).setdefault(
                edge_text(edge), {name: [] for name in weights}
            )
            for name, values in series.items():
                values.append(weights.get(name))
    return found


def entropy_over_epochs(weights):
    """Returns the same as `weights_over_epochs`, with entropies of whole edges."""
    return {
        cell: {edge: entropies(series) for edge, series in edges.items()}
        for cell, edges in weights.items()
    }


def entropies(series):
    """Returns the entropy of an edge by epoch, given its weights by name."""
    epochs = zip(*series.values(), strict=True)
    return [entropy([x for x in weights if x is not None]) for weights in epochs]
