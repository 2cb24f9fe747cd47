"""From the alphas of a search to the genotype they stand for."""

import math

from keras_atdarts.errors import InputError
from keras_atdarts.errors import check_keys
from keras_atdarts.errors import located
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import IDENTITY
from keras_atdarts.genotypes.cell import NUM_INPUTS
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.cell import attended_name
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

NONE = "none"


def derive_genotype(alphas, edges_per_node=2):
    """Returns the genotype that the alphas of a search favour.

    The weights of an edge are the softmax over all its operations, `none`
    included. An edge is as strong as the heaviest of its other operations. Every
    node keeps its strongest edges, each with that operation; the cell's output
    is made of all nodes. Between equals the lower source and the first name in
    the alphabet win, so the order of the dictionaries never matters.

    Where attention follows the operations, it does not decide which edges are
    kept: each of these is followed by its heaviest attention, or by none if that
    is the identity, which also wins between equals.

    With edge normalization, the weight of an operation is multiplied by that of
    its edge: the softmax of the betas over the edges that enter the node.

    Args:
        alphas: Dictionary with the keys `"normal"` and `"reduction"`. Each value is a
            `CellAlphas` of dictionaries, or, where there are only alphas of
            operations, that dictionary: from `(node, source)`, numbered as in
            `Genotype`, to a dictionary from the name of an operation to its alpha,
            before the softmax.
        edges_per_node: Integer, the number of edges that a node keeps.

    Returns:
        A `Genotype`; the edges of a node are ordered by their source.

    Raises:
        InputError: If a node has too few edges to choose from, or an alpha is
            not a finite number.

    Example:

    >>> edges = {
    ...     (0, 0): {"none": 0.3, "skip_connect": 0.1},
    ...     (0, 1): {"none": 0.9, "skip_connect": 0.2},
    ... }
    >>> genotype = derive_genotype({"normal": edges, "reduction": edges})
    >>> genotype.normal.nodes[0]
    (Edge(operation='skip_connect', source=0), Edge(operation='skip_connect', source=1))

    Reference:
        [DARTS: Differentiable Architecture Search](https://arxiv.org/abs/1806.09055),
        section 2.4;
        [PC-DARTS](https://arxiv.org/abs/1907.05737), section 3.3
    """
    check_keys(alphas, CELL_TYPES)
    cells = {}
    for cell_type in CELL_TYPES:
        of_cell = alphas[cell_type]
        if not isinstance(of_cell, CellAlphas):
            of_cell = CellAlphas(operations=of_cell)
        with located(f"alphas of the {cell_type} cell"):
            cells[cell_type] = _derive_cell(*of_cell, edges_per_node)
    return Genotype(**cells)


def _derive_cell(alphas, attention, betas, edges_per_node):
    num_nodes = 1 + max((node for node, _ in alphas), default=-1)
    nodes = []
    for node in range(num_nodes):
        with located(f"node {node}"):
            edges = {source: alphas[n, source] for n, source in alphas if n == node}
            of_edges = {source: _beta(betas, node, source) for source in edges}
            kept = _strongest_edges(edges, of_edges, edges_per_node)
            if attention is not None:
                kept = [_attended(edge, attention, node) for edge in kept]
            nodes.append(kept)
    return CellGenotype(nodes, range(NUM_INPUTS, NUM_INPUTS + num_nodes))


def _beta(betas, node, source):
    """Returns the beta of an edge; 0 where edges are not normalized."""
    if betas is None:
        return 0.0
    with located(f"beta of source {source}"):
        if (node, source) not in betas:
            raise InputError("is missing; give each edge one.")
        _check_finite({"beta": betas[node, source]})
    return float(betas[node, source])


def _strongest_edges(edges, betas, edges_per_node):
    candidates = []
    for source, alphas in edges.items():
        with located(f"source {source}"):
            _check_finite(alphas)
        operations = [name for name in alphas if name != NONE]
        if operations:
            operation = min(operations, key=lambda name: (-alphas[name], name))
            # In the softmax of betas, all of a node have one denominator.
            weight = _log_weight(alphas, operation) + betas[source]
            candidates.append((-weight, source, operation))
    if len(candidates) < edges_per_node:
        raise InputError(
            f"has {len(candidates)} edges with an operation other than '{NONE}'; "
            f"{edges_per_node} are to be kept."
        )
    kept = sorted(candidates)[:edges_per_node]
    return sorted(
        (Edge(operation, source) for _, source, operation in kept),
        key=lambda edge: edge.source,
    )


def _attended(edge, attention, node):
    with located(f"attention on source {edge.source}"):
        alphas = attention.get((node, edge.source))
        if not alphas:
            raise InputError("is missing; give each edge alphas of its attention.")
        _check_finite(alphas)
    chosen = min(alphas, key=lambda name: (-alphas[name], name != IDENTITY, name))
    return edge._replace(operation=attended_name(edge.operation, chosen))


def _log_weight(alphas, operation):
    # The logarithm still tells weights apart where the softmax underflows; fsum
    # is exact, so that the order of the operations cannot decide a tie.
    values = [float(alpha) for alpha in alphas.values()]
    largest = max(values)
    log_total = math.log(math.fsum(math.exp(value - largest) for value in values))
    return float(alphas[operation]) - largest - log_total


def _check_finite(alphas):
    for name, alpha in alphas.items():
        if not math.isfinite(alpha):
            raise InputError(
                f"the alpha of '{name}' is {alpha}, not a finite number: the search "
                "diverged; search again with a lower learning rate."
            )
