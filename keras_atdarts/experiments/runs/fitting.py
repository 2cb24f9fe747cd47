"""Training with `fit` that can go on from any step."""

import keras
import tensorflow as tf

from keras_atdarts.experiments.runs.checkpoints import Checkpoint
from keras_atdarts.experiments.runs.loop import fit_workers
from keras_atdarts.experiments.runs.loop import has_workers


class Checkpointing(keras.callbacks.Callback):
    """Saves checkpoints at the end of each epoch and, if asked, every few steps.

    It comes last among the callbacks: a checkpoint then says that whatever the
    others write at the end of an epoch is written.

    Args:
        checkpoints: A `Checkpoints`; None where another worker saves them.
        state: The `TrainingState` of the model in training.
        steps_per_epoch: Integer.
        every: Optional integer, a number of steps.
    """

    def __init__(self, checkpoints, state, steps_per_epoch, every=None):
        super().__init__()
        self.checkpoints = checkpoints
        self.state = state
        self.steps_per_epoch = steps_per_epoch
        self.every = every
        self.step = 0
        self.metrics = {}

    def restore(self, checkpoint):
        """Sets model and optimizers to a `Checkpoint`, before `fit` goes on."""
        self.state.restore(checkpoint.arrays)
        self.step = checkpoint.step
        self.metrics = checkpoint.arrays

    def on_epoch_begin(self, epoch, logs=None):
        # Not earlier: `fit` has only now cleared the metrics.
        self.state.restore_metrics(self.metrics)
        self.metrics = {}

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        inside_epoch = self.step % self.steps_per_epoch
        if self.every and inside_epoch and self.step % self.every == 0:
            self._save(with_metrics=True)

    def on_epoch_end(self, epoch, logs=None):
        # A callback may have stopped it within the epoch.
        self._save(with_metrics=self.step % self.steps_per_epoch > 0)

    def _save(self, with_metrics):
        if self.checkpoints is None:
            return
        arrays = self.state.arrays(with_metrics)
        self.checkpoints.save(Checkpoint(self.step, arrays))


def fit(model, batches_from, epochs, callbacks, checkpointing, until=None):
    """Trains a model as `fit` does, from the step that `checkpointing` is at.

    It ends early where a callback sets `model.stop_training`: on one machine after
    the step, on several after the epoch. Such a training counts as finished.

    Args:
        model: A compiled `keras.Model`.
        batches_from: Function from the number of batches that are used already to
            the infinite `tf.data.Dataset` of those that follow.
        epochs: Integer, the epochs of the whole training.
        callbacks: List of callbacks.
        checkpointing: A `Checkpointing`.
        until: Optional integer, the epoch to end before where that is not the last.
    """
    parts = parts_of_training(
        checkpointing.step, checkpointing.steps_per_epoch, until or epochs
    )
    for first_epoch, end, steps in parts:
        listed = keras.callbacks.CallbackList(
            [*callbacks, checkpointing],
            add_history=True,  # Which `fit` returns.
            model=model,
            epochs=epochs,  # Of all parts, for the progress bar to show.
            steps=steps,
            verbose=1,
        )
        batches = batches_from(checkpointing.step)
        length = {"initial_epoch": first_epoch, "epochs": end, "steps_per_epoch": steps}
        if has_workers(model):
            fit_workers(model, batches, callbacks=listed, **length)
        else:
            # The batches are shuffled already.
            model.fit(batches, callbacks=listed, shuffle=False, **length)
        if model.stop_training:
            num_steps = epochs * checkpointing.steps_per_epoch
            print(
                f"A callback stopped the training after step {checkpointing.step} of "
                f"{num_steps}. It counts as finished."
            )
            return


def build_metrics(model):
    """Creates the variables of a compiled model's metrics, for a run to go on with.

    Without a strategy, `fit` would create them in its first step only, and with
    one before the first epoch begins. Each output has an integer label per sample.
    """
    if tf.distribute.has_strategy():
        return
    outputs = keras.tree.map_structure(
        lambda output: tf.zeros((1, *output.shape[1:]), output.dtype), model.output
    )
    labels = keras.tree.map_structure(lambda output: tf.zeros(1, tf.int32), outputs)
    model.compute_loss(y=labels, y_pred=outputs)
    model.compute_metrics(None, labels, outputs)


def parts_of_training(step, steps_per_epoch, epochs):
    """Returns what is left to do, where `fit` has one length for all its epochs.

    Returns:
        List of `(first epoch, epoch to end before, steps of each)`: the rest of an
        epoch, if one was going on, and the whole epochs.

    Example:

    >>> parts_of_training(step=25, steps_per_epoch=10, epochs=8)
    [(2, 3, 5), (3, 8, 10)]
    """
    epoch, done = divmod(step, steps_per_epoch)
    rest = [(epoch, epoch + 1, steps_per_epoch - done)] if done else []
    whole = (epoch + len(rest), epochs, steps_per_epoch)
    return rest + ([whole] if whole[0] < epochs else [])
