"""How a supernet in training calls its cells: traced once, recomputed where asked."""

import tensorflow as tf

from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.kernels import Source
from keras_atdarts.training.stateless import Stateless
from keras_atdarts.training.stateless import Variables
from keras_atdarts.training.stateless import recomputed
from keras_atdarts.training.stateless import run


class CellCalls:
    """Calls search cells, with the results that `SearchCell.call` has.

    Cells of one kind are calls of one function, which is traced once for all of
    them and for all passes through the network.

    Args:
        recompute: Boolean, whether the backward pass computes the activations within
            a cell anew.
    """

    def __init__(self, recompute=False):
        self.recompute = recompute
        self._functions = {}

    def __call__(self, cell, inputs, alphas, training, kernels_learn):
        states = cell.prepare(inputs, training, kernels_learn)
        traced = traces_cells()
        if not training or not (traced or self.recompute):
            return cell.connect(states, alphas, training, kernels_learn)
        function = self._function(cell, states, alphas, traced)
        call = recomputed if self.recompute else run
        kernels_learn = tf.cast(kernels_learn, cell.variable_dtype)
        values = alphas.present().values()
        variables = Variables(cell.connections)
        return call(function, variables, kernels_learn, *states, *values)

    def _function(self, cell, states, alphas, traced):
        """Returns the `Stateless` that does what the cell does between its states."""
        backend = Source(states[0], training=True).backend
        kind = cell.kind(states) if traced else cell.name, type(backend)
        if kind not in self._functions:
            kinds_of_alphas = tuple(alphas.present())

            def connect(kernels_learn, older, newer, *values):
                alphas = CellAlphas(**dict(zip(kinds_of_alphas, values, strict=True)))
                return cell.connect([older, newer], alphas, True, kernels_learn)

            variables = Variables(cell.connections)
            self._functions[kind] = Stateless(variables, connect, traced)
        return self._functions[kind]


def traces_cells():
    """Whether cells of one kind can be calls of one function.

    On several replicas it would have to be traced for each of them.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return replicas == 1 and not tf.executing_eagerly()
