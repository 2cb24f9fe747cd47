"""Activations that the backward pass computes anew, instead of keeping them.

Reference:
    Chen, Xu, Zhang, Guestrin, Training Deep Nets with Sublinear Memory Cost, 2016,
    https://arxiv.org/abs/1604.06174
"""

import keras
import tensorflow as tf


def recomputed(layer, function, *tensors):
    """Returns `function(*tensors)`, of which only tensors and result are kept.

    Unlike `tf.recompute_grad`, it runs the layer's side effects once: moving
    statistics move once a step, and the second computation draws the random
    numbers of the first. It also works where a `keras.StatelessScope` stands in
    for the layer's weights, and it can be differentiated twice.

    XLA would join both computations to one and keep the activations.

    Args:
        layer: The `keras.layers.Layer` that holds all variables of `function`.
        function: Function from tensors to one tensor.
        *tensors: All that is differentiated by, but the layer's weights.
    """
    trained, others = layer.trainable_variables, layer.non_trainable_variables
    state = [tf.convert_to_tensor(variable) for variable in others]

    def run(arguments):
        weights, tensors = arguments[: len(trained)], arguments[len(trained) :]
        mapping = zip([*trained, *others], [*weights, *state], strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            result = function(*tensors)
        return result, [scope.get_current_value(variable) for variable in others]

    @tf.custom_gradient
    def forward(*arguments):
        result, moved = run(arguments)

        def gradient(upstream, *_):
            # Not before it is needed: that would keep the activations as well.
            with tf.control_dependencies([upstream]):
                again = [tf.identity(argument) for argument in arguments]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(again)
                result, _ = run(again)
            return tape.gradient(result, again, upstream)

        return (result, *moved), gradient

    weights = [tf.convert_to_tensor(variable) for variable in trained]
    result, *moved = forward(*weights, *tensors)
    for variable, value in zip(others, moved, strict=True):
        variable.assign(value)
    return result
