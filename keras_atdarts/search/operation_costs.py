"""What each operation on each edge adds to the cost of the derived network."""

import dataclasses
import functools

import numpy as np

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.derivation import EDGES_PER_NODE
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.genotypes.derivation import SKIP
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.networks.derived import DerivedCell
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.multiply_adds import count_multiply_adds
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.networks.plan import edge_strides
from keras_atdarts.operations import build_operation
from keras_atdarts.search.mixing_weights import cell_edges

# Of a built layer or model, and the shape of its input.
MEASURES = {
    "multiply_adds": count_multiply_adds,
    "parameters": lambda layer, input_shape: count_parameters(layer),
}


@dataclasses.dataclass(frozen=True)
class OperationCosts:
    """The costs of all that a genotype can be made of, in the network made of it.

    Args:
        measure: String, a name in `MEASURES`.
        choices: `CellAlphas` of tuples of names, as `Supernet.choices`.
        fixed: Integer, what all genotypes have in common: the stem, the layers that
            bring inputs of cells to their size, the classifier.
        cells: `{cell type: CellAlphas of lists}`, for each edge, as in `cell_edges`,
            the costs of all choices, summed over the cells of the type. What attention
            costs that follows an operation comes on top of the operation's cost.
    """

    measure: str
    choices: CellAlphas
    fixed: int
    cells: dict

    @property
    def num_nodes(self):
        """The number of intermediate nodes of a cell."""
        edges = len(self.cells[CELL_TYPES[0]].operations)
        return next(n for n in range(1, edges + 1) if len(cell_edges(n)) == edges)

    def of_genotype(self, genotype):
        """Returns what the network of a `Genotype` of the search space costs."""
        rows = {edge: row for row, edge in enumerate(cell_edges(self.num_nodes))}
        total = self.fixed
        for cell_type, cell in genotype.cells():
            costs = self.cells[cell_type]
            for node, edges in enumerate(cell.nodes):
                for edge in edges:
                    row = rows[node, edge.source]
                    for kind, name in zip(CellAlphas._fields, edge.parts, strict=False):
                        place = getattr(self.choices, kind).index(name)
                        total += getattr(costs, kind)[row][place]
        return total

    def smallest(self):
        """Returns what the cheapest network of the search space costs."""
        names, total = self.choices.operations, self.fixed
        for costs in self.cells.values():
            by_node = [[] for _ in range(self.num_nodes)]
            rows = zip(cell_edges(self.num_nodes), costs.operations, strict=True)
            for (node, _), row in rows:
                # Attention need not follow: its identity is free.
                pairs = zip(names, row, strict=True)
                by_node[node].append(min(x for name, x in pairs if name != NONE))
            total += sum(sum(sorted(edges)[:EDGES_PER_NODE]) for edges in by_node)
        return total

    def get_config(self):
        """Returns the costs ready for JSON."""
        cells = {name: each.present() for name, each in self.cells.items()}
        config = {"measure": self.measure, "fixed": self.fixed, "cells": cells}
        return {**config, "choices": self.choices.present()}

    @classmethod
    def from_config(cls, config):
        """Returns the costs that `get_config` (through JSON) came from."""
        choices = {kind: tuple(names) for kind, names in config["choices"].items()}
        cells = {name: CellAlphas(**each) for name, each in config["cells"].items()}
        return cls(config["measure"], CellAlphas(**choices), config["fixed"], cells)


def operation_costs(
    measure,
    choices,
    input_shape,
    num_classes,
    filters=36,
    num_cells=20,
    stem="cifar",
    num_nodes=4,
):
    """Returns the `OperationCosts` of the networks that a search can end in.

    Every operation is built and counted in the shape that it has in the network, and
    so is a network of skip connections; what this costs beside them is what is fixed.

    Args:
        measure: `"multiply_adds"`, as `count_multiply_adds` has them, or
            `"parameters"`.
        choices: `CellAlphas` of tuples of names, as `Supernet.choices`.
        input_shape: See `build_network`, as are all that follow but `num_nodes`.
        num_classes: Integer.
        filters: Integer.
        num_cells: Integer.
        stem: String.
        num_nodes: Integer, the intermediate nodes of a cell.

    Raises:
        InputError: There is no such measure, the network cannot be built, or what one
            of the operations costs cannot be counted.

    Example:

    >>> costs = operation_costs("multiply_adds", supernet.choices, (32, 32, 3), 10)
    >>> costs.of_genotype(genotype), costs.smallest()
    """
    if measure not in MEASURES:
        raise unknown_name("measure of costs", measure, MEASURES)
    network = build_network(
        _skips(num_nodes), input_shape, num_classes, filters, num_cells, stem
    )
    of_operation = functools.cache(functools.partial(operation_cost, measure))
    fixed = MEASURES[measure](network, input_shape)
    edges = cell_edges(num_nodes)
    sums = {cell_type: choices.map(lambda _: 0) for cell_type in CELL_TYPES}
    cells = [layer for layer in network.layers if isinstance(layer, DerivedCell)]
    for cell, plan in zip(cells, cell_plan(num_cells, filters), strict=True):
        places = [_place(cell, plan.reduction, source) for _, source in edges]
        ends = [(cell.get_layer("node_0").output.shape[1:], 1)] * len(edges)
        fixed -= sum(
            of_operation(SKIP, *place)
            for (_, source), place in zip(edges, places, strict=True)
            if source < NUM_INPUTS
        )
        found = CellAlphas(
            _table(of_operation, choices.operations, places),
            choices.attention and _table(of_operation, choices.attention, ends),
        )
        sums[plan.cell_type] = CellAlphas(
            *(
                None if more is None else so_far + more
                for so_far, more in zip(sums[plan.cell_type], found, strict=True)
            )
        )
    lists = {name: each.map(np.ndarray.tolist) for name, each in sums.items()}
    return OperationCosts(measure, choices, fixed, lists)


def operation_cost(measure, name, shape, strides):
    """Returns what one operation costs.

    Args:
        measure: String, a name in `MEASURES`.
        name: String, of an operation; `identity` and `none` cost nothing.
        shape: Tuple `(height, width, channels)` of its input.
        strides: Integer.

    Raises:
        InputError: It cannot be counted.
    """
    if name in (IDENTITY, NONE):
        return 0
    layer = build_operation(name, shape[-1], strides)
    layer.build((None, *shape))
    try:
        return MEASURES[measure](layer, shape)
    except ValueError as error:
        raise InputError(
            f"The {measure} of the operation '{name}' are not known, so that they have "
            f"no target: {error}"
        ) from error


def _skips(num_nodes):
    """Returns the genotype with skip connections from both inputs to each node."""
    # Both, as node 0 of every genotype has them: else an input's layer is left out.
    edges = [Edge(SKIP, source) for source in range(NUM_INPUTS)]
    concat = range(NUM_INPUTS, NUM_INPUTS + num_nodes)
    cell = CellGenotype([edges] * num_nodes, concat)
    return Genotype(normal=cell, reduction=cell)


def _place(cell, reduction, source):
    """Returns the shape that an operation on an edge reads, and its strides."""
    name = f"input_{source}" if source < NUM_INPUTS else "node_0"
    return cell.get_layer(name).output.shape[1:], edge_strides(reduction, source)


def _table(of_operation, names, places):
    """Returns the costs of operations, an array `(num_edges, len(names))`."""
    return np.array([[of_operation(name, *at) for name in names] for at in places])
