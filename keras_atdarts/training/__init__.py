"""Optimizers, losses, accumulated gradients and recomputed activations."""

from keras_atdarts.training.callbacks import AlphaWarmUp
from keras_atdarts.training.callbacks import DropPathSchedule
from keras_atdarts.training.losses import SmoothedCrossentropy
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam
from keras_atdarts.training.optimizers import EpochCosineDecay
from keras_atdarts.training.optimizers import EpochExponentialDecay

__all__ = [
    "AlphaWarmUp",
    "DropPathSchedule",
    "Adam",
    "EpochCosineDecay",
    "EpochExponentialDecay",
    "SGD",
    "SmoothedCrossentropy",
]
