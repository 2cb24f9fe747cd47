"""How a supernet calls its cells."""

import tensorflow as tf

from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.kernels import Source


def call_cell(calls, cell, inputs, weights, training, kernels_learn):
    """Returns what `SearchCell.call` returns; in training by `SharedCalls`.

    Args:
        calls: `SharedCalls`.
        cell: `SearchCell`.
        inputs, weights, training, kernels_learn: See `SearchCell`.
    """
    states = cell.prepare(inputs, training, kernels_learn)
    if not training:
        return cell.connect(states, weights)
    kinds_of_weights = tuple(weights.present())

    def connect(kernels_learn, older, newer, *values):
        weights = CellAlphas(**dict(zip(kinds_of_weights, values, strict=True)))
        return cell.connect([older, newer], weights, True, kernels_learn)

    backend = Source(states[0], training=True).backend
    return calls(
        (cell.kind(states), type(backend)),
        cell.connections,
        connect,
        tf.cast(kernels_learn, cell.variable_dtype),
        *states,
        *weights.present().values(),
        weights_learn=tf.is_tensor(kernels_learn) or kernels_learn != 0,
    )
