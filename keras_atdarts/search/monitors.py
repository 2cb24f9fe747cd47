"""Callbacks that add to the logs of a search what it does not optimise.

They stand before the callbacks that record the logs.
"""

import keras

from keras_atdarts.search.curvature import Curvature

EIGENVALUE = "alpha_eigenvalue"  # These are names in the logs.
TEMPERATURE = "temperature"
PERTURBATION = "perturbation"
ANNEALED = (TEMPERATURE, PERTURBATION)


class EigenvalueMonitor(keras.callbacks.Callback):
    """Adds `alpha_eigenvalue` to the logs of each epoch, see `Curvature`.

    Args:
        batch: `(images, labels)` that alphas learn on, the same for all epochs.
    """

    def __init__(self, batch):
        super().__init__()
        self.batch = batch
        self.curvature = None

    def on_epoch_end(self, epoch, logs=None):
        if self.curvature is None:
            self.curvature = Curvature(self.model)
        logs[EIGENVALUE] = self.curvature(self.batch)


class AnnealingMonitor(keras.callbacks.Callback):
    """Adds what a search anneals to the logs: the values that each epoch had.

    These are the `temperature` of its sampler and the `perturbation` of its mixing
    weights, as far as it has them.
    """

    def on_epoch_end(self, epoch, logs=None):
        last_step = self.model.optimizer.iterations - 1
        for name, value in annealed(self.model).items():
            logs[name] = float(value(last_step) if callable(value) else value)


def annealed(supernet):
    """Returns the numbers, or schedules of steps, that a `Supernet` may anneal."""
    values = {
        TEMPERATURE: getattr(supernet.sampler, "temperature", None),
        PERTURBATION: getattr(supernet.perturbation, "epsilon", None),
    }
    return {name: value for name, value in values.items() if value is not None}
