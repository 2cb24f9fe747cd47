"""Epochs at the start of a search that train the weights only.

Alphas that learn beside untrained weights favour operations that have none, as
skip connections; which then starve the others.

Reference:
    Xu, Xie, Zhang, Chen, Qi, Tian, Xiong, PC-DARTS, ICLR 2020,
    https://arxiv.org/abs/1907.05737, section 4.2
"""

import keras


class AlphaWarmUp(keras.callbacks.Callback):
    """Leaves the alphas of a `Supernet` as they are for the first epochs.

    Their steps do without a pass through the network. Of the alphas' batches nothing is
    computed then; the metrics on them are nan.

    Args:
        epochs: Integer.

    Example:

    >>> supernet.fit(
    ...     batches, epochs=50, steps_per_epoch=390, callbacks=[AlphaWarmUp(15)]
    ... )
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.model.learn_alphas(epoch >= self.epochs)
