"""The alphas of a supernet: variables, by cell type, kind and name.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.operations import place_attention
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.kept_operations import is_kept
from keras_atdarts.search.kept_operations import weights_of_kept
from keras_atdarts.search.kept_operations import without_dropped
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.mixing_weights import edge_weights
from keras_atdarts.search.samplers import Softmax

DEVIATION = 1e-3  # Of the initial values.


def search_choices(
    operations, attention_placement="among_operations", edge_normalization=False
):
    """Returns what each kind of alphas chooses from, a `CellAlphas` of tuples of names.

    Args:
        operations: See `Supernet`, as are the others.
        attention_placement: String.
        edge_normalization: Boolean.
    """
    mixed, attention = place_attention(
        resolve_operations(operations), attention_placement
    )
    return CellAlphas(
        operations=mixed,
        attention=(IDENTITY, *attention) if attention else None,
        edges=("edge",) if edge_normalization else None,
    )


class Choices:
    """The alphas of one kind, by the names of what they choose from.

    Args:
        names: Tuple of strings, the columns.
        values: Tensor `(num_edges, len(names))`, edges as in `cell_edges`.
        sampler: Optional `Sampler`, by which they become weights; by default softmax.
        kept: Optional boolean array like `values`: which choices are left on an edge.
            The alphas of others are -1e9, and their weights 0.

    Example:

    >>> operations = Choices(("none", "skip_connect"), values)
    >>> operations["skip_connect"]  # (num_edges,)
    >>> operations.weights["skip_connect"]  # Its weights, (num_edges,)
    """

    def __init__(self, names, values, sampler=None, kept=None):
        self.names = names
        self.values = without_dropped(tf.convert_to_tensor(values), kept)
        self.sampler = sampler or Softmax()
        self.kept = kept

    def __getitem__(self, name):
        if name not in self.names:
            raise unknown_name("choice", name, self.names)
        return self.values[:, self.names.index(name)]

    def __contains__(self, name):
        return name in self.names

    @property
    def weights(self):
        """The weights of the choices where nothing is drawn, as `Choices`."""
        weights = weights_of_kept(self.sampler.mean, self.values, self.kept)
        return Choices(self.names, weights, self.sampler)


class MixingWeights:
    """The mixing weights of all cells; a plain object, which Keras does not cast.

    Args:
        of_cells: `{cell type: CellAlphas of tensors}`.
    """

    def __init__(self, of_cells):
        self.of_cells = of_cells

    def __getitem__(self, cell_type):
        return self.of_cells[cell_type]


class SupernetAlphas:
    """The variables of all alphas of a supernet, and the weights they stand for.

    Args:
        choices: `CellAlphas` of tuples of names: what each kind chooses from.
        num_nodes: Integer.
        sampler: `Sampler`.
        add_weight: Function that makes a variable, as that of `keras.layers.Layer`.
        kept: Optional dict, what `kept_rows` returns. What was dropped keeps a column,
            whose alphas are never read.

    Attributes:
        variables: List of all variables, those of one kind before the next.
        places: List of the pair of kind and cell type of each variable.
        projection: Optional function of the list of mixing weights, see `Projection`.
    """

    def __init__(self, choices, num_nodes, sampler, add_weight, kept=None):
        self.choices = choices
        self.num_nodes = num_nodes
        self.sampler = sampler
        self.projection = None
        self.edges = cell_edges(num_nodes)
        self.places = [
            (kind, cell_type) for kind in choices.present() for cell_type in CELL_TYPES
        ]
        self._kept = [
            is_kept(kept[cell_type], choices.operations)
            if kept is not None and kind == "operations"
            else None
            for kind, cell_type in self.places
        ]
        self.variables = [
            add_weight(
                name=f"{cell_type}_{kind}_alphas",
                shape=(len(self.edges), len(getattr(choices, kind))),
                initializer=keras.initializers.RandomNormal(stddev=DEVIATION),
                autocast=False,
            )
            for kind, cell_type in self.places
        ]

    def weights(self, values=None, draw=None):
        """Returns the mixing weights, a list of tensors like `variables`.

        Args:
            values: Optional list of tensors to stand for the variables.
            draw: Optional `Draw`, for weights of a batch; by default the mean ones.
        """
        values = [tf.convert_to_tensor(x) for x in values or self.variables]
        weights = [
            self._weights(kind, x, kept, draw and fold_in(draw, index))
            for index, ((kind, _), x, kept) in enumerate(
                zip(self.places, values, self._kept, strict=True)
            )
        ]
        return self._projected(weights)

    def _projected(self, weights):
        return weights if self.projection is None else self.projection(weights)

    def _weights(self, kind, alphas, kept, draw):
        if kind == "edges":
            return edge_weights(alphas, self.num_nodes)
        function = self.sampler.mean
        if draw is not None:
            function = functools.partial(self.sampler.sample, draw=draw)
        return weights_of_kept(function, alphas, kept)

    def perturbed(self, weights, perturbation, draw):
        """Returns mixing weights, those of the edges aside, after a perturbation.

        Args:
            weights: List of tensors, as of `weights`.
            perturbation: Function of a tensor and a `Draw`.
            draw: `Draw`.
        """
        draw = fold_in(draw, len(weights))  # Other numbers than those of the sampler.
        weights = [
            x if kind == "edges" else perturbation(x, fold_in(draw, index))
            for index, ((kind, _), x) in enumerate(
                zip(self.places, weights, strict=True)
            )
        ]
        return self._projected(weights)  # What is decided is not perturbed.

    def by_cell(self, weights):
        """Returns the `MixingWeights` of a list of tensors, as of `weights`."""
        return MixingWeights(self._by_cell(weights))

    def named(self):
        """Returns `{cell type: CellAlphas of Choices}`, as regularizers take them."""
        return self._map(
            lambda kind, variable, kept: Choices(
                getattr(self.choices, kind), variable, self.sampler, kept
            )
        )

    def labelled(self):
        """Returns `{cell type: CellAlphas of dictionaries}`, see `CellAlphas`."""
        return self._map(self._labels)

    def _labels(self, kind, variable, kept):
        names, values = getattr(self.choices, kind), np.asarray(variable).tolist()
        if kind == "edges":  # One number for each.
            rows = [value for [value] in values]
        else:
            rows = [dict(zip(names, row, strict=True)) for row in values]
        if kept is not None:
            rows = [
                {name: row[name] for name in np.compress(left, names).tolist()}
                for row, left in zip(rows, kept, strict=True)
            ]
        return dict(zip(self.edges, rows, strict=True))

    def _map(self, function):
        parts = zip(self.places, self.variables, self._kept, strict=True)
        return self._by_cell([function(kind, x, kept) for (kind, _), x, kept in parts])

    def _by_cell(self, values):
        found = {cell_type: {} for cell_type in CELL_TYPES}
        for (kind, cell_type), value in zip(self.places, values, strict=True):
            found[cell_type][kind] = value
        return {cell_type: CellAlphas(**each) for cell_type, each in found.items()}


def fold_in(draw, number):
    """Returns a `Draw` of other random numbers."""
    seed = tf.random.experimental.stateless_fold_in(draw.seed, number)
    return draw._replace(seed=seed)
