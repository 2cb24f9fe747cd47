"""Which operations the cells of genotypes have, and where they stand.

The questions of a study are counts over one list:

>>> choices = choices_of([Genotype.load("DARTS_V1"), Genotype.load("DARTS_V2")])
>>> skips = [choice for choice in choices if choice.operation == "skip_connect"]
>>> count_by(skips, "cell_type", "source_kind")
Counter({('reduction', 'node'): 6, ('normal', 'c_{k-2}'): 4, ('normal', 'node'): 1})
"""

import collections
import operator
from typing import NamedTuple

from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import source_name

EDGES_PER_NODE = 2
INTERMEDIATE = "node"
# From the nearest to the farthest: the previous cell, the one before, a node.
SOURCE_KINDS = (source_name(1), source_name(0), INTERMEDIATE)
ASPECTS = ("cell_type", "node", "source", "source_kind", "depth", "operation")


class Choice(NamedTuple):
    """One operation of a genotype, and where it stands.

    Args:
        cell_type: `"normal"` or `"reduction"`.
        node: Integer, the intermediate node it leads to, from 0.
        source: Integer, where its input comes from, see `Edge`.
        depth: Integer, how many edges the longest way from an input of the cell
            has that ends with this one; 1 at the inputs.
        operation: String. Of an operation that attention follows, both are a
            `Choice` of their own, in the same place.
    """

    cell_type: str
    node: int
    source: int
    depth: int
    operation: str

    @property
    def source_kind(self):
        """One of `SOURCE_KINDS`: `"c_{k-1}"`, `"c_{k-2}"` or `"node"`."""
        return source_kind(self.source)


def source_kind(source):
    """Returns which of `SOURCE_KINDS` a source, numbered as in `Edge`, is."""
    return source_name(source) if source < NUM_INPUTS else INTERMEDIATE


def choices_of(genotypes):
    """Returns all operations of several `Genotype`s as a list of `Choice`s."""
    return [
        Choice(cell_type, node, edge.source, depth[edge.source], operation)
        for genotype in genotypes
        for cell_type, cell in genotype.cells()
        for depth in [source_depths(cell)]
        for node, edges in enumerate(cell.nodes)
        for edge in edges
        for operation in edge.parts
    ]


def count_by(choices, *aspects):
    """Counts choices by what they have in common.

    Args:
        choices: Iterable of `Choice`s.
        *aspects: One or more of `ASPECTS`.

    Returns:
        `collections.Counter`. Its keys are values of the aspect, or of several
        aspects tuples of values.
    """
    return collections.Counter(map(operator.attrgetter(*aspects), choices))


def count_operation(cell, operation):
    """Returns on how many edges of a cell an operation stands, alone or attended."""
    return sum(operation in edge.parts for edges in cell.nodes for edge in edges)


def count_edges(cell):
    """Returns how many edges with an operation a `CellGenotype` has."""
    return sum(map(len, cell.nodes))


def source_depths(cell):
    """Returns a list of how deep in a cell an edge from each of its sources is.

    That is 1 for the inputs, and for a node one more than its deepest edge.
    """
    depths = [1] * NUM_INPUTS
    for edges in cell.nodes:
        depths.append(1 + max(depths[edge.source] for edge in edges))
    return depths


def source_kinds_by_chance(num_nodes=4):
    """Returns how many edges of a cell each kind of source has by chance.

    Where every node keeps two of its sources, all equally likely to be kept: what a
    count by source kind is to be compared with.

    Returns:
        Dict from each of `SOURCE_KINDS` to a float, the expected number.

    Example:

    >>> source_kinds_by_chance(num_nodes=2)
    {'c_{k-1}': 1.6666666666666665, 'c_{k-2}': 1.6666666666666665,
    'node': 0.6666666666666666}
    """
    expected = dict.fromkeys(SOURCE_KINDS, 0.0)
    for node in range(num_nodes):
        for source in range(NUM_INPUTS + node):
            expected[source_kind(source)] += EDGES_PER_NODE / (NUM_INPUTS + node)
    return expected
