"""Callbacks that change from epoch to epoch what a training does."""

import keras

from keras_atdarts.layers.drop_path import DropPath


class AlphaWarmUp(keras.callbacks.Callback):
    """Leaves the alphas of a `Supernet` as they are for the first epochs.

    Alphas that learn beside untrained weights favour operations that have none, such
    as skip connections, which then starve the others. In these epochs nothing is
    computed of the alphas' batches; the metrics on them are nan.

    Args:
        epochs: Integer.

    Example:

    >>> supernet.fit(
    ...     batches, epochs=50, steps_per_epoch=390, callbacks=[AlphaWarmUp(15)]
    ... )

    Reference:
        Xu, Xie, Zhang, Chen, Qi, Tian, Xiong, PC-DARTS, ICLR 2020,
        https://arxiv.org/abs/1907.05737, section 4.2
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.model.learn_alphas(epoch >= self.epochs)


class DropPathSchedule(keras.callbacks.Callback):
    """Sets the rate of all `DropPath` layers to `rate * epoch / epochs`.

    Args:
        rate: Float in [0, 1), approached in the last epoch.
        epochs: Integer.

    Example:

    >>> network.fit(batches, epochs=600, callbacks=[DropPathSchedule(0.2, 600)])
    """

    def __init__(self, rate, epochs):
        super().__init__()
        self.rate = rate
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        for layer in drop_path_layers(self.model):
            layer.rate.assign(self.rate * epoch / self.epochs)


def drop_path_layers(model):
    """Yields the `DropPath` layers of a model and of the models inside it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from drop_path_layers(layer)
        elif isinstance(layer, DropPath):
            yield layer
