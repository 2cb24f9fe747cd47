"""From the alphas of a search to the genotype they stand for."""

import math
from typing import NamedTuple

from keras_atdarts.errors import InputError
from keras_atdarts.errors import check_keys
from keras_atdarts.errors import located
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.mixing import log_weights
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import attended_name

NONE = "none"
SKIP = "skip_connect"
EDGES_PER_NODE = 2  # That a node keeps, in all papers.


def derive_genotype(
    alphas,
    edges_per_node=EDGES_PER_NODE,
    sampler="softmax",
    max_skip_connections=None,
):
    """Returns the genotype that the alphas of a search favour.

    The weights of an edge are the softmax over all its operations, `none` included,
    or those of another sampler. An edge is as strong as the heaviest of its other
    operations. Every node keeps its strongest edges, each with that operation; the
    cell's output is made of all nodes. Between equals the lower source and the first
    name in the alphabet win, so the order of the dictionaries never matters.

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
        sampler: String, the name of the sampler that the search had.
        max_skip_connections: Optional integer, the most skip connections that the
            normal cell may have. As long as it has more, the one with the least
            weight is no candidate any more.

    Returns:
        A `Genotype`; the edges of a node are ordered by their source.

    Raises:
        InputError: If a node has too few edges to choose from, or an alpha is
            not a finite number, or there is no such sampler.

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
        [PC-DARTS](https://arxiv.org/abs/1907.05737), section 3.3;
        [P-DARTS](https://arxiv.org/abs/1904.12760), section 3.3.2, on skip connections
    """
    check_keys(alphas, CELL_TYPES)
    cells = {}
    for cell_type in CELL_TYPES:
        of_cell = alphas[cell_type]
        if not isinstance(of_cell, CellAlphas):
            of_cell = CellAlphas(operations=of_cell)
        with located(f"alphas of the {cell_type} cell"):
            limit = max_skip_connections if cell_type == "normal" else None
            cells[cell_type] = _derive_cell(of_cell, edges_per_node, sampler, limit)
    return Genotype(**cells)


def _derive_cell(of_cell, edges_per_node, sampler, max_skip_connections):
    num_nodes = 1 + max((node for node, _ in of_cell.operations), default=-1)
    candidates = _candidates(of_cell, sampler)
    while True:
        kept = [
            _strongest(candidates, node, edges_per_node) for node in range(num_nodes)
        ]
        skips = [each for edges in kept for each in edges if each.operation == SKIP]
        if max_skip_connections is None or len(skips) <= max_skip_connections:
            break
        candidates.remove(min(skips, key=lambda each: (each.log_weight, each[:2])))
    nodes = [[Edge(each.operation, each.source) for each in edges] for edges in kept]
    if of_cell.attention is not None:
        nodes = [
            [_attended(edge, of_cell.attention, node) for edge in edges]
            for node, edges in enumerate(nodes)
        ]
    return CellGenotype(nodes, range(NUM_INPUTS, NUM_INPUTS + num_nodes))


class Candidate(NamedTuple):
    """An operation on an edge, with the logarithm of its weight."""

    node: int
    source: int
    operation: str
    log_weight: float


def _candidates(of_cell, sampler):
    """Returns all `Candidate`s of a cell, those of `none` aside."""
    found = []
    for (node, source), alphas in of_cell.operations.items():
        with located(f"node {node}"):
            beta = _beta(of_cell.edges, node, source)
            with located(f"source {source}"):
                check_finite(alphas)
        # In the softmax of betas, all of a node have one denominator.
        weights = log_weights(alphas, sampler) if alphas else {}
        found += [
            Candidate(node, source, operation, weight + beta)
            for operation, weight in weights.items()
            if operation != NONE
        ]
    return found


def _strongest(candidates, node, edges_per_node):
    """Returns the best candidate of each of the strongest edges of a node."""
    # Between equals the lower source and the first name win.
    ranked = sorted(
        (each for each in candidates if each.node == node),
        key=lambda each: (-each.log_weight, each.source, each.operation),
    )
    by_source = {}
    for each in ranked:
        by_source.setdefault(each.source, each)
    if len(by_source) < edges_per_node:
        raise InputError(
            f"node {node}: has {len(by_source)} edges with an operation other than "
            f"'{NONE}'; {edges_per_node} are to be kept."
        )
    kept = list(by_source.values())[:edges_per_node]
    return sorted(kept, key=lambda each: each.source)


def _beta(betas, node, source):
    """Returns the beta of an edge; 0 where edges are not normalized."""
    if betas is None:
        return 0.0
    with located(f"beta of source {source}"):
        if (node, source) not in betas:
            raise InputError("is missing; give each edge one.")
        check_finite({"beta": betas[node, source]})
    return float(betas[node, source])


def _attended(edge, attention, node):
    with located(f"node {node}"), located(f"attention on source {edge.source}"):
        alphas = attention.get((node, edge.source))
        if not alphas:
            raise InputError("is missing; give each edge alphas of its attention.")
        check_finite(alphas)
    chosen = min(alphas, key=lambda name: (-alphas[name], name != IDENTITY, name))
    return edge._replace(operation=attended_name(edge.operation, chosen))


def check_finite(alphas):
    """Raises `InputError` where an alpha, by its name, is not a finite number."""
    for name, alpha in alphas.items():
        if not math.isfinite(alpha):
            raise InputError(
                f"the alpha of '{name}' is {alpha}, not a finite number: the search "
                "diverged; search again with a lower learning rate."
            )
