"""Whether a graph that is being made is one in which convolutions learn.

The gradients of the alphas need none of the convolutions' kernels. What computes both
at once is told so, when it runs: the same function serves both.
"""

import contextlib

import tensorflow as tf

from keras_atdarts.kernels.constants import constant

_LEARNING = []  # What the blocks that are open have set, the innermost last.


def learning_of_kernels(dtype):
    """Returns a scalar: 0 if the gradients of kernels are not asked for."""
    [value] = _LEARNING[-1] if _LEARNING else [1.0]
    return tf.cast(value, dtype) if tf.is_tensor(value) else constant(value, dtype)


@contextlib.contextmanager
def kernels_learn(value):
    """Within the block, a scalar says whether convolutions' kernels have gradients.

    Args:
        value: Float or scalar tensor, 1 or 0.
    """
    entry = [value]
    _LEARNING.append(entry)
    try:
        yield
    finally:
        # Not the last one: the threads of several replicas leave in any order.
        _LEARNING[:] = [each for each in _LEARNING if each is not entry]


def kernels_fixed():
    """Within the block, `native.stage` leaves the gradients of its kernels zero."""
    return kernels_learn(0.0)
