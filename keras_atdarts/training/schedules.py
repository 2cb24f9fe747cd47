"""Schedules that change once an epoch, as those of the reference do."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_atdarts")
class EpochCosineDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Cosine from `initial` to `minimum` that changes once an epoch.

    Args:
        initial: Float, the rate of the first epoch.
        epochs: Integer; the rate would reach `minimum` in the epoch after the last.
        steps_per_epoch: Integer.
        minimum: Float.

    Reference:
        Loshchilov, Hutter, SGDR, ICLR 2017, https://arxiv.org/abs/1608.03983
    """

    def __init__(self, initial, epochs, steps_per_epoch, minimum=0.0):
        self.initial = initial
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.minimum = minimum

    def __call__(self, step):
        epoch = ops.cast(ops.floor_divide(step, self.steps_per_epoch), "float32")
        progress = ops.minimum(epoch / self.epochs, 1.0)
        factor = 0.5 * (1 + ops.cos(3.141592653589793 * progress))
        return self.minimum + (self.initial - self.minimum) * factor

    def get_config(self):
        return {
            "initial": self.initial,
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
            "minimum": self.minimum,
        }


@keras.saving.register_keras_serializable(package="keras_atdarts")
class EpochExponentialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`initial * factor ** epoch`, which changes once an epoch.

    Args:
        initial: Float, the rate of the first epoch.
        factor: Float, by which each epoch multiplies it.
        steps_per_epoch: Integer.
    """

    def __init__(self, initial, factor, steps_per_epoch):
        self.initial = initial
        self.factor = factor
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step):
        epoch = ops.cast(ops.floor_divide(step, self.steps_per_epoch), "float32")
        return self.initial * ops.power(self.factor, epoch)

    def get_config(self):
        return {
            "initial": self.initial,
            "factor": self.factor,
            "steps_per_epoch": self.steps_per_epoch,
        }


@keras.saving.register_keras_serializable(package="keras_atdarts")
class EpochLinear(keras.optimizers.schedules.LearningRateSchedule):
    """From `initial` in the first epoch evenly to `final` in the last.

    Args:
        initial: Float.
        final: Float.
        epochs: Integer.
        steps_per_epoch: Integer.
    """

    def __init__(self, initial, final, epochs, steps_per_epoch):
        self.initial = initial
        self.final = final
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step):
        epoch = ops.cast(ops.floor_divide(step, self.steps_per_epoch), "float32")
        progress = ops.minimum(epoch / max(self.epochs - 1, 1), 1.0)
        return self.initial + (self.final - self.initial) * progress

    def get_config(self):
        return {
            "initial": self.initial,
            "final": self.final,
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
        }
