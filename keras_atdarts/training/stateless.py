"""What layers do in training, as functions of tensors, and what that is good for.

Layers that are alike need to be traced only once, replicas too. XLA can compile such
a function. And activations need not be kept: the backward pass can compute them anew.

Reference:
    Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016,
    https://arxiv.org/abs/1604.06174
"""

import functools

import keras
import tensorflow as tf

from keras_atdarts.kernels.replicas import assign_here
from keras_atdarts.kernels.replicas import average_over_replicas
from keras_atdarts.kernels.traced import Traced
from keras_atdarts.layers.batch_normalization import is_synchronized
from keras_atdarts.training.compiled import Compiled
from keras_atdarts.training.compiled import Compiler


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
        return [values_of(self.trained), values_of(self.others)]

    def assign(self, values):
        """Assigns tensors to the variables that are not trained."""
        for variable, value in zip(self.others, values, strict=True):
            variable.assign(value)


def values_of(variables):
    """Returns the values of variables, as a list of tensors."""
    return [tf.convert_to_tensor(variable) for variable in variables]


def assigned_in_training(model):
    """Returns the variables that a model's layers assign to when they are called.

    Moving statistics, and the states of random numbers; not its metrics.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    return [each for each in model.non_trainable_variables if id(each) not in metrics]


def assign_moved(variables, values):
    """Assigns to variables what a step has computed for them; over replicas, the means.

    Args:
        variables: List of `keras.Variable`, see `assigned_in_training`.
        values: List of tensors, of this replica.
    """
    pairs = list(zip(variables, values, strict=True))
    floats = [pair for pair in pairs if pair[1].dtype.is_floating]
    others = [pair for pair in pairs if not pair[1].dtype.is_floating]
    means = average_over_replicas([value for _, value in floats])
    means = zip([variable for variable, _ in floats], means, strict=True)
    for variable, value in [*means, *others]:
        assign_here(variable, value)


class Stateless:
    """Layers in training as a function without side effects.

    It can be called with the variables of other layers than those it was made of,
    if they are alike.

    Args:
        variables: `Variables` of the layers.
        function: Function from tensors to a tensor, which calls the layers.
        traced: Boolean, whether it is `Traced`.
    """

    def __init__(self, variables, function, traced=False):
        self.variables = variables
        self.function = function
        self.run = self.plain_run
        self.gradient = self._gradient
        if traced:
            self.run = Traced(self.plain_run)
            self.gradient = Traced(self._gradient)

    def plain_run(self, weights, state, tensors):
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
            result, _ = self.plain_run(weights, state, tensors)
        return tape.gradient(result, [*weights, *tensors], upstream)


class SharedCalls:
    """Calls layers in training, those of one kind as one function.

    It is traced once for all of them, for all passes through the network and for all
    replicas. Eagerly, and where batch norms ask other replicas, layers are called as
    they are.

    Args:
        recompute: Boolean, whether the backward pass computes the activations within
            a call anew.
        jit_compile: Boolean, whether XLA compiles these functions.
    """

    def __init__(self, recompute=False, jit_compile=False):
        self.recompute = recompute
        self.jit_compile = jit_compile
        self._functions = {}
        self._compiled = {}
        self._compiler = Compiler()

    def __call__(self, kind, layers, function, *tensors, weights_learn=True):
        """Returns what the function returns.

        Args:
            kind: What layers have in common for which the function does the same, but
                for their variables; ready to be the key of a dictionary.
            layers: List of the layers that it calls.
            function: Function from tensors to a tensor.
            *tensors: Its arguments.
            weights_learn: Boolean, whether anybody asks for the gradients of weights.
        """
        traced = not (tf.executing_eagerly() or any(map(is_synchronized, layers)))
        if not (traced or self.recompute):
            return function(*tensors)
        variables = Variables(layers)
        counts = len(variables.trained), len(variables.others)
        key = (kind, counts) if traced else id(layers[0])
        if key not in self._functions:
            if self.recompute:
                function = in_compute_dtype(layers[0].dtype_policy, function)
            self._functions[key] = Stateless(variables, function, traced)
        stateless = self._functions[key]
        if traced and self.jit_compile:
            compiled = self._compiled_for(key, stateless)
            values = *variables.values(), list(tensors)
            result, moved = compiled(*values, weights_learn)
            variables.assign(moved)
            return result
        call = recomputed if self.recompute else run
        return call(stateless, variables, *tensors)

    def _compiled_for(self, key, stateless):
        if key not in self._compiled:
            function = stateless.plain_run
            self._compiled[key] = Compiled(function, self._compiler, self.recompute)
        return self._compiled[key]

    def compile(self):
        """Returns when XLA has compiled what has been traced."""
        self._compiler.wait()


class Caller(keras.layers.Layer):
    """Calls a function as a layer does: with variables in the compute dtype."""

    def call(self, *, function):
        return function()


def in_compute_dtype(dtype_policy, function):
    """Returns a function in which variables are read as in layers of a dtype policy.

    The backward pass runs it outside of all layers, where Keras leaves variables of
    mixed policies in the variable dtype.
    """
    caller = Caller(dtype=dtype_policy)
    return lambda *tensors: caller(function=functools.partial(function, *tensors))


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
