"""Optimizers, losses, accumulated gradients and recomputed activations."""

from keras_atdarts.training.losses import SmoothedCrossentropy
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam
from keras_atdarts.training.optimizers import EpochCosineDecay
from keras_atdarts.training.optimizers import EpochExponentialDecay

__all__ = [
    "Adam",
    "EpochCosineDecay",
    "EpochExponentialDecay",
    "SGD",
    "SmoothedCrossentropy",
]
