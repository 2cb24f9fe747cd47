"""The alphas of a supernet: variables, by cell type, kind and name.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.2
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.search.mixing_weights import cell_edges

DEVIATION = 1e-3  # Of the initial values.


class Choices:
    """The alphas of one kind, by the names of what they choose from.

    Args:
        names: Tuple of strings, the columns.
        values: Tensor `(num_edges, len(names))`, edges as in `cell_edges`.

    Example:

    >>> operations = Choices(("none", "skip_connect"), values)
    >>> operations["skip_connect"]  # (num_edges,)
    >>> operations.weights["skip_connect"]  # The same, softmaxed.
    """

    def __init__(self, names, values):
        self.names = names
        self.values = tf.convert_to_tensor(values)

    def __getitem__(self, name):
        if name not in self.names:
            raise unknown_name("choice", name, self.names)
        return self.values[:, self.names.index(name)]

    def __contains__(self, name):
        return name in self.names

    @property
    def weights(self):
        """The softmaxed alphas, as `Choices`."""
        return Choices(self.names, tf.nn.softmax(self.values, axis=-1))


class SupernetAlphas:
    """The variables of all alphas of a supernet.

    Args:
        choices: `CellAlphas` of tuples of names: what each kind chooses from.
        num_nodes: Integer.
        add_weight: Function that makes a variable, as that of `keras.layers.Layer`.

    Attributes:
        variables: List of all variables, those of one kind before the next.
    """

    def __init__(self, choices, num_nodes, add_weight):
        self.choices = choices
        self.edges = cell_edges(num_nodes)
        self.variables = []
        by_kind = {}
        for kind, names in choices.present().items():
            by_kind[kind] = {}
            for cell_type in CELL_TYPES:
                by_kind[kind][cell_type] = add_weight(
                    name=f"{cell_type}_{kind}_alphas",
                    shape=(len(self.edges), len(names)),
                    initializer=keras.initializers.RandomNormal(stddev=DEVIATION),
                    autocast=False,
                )
            self.variables += by_kind[kind].values()
        self._of_cells = {
            cell_type: CellAlphas(
                **{kind: by_kind[kind][cell_type] for kind in by_kind}
            )
            for cell_type in CELL_TYPES
        }

    def tensors(self):
        """Returns `{cell type: CellAlphas of tensors}`."""
        return self._map(lambda kind, variable: tf.convert_to_tensor(variable))

    def named(self):
        """Returns `{cell type: CellAlphas of Choices}`, as regularizers take them."""
        return self._map(
            lambda kind, variable: Choices(getattr(self.choices, kind), variable)
        )

    def labelled(self):
        """Returns `{cell type: CellAlphas of dictionaries}`, see `CellAlphas`."""
        return self._map(self._labels)

    def _labels(self, kind, variable):
        names, values = getattr(self.choices, kind), np.asarray(variable).tolist()
        if kind == "edges":  # One number for each.
            rows = [value for [value] in values]
        else:
            rows = [dict(zip(names, row, strict=True)) for row in values]
        return dict(zip(self.edges, rows, strict=True))

    def _map(self, function):
        return {
            cell_type: CellAlphas(
                **{kind: function(kind, x) for kind, x in of_cell.present().items()}
            )
            for cell_type, of_cell in self._of_cells.items()
        }
