"""Samplers: how the alphas of an edge become the weights of its candidates.

A sampler that draws at random draws once for each batch that is learned on: all
cells, all parts of the batch and all replicas see the same weights.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name

SMALLEST = 1e-20  # Of what is divided by, or has its logarithm taken.


class Draw(NamedTuple):
    """What random weights depend on, so that a step can be repeated.

    Args:
        seed: Integer tensor `(2,)`.
        step: Integer tensor, the steps that the weights have learned so far.
    """

    seed: object
    step: object


class Sampler:
    """Base of the samplers.

    Attributes:
        name: String, which `genotypes.mixing.LOG_WEIGHTS` knows too.
        is_random: Boolean, whether `sample` differs from `mean`.
    """

    name = None
    is_random = False

    def mean(self, alphas):
        """Returns the weights that stand for the alphas where nothing is drawn.

        Args:
            alphas: Tensor `(num_edges, num_choices)`.

        Returns:
            Tensor of the same shape.
        """
        raise NotImplementedError

    def sample(self, alphas, draw):
        """Returns the weights for a batch.

        Args:
            alphas: Tensor `(num_edges, num_choices)`.
            draw: `Draw`.
        """
        del draw
        return self.mean(alphas)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Softmax(Sampler):
    """`w_o = exp(alpha_o) / (sum over o' of exp(alpha_o'))`.

    Reference:
        Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
        equation 2
    """

    name = "softmax"

    def mean(self, alphas):
        return tf.nn.softmax(alphas, axis=-1)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Sigmoid(Sampler):
    """`w_o = 1 / (1 + exp(-alpha_o))`: operations do not take weight from each other.

    A skip connection then gains nothing by being added to the others. The regularizer
    `zero_one` drives the weights to 0 or 1.

    Reference:
        Chu, Zhou, Zhang, Li, Fair DARTS, ECCV 2020,
        https://arxiv.org/abs/1911.12126, equation 2
    """

    name = "sigmoid"

    def mean(self, alphas):
        return tf.sigmoid(alphas)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class GumbelSoftmax(Sampler):
    """One operation on each edge, drawn with the probabilities `softmax(alpha)`.

    With Gumbel noise `g`, the operation is that of the largest `alpha_o + g_o`, and
    the gradient is that of

        softmax((log softmax(alpha) + g) / temperature)

    Args:
        temperature: Float above 0, or a `LearningRateSchedule` of steps. The higher,
            the more do operations that were not drawn learn.

    Example:

    >>> cooling = EpochLinear(10.0, 0.1, epochs=250, steps_per_epoch=390)
    >>> supernet = Supernet(num_classes=10, sampler=GumbelSoftmax(cooling))

    Reference:
        Dong, Yang, Searching for a Robust Neural Architecture in Four GPU Hours
        (GDAS), CVPR 2019, https://arxiv.org/abs/1910.04465, equations 3 to 5
    """

    name = "gumbel_softmax"
    is_random = True

    def __init__(self, temperature=1.0):
        if not callable(temperature) and not temperature > 0:
            raise InputError(f"temperature must be above 0. Received: {temperature}.")
        self.temperature = temperature

    def mean(self, alphas):
        return tf.nn.softmax(alphas, axis=-1)

    def sample(self, alphas, draw):
        uniform = tf.random.stateless_uniform(
            alphas.shape, draw.seed, minval=SMALLEST, dtype=alphas.dtype
        )
        noise = -tf.math.log(-tf.math.log(uniform))
        logits = tf.nn.log_softmax(alphas, axis=-1) + noise
        soft = tf.nn.softmax(logits / value_at(self.temperature, draw, alphas.dtype))
        drawn = tf.one_hot(tf.argmax(soft, axis=-1), soft.shape[-1], dtype=soft.dtype)
        # Exactly 0 and 1, with the gradient of the softmax.
        return drawn + (soft - tf.stop_gradient(soft))

    def get_config(self):
        temperature = keras.saving.serialize_keras_object(self.temperature)
        return {"temperature": temperature}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["temperature"]))


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Dirichlet(Sampler):
    """Weights drawn from a Dirichlet distribution, `w ~ Dir(elu(alpha) + 1)`.

    The mean weight of an operation is its concentration in that of all; the spread
    makes the search explore. Gradients go through the draw.

    Reference:
        Chen, Wang, Cheng, Tang, Hsieh, DrNAS, ICLR 2021,
        https://arxiv.org/abs/2006.10355, section 3
    """

    name = "dirichlet"
    is_random = True

    def mean(self, alphas):
        return normalised(concentration(alphas))

    def sample(self, alphas, draw):
        gammas = tf.random.stateless_gamma(
            alphas.shape, draw.seed, concentration(alphas), dtype=alphas.dtype
        )
        return normalised(gammas)


def concentration(alphas):
    """Returns the concentrations of the Dirichlet distribution: 1 for alphas of 0."""
    return tf.maximum(tf.nn.elu(alphas) + 1, SMALLEST)


def normalised(values):
    """Returns positive values divided by the sum of their edge."""
    return values / tf.maximum(tf.reduce_sum(values, -1, keepdims=True), SMALLEST)


def value_at(number, draw, dtype):
    """Returns a number, or a schedule's value at the step of a `Draw`."""
    if callable(number):
        return tf.cast(number(draw.step), dtype)
    return tf.constant(number, dtype)


SAMPLERS = {each.name: each for each in (Softmax, Sigmoid, GumbelSoftmax, Dirichlet)}


def get_sampler(identifier):
    """Returns a sampler, given one, its name, or what Keras has saved of one.

    Raises:
        InputError: There is none of this name.
    """
    if isinstance(identifier, str):
        if identifier not in SAMPLERS:
            raise unknown_name("sampler", identifier, SAMPLERS)
        return SAMPLERS[identifier]()
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    return identifier
