"""Mixing weights of which some are decided: the supernet on its way to a genotype.

Reference:
    Wang, Cheng, Chen, Tang, Hsieh, Rethinking Architecture Selection in
    Differentiable NAS (DARTS-PT), ICLR 2021, https://arxiv.org/abs/2108.04392,
    section 4
"""

import numpy as np
import tensorflow as tf


class Projection:
    """Makes mixing weights one-hot where a choice is decided, and 0 where removed.

    `w' = scale * w + fixed`, with a scale of 1 on edges that are free and of 0 on the
    others. Both are variables: a step that is traced once sees every decision. Nothing
    is normalised anew: the weights of free edges stay as they are.

    Args:
        alphas: `SupernetAlphas`. Setting it as their `projection` puts it in force.

    Call arguments:
        weights: List of tensors, as of `SupernetAlphas.weights`.

    Call returns:
        List of tensors of the same shapes.
    """

    def __init__(self, alphas):
        self.places = alphas.places
        self._scales = [constant_like(x, 1) for x in alphas.variables]
        self._fixed = [constant_like(x, 0) for x in alphas.variables]

    def __call__(self, weights):
        parts = zip(weights, self._scales, self._fixed, strict=True)
        return [scale * x + fixed for x, scale, fixed in parts]

    def decide(self, place, edge, choice=None):
        """Gives all weight of an edge to one choice, or takes all from it.

        Args:
            place: Pair of kind and cell type, one of `places`.
            edge: Integer, the row.
            choice: Optional integer, the column; None removes the edge.
        """
        index = self.places.index(place)
        scale, fixed = np.array(self._scales[index]), np.array(self._fixed[index])
        scale[edge], fixed[edge] = 0, 0
        if choice is not None:
            fixed[edge, choice] = 1
        self._scales[index].assign(scale)
        self._fixed[index].assign(fixed)


def constant_like(variable, value):
    """Returns a variable that nothing learns, of one value everywhere."""
    initial = np.full(variable.shape, value, variable.dtype)
    return tf.Variable(initial, trainable=False)
