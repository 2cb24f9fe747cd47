"""Genotypes drawn by chance: what a search has to be better than.

Reference:
    Li, Talwalkar, Random Search and Reproducibility for Neural Architecture
    Search, UAI 2019, https://arxiv.org/abs/1902.07638; Liu, Simonyan, Yang, DARTS,
    ICLR 2019, https://arxiv.org/abs/1806.09055, section 3.3.
"""

import itertools
import math
import random

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import attended_name


def random_genotypes(operations, count, seed, attentions=(), num_nodes=4):
    """Returns different genotypes, each drawn uniformly from a search space.

    Every node reads two different sources, all pairs equally likely, each through
    an operation, all but `none` equally likely. After it comes one of the
    attentions or nothing, equally likely too.

    Args:
        operations: Names of the operations of the space.
        count: Integer, how many genotypes to draw.
        seed: Integer. The same seed draws the same genotypes; of two counts, the
            higher one begins with those of the lower one.
        attentions: Names of the attentions that may follow an operation, which
            make it `operation+attention`. Defaults to none.
        num_nodes: Integer, the intermediate nodes of a cell.

    Returns:
        A tuple of `count` different `Genotype`s.

    Raises:
        InputError: The space has fewer genotypes than that, or no operation.

    Example:

    >>> first, second = random_genotypes(["none", "skip_connect"], 2, seed=0)
    """
    candidates = edge_candidates(operations, attentions)
    choices = 2 * [node_choices(node, candidates) for node in range(num_nodes)]
    size = math.prod(map(len, choices))
    if count > size:
        raise InputError(
            f"The search space has {size:,} different genotypes; received {count:,} "
            f"to draw. Draw fewer (--samples), or from more operations (--operations)."
        )
    generator = random.Random(seed)
    drawn = {}  # Positions in `choices`, in the order in which they are drawn.
    while len(drawn) < count:
        drawn[tuple(generator.randrange(len(nodes)) for nodes in choices)] = None
    return tuple(_genotype(choices, positions) for positions in drawn)


def edge_candidates(operations, attentions=()):
    """Returns the names of all that an edge can be, as a tuple.

    Args:
        operations: Names of operations; `none` is left out.
        attentions: Names of the attentions that may follow an operation.
    """
    candidates = tuple(
        attended_name(operation, attention)
        for operation in operations
        if operation != NONE
        for attention in (IDENTITY, *attentions)
    )
    if not candidates:
        raise InputError(
            f"A genotype needs an operation other than '{NONE}'. "
            f"Received: {', '.join(operations) or 'no operation'}."
        )
    return candidates


def node_choices(node, candidates):
    """Returns all pairs of edges, ordered by source, that a node can have."""
    pairs = itertools.combinations(range(NUM_INPUTS + node), 2)
    return [
        (Edge(first, low), Edge(second, high))
        for low, high in pairs
        for first, second in itertools.product(candidates, repeat=2)
    ]


def _genotype(choices, positions):
    nodes = [pairs[place] for pairs, place in zip(choices, positions, strict=True)]
    num_nodes = len(nodes) // 2
    concat = range(NUM_INPUTS, NUM_INPUTS + num_nodes)
    return Genotype(
        normal=CellGenotype(nodes[:num_nodes], concat),
        reduction=CellGenotype(nodes[num_nodes:], concat),
    )
