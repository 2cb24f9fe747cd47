"""Penalties on the alphas, which are added to the validation loss.

A regularizer is one function of the labelled alphas, here or in a file of your own:

    @register_regularizer("no_skips")
    def no_skips(alphas):
        return tf.reduce_sum(alphas["normal"].operations["skip_connect"])

`python train/search.py --regularizers no_skips=0.1 --import my_file.py` adds a tenth
of it; `no_skips=0:0.1` adds nothing in the first epoch and evenly more until the last.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.search.kept_operations import without_dropped
from keras_atdarts.search.samplers import concentration
from keras_atdarts.training.schedules import EpochLinear

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


class Penalty:
    """Base of the penalties on the alphas that have a strength.

    Args:
        name: String, for messages.
        strength: Float, or a `LearningRateSchedule` of steps.

    Raises:
        InputError: The strength is not finite.
    """

    def __init__(self, name, strength=1.0):
        if not callable(strength) and not math.isfinite(strength):
            raise InputError(
                f"The strength of the regularizer '{name}' must be a finite number. "
                f"Received: {strength}."
            )
        self.name = name
        self.strength = strength

    def penalty(self, alphas):
        """Returns the penalty of the labelled alphas at strength 1, a scalar."""
        raise NotImplementedError

    def __call__(self, alphas, step=0):
        penalty = self.penalty(alphas)
        if not callable(self.strength):
            return self.strength * penalty
        return tf.cast(self.strength(step), penalty.dtype) * penalty

    def get_config(self):
        strength = keras.saving.serialize_keras_object(self.strength)
        return {"name": self.name, "strength": strength}

    @classmethod
    def from_config(cls, config):
        strength = keras.saving.deserialize_keras_object(config.pop("strength"))
        return cls(**config, strength=strength)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Regularizer(Penalty):
    """A registered penalty, times its strength.

    Args:
        name: String.
        strength: Float, or a `LearningRateSchedule` of steps.

    Raises:
        InputError: There is no such regularizer, or the strength is not finite.
    """

    def __init__(self, name, strength=1.0):
        if name not in _REGISTRY:
            raise unknown_name("regularizer", name, _REGISTRY)
        super().__init__(name, strength)

    def penalty(self, alphas):
        return _REGISTRY[self.name](alphas)


def resolve_regularizers(words, epochs=1, steps_per_epoch=1):
    """Returns the regularizers that words such as `"skip_connections=0.1"` name.

    Args:
        words: Iterable of strings: a name, or a name, `=` and its strength, or that of
            the first epoch, `:` and that of the last.
        epochs: Integer, for strengths that change.
        steps_per_epoch: Integer, for strengths that change.

    Raises:
        InputError: A name is unknown or given twice, or a strength is no number.
    """
    regularizers = []
    for word in words:
        name, _, strength = word.partition("=")
        try:
            strengths = [float(each) for each in (strength or "1").split(":")]
            regularizers.append(
                Regularizer(name, changing(strengths, epochs, steps_per_epoch))
            )
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The strength of a regularizer must be a number, as in '{name}=0.1', "
                f"or that of the first and of the last epoch, as in '{name}=0:0.1'. "
                f"Received: '{word}'."
            ) from error
    names = [each.name for each in regularizers]
    if len(set(names)) < len(names):
        raise InputError(
            f"Regularizers must differ. Received: {', '.join(names)}. "
            "Give each one once, with the sum of its strengths."
        )
    return tuple(regularizers)


def changing(values, epochs, steps_per_epoch):
    """Returns the only one of some numbers, or the schedule from a first to a last.

    Raises:
        ValueError: There are more than two, or one is not finite.
    """
    if len(values) > 2 or not all(map(math.isfinite, values)):
        raise ValueError(f"Expected one or two finite numbers. Received: {values}.")
    if len(values) == 1:
        return values[0]
    return EpochLinear(*values, epochs, steps_per_epoch)


def choices_of(alphas):
    """Returns the `Choices` of operations and of attention of both types of cells."""
    return [
        choices
        for of_cell in alphas.values()
        for choices in (of_cell.operations, of_cell.attention)
        if choices is not None
    ]


def in_one_row(values, choices):
    """Returns what belongs to the `Choices` that are left, side by side.

    Args:
        values: Tensor `(num_edges, num_choices)`.
        choices: `Choices`.
    """
    values = tf.reshape(values, [-1])
    if choices.kept is None:
        return values
    return tf.gather(values, np.flatnonzero(choices.kept))


@register_regularizer("skip_connections")
def skip_connections(alphas):
    """The mean weight of skip connections on the edges of normal cells.

    Searches that collapse end in skip connections; this makes them dearer.
    """
    operations = alphas["normal"].operations
    if "skip_connect" not in operations:
        return tf.zeros((), operations.values.dtype)
    return tf.reduce_mean(operations.weights["skip_connect"])


@register_regularizer("beta_decay")
def beta_decay(alphas):
    """The mean over all edges of `log(sum over o of exp(alpha_o))`.

    Its gradient is the softmax itself: the heavier an operation, the more its alpha is
    lowered, so that none runs away. The reference lets the strength grow from 0 to 25.

    Reference:
        Ye, Li, Li, Ouyang, Beta-DARTS, CVPR 2022, https://arxiv.org/abs/2203.01665,
        equation 12
    """
    sums = [tf.reduce_logsumexp(x.values, axis=-1) for x in choices_of(alphas)]
    return tf.reduce_mean(tf.concat(sums, axis=0))


@register_regularizer("zero_one")
def zero_one(alphas):
    """`-1/N sum of (w - 1/2)^2` of all N weights: drives them from 1/2 to 0 or 1.

    Operations that were dropped do not count.

    Made for the sampler `sigmoid`. The paper takes 10 times it.

    Reference:
        Chu, Zhou, Zhang, Li, Fair DARTS, ECCV 2020, https://arxiv.org/abs/1911.12126,
        equation 4
    """
    values = [in_one_row(each.weights.values, each) for each in choices_of(alphas)]
    return -tf.reduce_mean((tf.concat(values, axis=0) - 0.5) ** 2)


@register_regularizer("dirichlet_distance")
def dirichlet_distance(alphas):
    """`KL(Dir(c) || Dir(1))` with `c = elu(alpha) + 1`, summed over all edges.

    Made for the sampler `dirichlet`: it holds the spread of the draws near that of the
    beginning. The reference takes 0.001 times it.

    Reference:
        Chen, Wang, Cheng, Tang, Hsieh, DrNAS, ICLR 2021,
        https://arxiv.org/abs/2006.10355, section 3.2
    """
    distances = []
    for choices in choices_of(alphas):
        c = concentration(choices.values)
        kept = choices.kept
        total = tf.reduce_sum(without_dropped(c, kept, 0), axis=-1, keepdims=True)
        c = without_dropped(c, kept, 1)  # Which adds nothing.
        slopes = tf.math.digamma(c) - tf.math.digamma(total)
        terms = (c - 1) * slopes - tf.math.lgamma(c)
        number = len(choices.names) if kept is None else kept.sum(axis=-1)
        number = tf.constant(number, c.dtype)
        distance = tf.math.lgamma(total[:, 0]) - tf.math.lgamma(number)
        distances.append(tf.reduce_sum(distance + tf.reduce_sum(terms, axis=-1)))
    return tf.add_n(distances)
