"""Penalties on the alphas, which are added to the validation loss.

A regularizer is one function of the labelled alphas, here or in a file of your own:

    @register_regularizer("no_skips")
    def no_skips(alphas):
        return tf.reduce_sum(alphas["normal"].operations["skip_connect"])

`python train/search.py --regularizers no_skips=0.1 --import my_file.py` adds a tenth
of it.
"""

import math

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name

_REGISTRY = {}


def register_regularizer(name):
    """Decorator that makes a penalty on the alphas known under a name.

    The function takes `{"normal": CellAlphas, "reduction": CellAlphas}`, whose values
    are `search.alphas.Choices`, and returns a scalar tensor.

    Args:
        name: String, for the flag `--regularizers`.

    Raises:
        ValueError: The name is taken, or contains `=`.
    """
    if "=" in name:
        raise ValueError(f"A regularizer's name must not contain '='. Received: {name}")

    def register(function):
        if name in _REGISTRY:
            raise ValueError(
                f"A regularizer named '{name}' exists already. Choose another name."
            )
        _REGISTRY[name] = function
        return function

    return register


def regularizer_names():
    """Returns the names of all registered regularizers, as a sorted tuple."""
    return tuple(sorted(_REGISTRY))


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Regularizer:
    """A registered penalty, times its strength.

    Args:
        name: String.
        strength: Float.

    Raises:
        InputError: There is no such regularizer, or the strength is not finite.
    """

    def __init__(self, name, strength=1.0):
        if name not in _REGISTRY:
            raise unknown_name("regularizer", name, _REGISTRY)
        if not math.isfinite(strength):
            raise InputError(
                f"The strength of the regularizer '{name}' must be a finite number. "
                f"Received: {strength}."
            )
        self.name = name
        self.strength = strength

    def __call__(self, alphas):
        return self.strength * _REGISTRY[self.name](alphas)

    def get_config(self):
        return {"name": self.name, "strength": self.strength}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def resolve_regularizers(words):
    """Returns the regularizers that words such as `"skip_connections=0.1"` name.

    Args:
        words: Iterable of strings: a name, or a name, `=` and its strength.

    Raises:
        InputError: A name is unknown or given twice, or a strength is no number.
    """
    regularizers = []
    for word in words:
        name, _, strength = word.partition("=")
        try:
            regularizers.append(Regularizer(name, float(strength or "1")))
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The strength of a regularizer must be a number, as in '{name}=0.1'. "
                f"Received: '{word}'."
            ) from error
    names = [each.name for each in regularizers]
    if len(set(names)) < len(names):
        raise InputError(
            f"Regularizers must differ. Received: {', '.join(names)}. "
            "Give each one once, with the sum of its strengths."
        )
    return tuple(regularizers)


@register_regularizer("skip_connections")
def skip_connections(alphas):
    """The mean weight of skip connections on the edges of normal cells.

    Searches that collapse end in skip connections; this makes them dearer.
    """
    operations = alphas["normal"].operations
    if "skip_connect" not in operations:
        return tf.zeros((), operations.values.dtype)
    return tf.reduce_mean(operations.weights["skip_connect"])
