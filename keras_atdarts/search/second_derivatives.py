"""Which operations can be differentiated twice, as the exact second order needs."""

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.kernels import Source
from keras_atdarts.operations import build_operation

FILTERS = 4
SIZE = 4


def check_second_derivatives(operations):
    """Raises `InputError` for an operation without a second derivative.

    Each one is differentiated twice on a tiny image, at both strides.

    Args:
        operations: Iterable of names of registered operations.
    """
    for name in operations:
        for strides in (1, 2):
            try:
                differentiate_twice(
                    build_operation(name, FILTERS, strides, search=True)
                )
            except LookupError as error:  # TensorFlow's, of a missing gradient.
                raise InputError(
                    f"The operation '{name}' has no second derivative ({error}). "
                    "Leave it out of --operations, or use --hessian "
                    "finite_difference, which needs none."
                ) from error


def differentiate_twice(operation):
    """Differentiates a sum of squares by weights, and the result by its input."""
    x = tf.random.stateless_normal((2, SIZE, SIZE, FILTERS), (0, 0), dtype="float32")
    x = tf.cast(x, operation.compute_dtype)
    weights = tf.ones((1,), operation.variable_dtype)
    operation.build(x.shape)
    with tf.GradientTape() as outer:
        outer.watch([x, weights])
        with tf.GradientTape() as inner:
            inner.watch([x, weights])
            source = Source(x, training=True)
            y = source.backend.sum(operation.terms(source, weights))
            loss = tf.reduce_sum(y * y)
        watched = [x, *(v.value for v in operation.trainable_variables)]
        gradients = inner.gradient(loss, watched)
        squares = [tf.reduce_sum(g * g) for g in gradients if g is not None]
        total = tf.reduce_sum(squares)  # Of none there are none.
    outer.gradient(total, [weights, x])
