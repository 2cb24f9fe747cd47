"""Functions that are traced once for all replicas."""

import tensorflow as tf


class Traced:
    """A function of nests of tensors that graphs call, traced once for all of them.

    `tf.function` alone would trace it for each device that calls it. Here it is traced
    outside of all devices and replicas, and computes where it is called. Eagerly it is
    the plain function.

    Args:
        function: Function from nests of tensors to one, without side effects. It must
            read no variables and tell other replicas nothing.
    """

    def __init__(self, function):
        self.function = function
        self._traced = tf.function(function, autograph=False)
        self._by_shapes = {}

    def __call__(self, *arguments):
        if tf.executing_eagerly():
            return self.function(*arguments)
        specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, arguments)
        shapes = tuple((each.shape, each.dtype) for each in tf.nest.flatten(specs))
        if shapes not in self._by_shapes:
            self._by_shapes[shapes] = self._traced.get_concrete_function(*specs)
        return self._by_shapes[shapes](*arguments)
