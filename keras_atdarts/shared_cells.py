"""Search cells of one kind as calls of one function, which is traced once.

A supernet has few kinds of cells, and a step runs each of them more than once:
for the alphas and for the weights. Traced anew each time, its graph has several
times as many nodes, and all of them take time before the first step.
"""

import keras
import tensorflow as tf


class SharedCell:
    """The connections of the search cells of one kind, as a function of tensors.

    Args:
        cell: `SearchCell` whose code is traced; the others differ in their
            weights only.
        mix: Function from the list of alphas to the keyword arguments of
            `SearchCell.connect` for a cell of this type.
    """

    def __init__(self, cell, mix):
        self.cell = cell
        self.mix = mix
        self.function = tf.function(self._run, autograph=False)

    def __call__(self, cell, states, alphas):
        """Returns what `cell.connect` would in training.

        Args:
            cell: A `SearchCell` of this kind.
            states: List of the two tensors of `SearchCell.prepare`.
            alphas: List of tensors, the alphas of the supernet.
        """
        trained, others = variables_of(cell)
        output, moved = self.function(values(trained), values(others), states, alphas)
        for variable, value in zip(others, moved, strict=True):
            variable.assign(value)
        return output

    def _run(self, weights, statistics, states, alphas):
        trained, others = variables_of(self.cell)
        mapping = zip([*trained, *others], [*weights, *statistics], strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            output = self.cell.connect(states, **self.mix(alphas), training=True)
            # Without a gradient: none of their many outputs is differentiated.
            moved = [tf.stop_gradient(scope.get_current_value(v)) for v in others]
        return output, moved


def variables_of(cell):
    """Returns the trained and the other variables of a cell's connections."""
    layers = (*cell.mixed_operations, *cell.mixed_attentions)
    return (
        [variable for layer in layers for variable in layer.trainable_variables],
        [variable for layer in layers for variable in layer.non_trainable_variables],
    )


def values(variables):
    return [tf.convert_to_tensor(variable) for variable in variables]
