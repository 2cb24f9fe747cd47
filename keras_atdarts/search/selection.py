"""Which operations and edges a trained supernet cannot do without.

A large alpha does not mean that an operation matters to the supernet: skip connections
have large ones and add little. Perturbation-based selection measures it. What lowers
the accuracy most when it is taken out is kept, one edge after the other, and between
the decisions the supernet learns to live with them.

Reference:
    Wang, Cheng, Chen, Tang, Hsieh, Rethinking Architecture Selection in
    Differentiable NAS (DARTS-PT), ICLR 2021, https://arxiv.org/abs/2108.04392,
    algorithm 1
"""

from typing import NamedTuple

import numpy as np

from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import attended_name
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.projection import Projection

EDGES_PER_NODE = 2


class Measured(NamedTuple):
    """What a supernet is worth without a candidate.

    Args:
        accuracy: Float between 0 and 1.
        loss: Float, which decides between equal accuracies.
    """

    accuracy: float
    loss: float

    @property
    def worth(self):
        """What is larger the better the supernet does without the candidate."""
        return self.accuracy, -self.loss


class Decision(NamedTuple):
    """What was measured of the candidates for one place in a cell, and chosen.

    Args:
        cell_type: String.
        kind: `"operations"` or `"attention"` of an edge, or `"edges"` of a node.
        node: Integer.
        source: Integer, of the edge; None for the edges of a node.
        measured: Dict from the candidate, a name or a source, to its `Measured`.
        chosen: Tuple: the name that is kept, or the sources.
    """

    cell_type: str
    kind: str
    node: int
    source: int
    measured: dict
    chosen: tuple


def plan_rounds(num_nodes, seed=0):
    """Returns the order in which edges, and then nodes, are decided.

    A round decides on one edge in each type of cell, or on the edges of one node, as in
    the code of the reference. Nodes with two edges keep them.

    Args:
        num_nodes: Integer.
        seed: Integer, of the order.

    Returns:
        List of dicts from cell type to `(node, source)`, where source is None in the
        rounds of nodes.
    """
    random = np.random.default_rng(seed)
    edges = cell_edges(num_nodes)
    first = 1 + EDGES_PER_NODE - NUM_INPUTS  # Nodes before it have no more edges.
    nodes = [(node, None) for node in range(first, num_nodes)]
    rounds = []
    for targets in (edges, nodes):
        orders = [random.permutation(len(targets)) for _ in CELL_TYPES]
        for places in zip(*orders, strict=True):
            chosen = [targets[place] for place in places]
            rounds.append(dict(zip(CELL_TYPES, chosen, strict=True)))
    return rounds


class PerturbationSelection:
    """Decides round by round; the projection of the supernet follows.

    Args:
        alphas: `SupernetAlphas` of a trained supernet. Once the selection is in force,
            its mixing weights follow what is decided.
        evaluate: Function of a list of arrays, mixing weights as of
            `SupernetAlphas.weights`, to `(accuracy, loss)`.
        seed: Integer, of the order.

    Attributes:
        decisions: List of all `Decision`s so far.

    Example:

    >>> evaluate = MixingEvaluation(supernet, validation_batches)
    >>> selection = PerturbationSelection(supernet.alphas, evaluate)
    >>> for number in range(selection.num_rounds):
    ...     selection.decide(number)
    ...     ...  # Train the supernet for a few epochs.
    >>> genotype = selection.genotype()
    """

    def __init__(self, alphas, evaluate, seed=0):
        self.alphas = alphas
        self.evaluate = evaluate
        self.decisions = []
        self._rounds = plan_rounds(alphas.num_nodes, seed)
        self._projection = Projection(alphas)

    @property
    def is_in_force(self):
        """Whether the supernet's mixing weights follow what is decided."""
        return self.alphas.projection is self._projection

    def put_in_force(self):
        """Makes them follow; a step that was traced before has to be traced again."""
        self.alphas.projection = self._projection

    @property
    def num_rounds(self):
        """How often `decide` is called until the genotype is complete."""
        return len(self._rounds)

    def decide(self, number):
        """Decides what a round of `plan_rounds` is about; returns its `Decision`s."""
        self.put_in_force()
        found = []
        for cell_type, (node, source) in self._rounds[number].items():
            if source is None:
                found.append(self._decide_node(cell_type, node))
                continue
            for kind in ("operations", "attention"):
                if getattr(self.alphas.choices, kind) is not None:
                    found.append(self._decide_edge(cell_type, kind, node, source))
        return found

    def follow(self, decision):
        """Takes a `Decision` over, such as one that an earlier process has made."""
        self.decisions.append(decision)
        cell_type, kind, node, source, _, chosen = decision
        if source is not None:
            column = getattr(self.alphas.choices, kind).index(chosen[0])
            self._projection.decide((kind, cell_type), self._row(node, source), column)
            return
        for source in set(range(NUM_INPUTS + node)) - set(chosen):
            for place in self._places_of_edge(cell_type):
                self._projection.decide(place, self._row(node, source))

    def genotype(self):
        """Returns the `Genotype` that was decided on, after the last round."""
        cells = {}
        for cell_type in CELL_TYPES:
            nodes = range(self.alphas.num_nodes)
            edges = [self._edges_of(cell_type, node) for node in nodes]
            concat = [NUM_INPUTS + node for node in nodes]
            cells[cell_type] = CellGenotype(edges, concat)
        return Genotype(**cells)

    def _decide_edge(self, cell_type, kind, node, source):
        place, row = (kind, cell_type), self._row(node, source)
        names = getattr(self.alphas.choices, kind)
        left = getattr(self.alphas.labelled()[cell_type], kind)[node, source]
        measured = {
            name: self._without([place], row, names.index(name))
            for name in left
            if name != NONE
        }
        chosen = min(measured, key=lambda name: measured[name].worth)
        decision = Decision(cell_type, kind, node, source, measured, (chosen,))
        self.follow(decision)
        return decision

    def _decide_node(self, cell_type, node):
        places = self._places_of_edge(cell_type)
        sources = range(NUM_INPUTS + node)
        measured = {
            source: self._without(places, self._row(node, source)) for source in sources
        }
        ranked = sorted(sources, key=lambda source: measured[source].worth)
        chosen = tuple(sorted(ranked[:EDGES_PER_NODE]))
        decision = Decision(cell_type, "edges", node, None, measured, chosen)
        self.follow(decision)
        return decision

    def _without(self, places, row, column=slice(None)):
        """Returns the `Measured` of the supernet with some weights at 0."""
        weights = [np.array(x) for x in self.alphas.weights()]
        for place in places:
            weights[self.alphas.places.index(place)][row, column] = 0
        return Measured(*map(float, self.evaluate(weights)))

    def _row(self, node, source):
        return self.alphas.edges.index((node, source))

    def _places_of_edge(self, cell_type):
        """The weights that an edge has as a whole."""
        places = [(kind, cell_type) for kind in ("operations", "edges")]
        return [place for place in places if place in self.alphas.places]

    def _edges_of(self, cell_type, node):
        """Returns the pairs of operation and source of a node."""
        chosen = {
            (each.kind, each.source): each.chosen
            for each in self.decisions
            if (each.cell_type, each.node) == (cell_type, node)
        }
        sources = chosen.get(("edges", None), range(EDGES_PER_NODE))
        edges = []
        for source in sources:
            [operation] = chosen["operations", source]
            [attention] = chosen.get(("attention", source), (IDENTITY,))
            edges.append((attended_name(operation, attention), source))
        return edges
