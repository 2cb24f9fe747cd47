"""Searches that are interrupted within the test's process, and what is left of them."""

import keras
import numpy as np

from keras_atdarts.experiments.runs import checkpoints
from keras_atdarts.experiments.runs import workdir


class Interruption(keras.callbacks.Callback):
    """Interrupts the second step of an epoch, once the first is in a checkpoint.

    It stands in for the `AlphaWarmUp` of search.py.

    Args:
        epoch: Integer, from 0.
        learns: Function of an epoch, whether alphas learn in it; by default in all.
    """

    def __init__(self, epoch, learns=lambda epoch: True):
        super().__init__()
        self.interrupted = epoch
        self.learns = learns
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.model.learn_alphas(self.learns(epoch))

    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch == self.interrupted and batch == 1:
            raise KeyboardInterrupt


def assert_same_run(run, expected, names):
    """Asserts that two runs have the same files, and the same last checkpoint.

    Args:
        run: `RunDirectory`.
        expected: `RunDirectory`.
        names: Names of the text files.
    """
    for name in names:
        assert run.file(name).read_text() == expected.file(name).read_text(), name
    mine, other = (
        checkpoints.Checkpoints(each.file(workdir.CHECKPOINTS)).newest()
        for each in (run, expected)
    )
    assert mine.step == other.step
    assert mine.arrays.keys() == other.arrays.keys()
    for name, array in other.arrays.items():
        np.testing.assert_array_equal(mine.arrays[name], array)
