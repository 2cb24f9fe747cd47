"""What layers do in training, as functions of tensors, and what that is good for.

Layers that are alike need to be traced only once. And activations need not be
kept: the backward pass can compute them anew.

Reference:
    Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016,
    https://arxiv.org/abs/1604.06174
"""

import keras
import tensorflow as tf


class Variables:
    """The variables of some layers.

    Args:
        layers: Iterable of built `keras.layers.Layer`.
    """

    def __init__(self, layers):
        layers = list(layers)
        self.trained = [x for layer in layers for x in layer.trainable_variables]
        self.others = [x for layer in layers for x in layer.non_trainable_variables]

    def values(self):
        """Returns two lists of tensors: of the trained variables, and the others."""
        return [
            [tf.convert_to_tensor(variable) for variable in variables]
            for variables in (self.trained, self.others)
        ]

    def assign(self, values):
        """Assigns tensors to the variables that are not trained."""
        for variable, value in zip(self.others, values, strict=True):
            variable.assign(value)


class Stateless:
    """Layers in training as a function without side effects.

    It can be called with the variables of other layers than those it was made of,
    if they are alike.

    Args:
        variables: `Variables` of the layers.
        function: Function from tensors to a tensor, which calls the layers.
        traced: Boolean, whether it becomes a `tf.function`: traced once, however
            often it is called, and a single node of the graph around it.
    """

    def __init__(self, variables, function, traced=False):
        self.variables = variables
        self.function = function
        self.run = self._run
        self.gradient = self._gradient
        if traced:
            self.run = tf.function(self._run, autograph=False)
            self.gradient = tf.function(self._gradient, autograph=False)

    def _run(self, weights, state, tensors):
        """Returns the result, and the values that the other variables get."""
        variables = [*self.variables.trained, *self.variables.others]
        mapping = zip(variables, [*weights, *state], strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            result = self.function(*tensors)
        moved = [scope.get_current_value(each) for each in self.variables.others]
        # Otherwise each of these many outputs would ask for a gradient.
        return result, [tf.stop_gradient(value) for value in moved]

    def _gradient(self, weights, state, tensors, upstream):
        """Returns the gradients of weights and tensors."""
        # Not before it is needed: that would keep the activations as well.
        with tf.control_dependencies([upstream]):
            weights, tensors = tf.nest.map_structure(tf.identity, (weights, tensors))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weights, tensors])
            result, _ = self._run(weights, state, tensors)
        return tape.gradient(result, [*weights, *tensors], upstream)


def run(stateless, variables, *tensors):
    """Returns the function's result for layers, whose state it moves.

    Args:
        stateless: `Stateless` of these layers, or of layers that are alike.
        variables: `Variables` of the layers.
        *tensors: The function's arguments.
    """
    result, moved = stateless.run(*variables.values(), list(tensors))
    variables.assign(moved)
    return result


def recomputed(stateless, variables, *tensors):
    """`run`, keeping nothing but arguments and result for the backward pass.

    Unlike `tf.recompute_grad`, it runs side effects once: moving statistics move
    once a step, and the second computation draws the random numbers of the first.
    It also works where a `keras.StatelessScope` stands in for the layers' weights,
    and it can be differentiated twice.

    XLA would join both computations to one and keep the activations.
    """
    weights, state = variables.values()

    def parts(arguments):
        return list(arguments[: len(weights)]), list(arguments[len(weights) :])

    @tf.custom_gradient
    def forward(*arguments):
        # Watched by a tape, a traced function would return all its activations.
        weights, tensors = parts([tf.stop_gradient(each) for each in arguments])
        result, moved = stateless.run(weights, state, tensors)

        def gradient(upstream, *_):
            weights, tensors = parts(arguments)
            return stateless.gradient(weights, state, tensors, upstream)

        return (result, *moved), gradient

    result, *moved = forward(*weights, *tensors)
    variables.assign(moved)
    return result
