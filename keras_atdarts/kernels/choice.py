"""The one place that chooses how cells are computed."""

import os

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.kernels.joined import Joined
from keras_atdarts.kernels.native.backend import Native
from keras_atdarts.kernels.native.library import native_library
from keras_atdarts.kernels.reference import Reference
from keras_atdarts.kernels.reference import Synchronized
from keras_atdarts.kernels.xla import is_compiled_by_xla

# To compare backends, and to count what another machine would run.
VARIABLE = "KERAS_ATDARTS_BACKEND"
BACKENDS = ("reference", "native", "joined")


def choose_backend(dtype, training, synchronized=False, kernels_learn=1.0):
    """Returns the backend for what is computed here and now.

    The first row that applies decides:

    | in                                            | backend        |
    |-----------------------------------------------|----------------|
    | inference                                     | `Reference`    |
    | batch norms that all replicas share           | `Synchronized` |
    | the environment variable's choice, if any     | that one       |
    | a process with GPUs                           | `Joined`       |
    | a graph that XLA compiles                     | `Reference`    |
    | float32 or float64, where there is a compiler | `Native`       |
    | anything else                                 | `Reference`    |

    The order of derivatives does not matter: `Native` has the second ones of
    `Reference`.

    Args:
        dtype: Dtype of what is computed.
        training: Boolean, whether batch norms use the statistics of the batch.
        synchronized: Boolean, whether that batch is the one of all replicas.
        kernels_learn: Float or scalar tensor; with 0 a backend may leave out the
            gradients of convolutions' kernels, which nobody asks for.

    Raises:
        InputError: The environment variable `KERAS_ATDARTS_BACKEND` names no
            backend, or `native` where nothing is compiled.
    """
    if not training:
        return Reference()
    if synchronized:
        return Synchronized()
    chosen = os.environ.get(VARIABLE)
    if chosen not in (None, "", *BACKENDS):
        raise unknown_name(VARIABLE, chosen, BACKENDS)
    if chosen == "native" and native_library() is None:
        raise InputError(
            f"{VARIABLE} is native, but nothing is compiled for this processor. "
            "Install the package again where there is a C++ compiler, or unset it."
        )
    if chosen == "joined" or not chosen and has_gpus():
        return Joined()
    if chosen != "reference" and _can_be_native(dtype):
        return Native(kernels_learn)
    return Reference()


def has_gpus():
    return bool(tf.config.list_logical_devices("GPU"))


def _can_be_native(dtype):
    known = tf.as_dtype(dtype) in (tf.float32, tf.float64)
    return known and native_library() is not None and not is_compiled_by_xla()
