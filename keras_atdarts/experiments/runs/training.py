"""A search or a retraining, from its command line to the end of its last epoch."""

import contextlib

import keras

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.checkpoints import Checkpoints
from keras_atdarts.experiments.runs.fitting import Checkpointing
from keras_atdarts.experiments.runs.fitting import fit
from keras_atdarts.experiments.runs.flags import KEPT_CHECKPOINTS
from keras_atdarts.experiments.runs.records import drop_epochs_from
from keras_atdarts.experiments.runs.records import record_callbacks
from keras_atdarts.experiments.runs.runtime import fix_randomness
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.start import Start
from keras_atdarts.experiments.runs.training_config import load_dataset_of
from keras_atdarts.experiments.runs.training_state import TrainingState
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.experiments.runs.workers import Workers
from keras_atdarts.experiments.runs.workers import start_workers
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.text_forms import shown
from keras_atdarts.kernels.machine import note_missing_kernels


class Training(Start):
    """What search.py and retrain.py do alike, in this order.

    Args:
        arguments: What a parser with the flags of `add_run_flags` and
            `add_checkpoint_flags` returned.
        config: The `TrainingConfig` of the run.

    Attributes:
        checkpoint: The `Checkpoint` to go on from, or None.
        workers: The `Workers` of the run; this process alone until `opened`.

    Example:

    >>> training = Training(arguments, config)
    >>> if training.is_finished:
    ...     return training.say_finished()
    >>> with training.opened():
    ...     dataset = training.load_dataset()
    ...     with training.workers.strategy.scope():
    ...         model = ...  # Built and compiled.
    ...     training.ready(model, [model.optimizer], steps_per_epoch, dataset)
    ...     training.fit(model, batches_from)
    """

    def __init__(self, arguments, config):
        super().__init__(arguments, config)
        self.checkpoint = None
        self.workers = Workers()
        if arguments.resume and not self.is_finished:
            RunDirectory.check(self.run.path, overwrite=True)
            self.checkpoint = self._checkpoints().newest()

    @property
    def is_finished(self):
        """Whether there is nothing left to do."""
        return self.arguments.resume and not self.run.is_unfinished()

    @property
    def steps_done(self):
        """The steps that were done before this process."""
        return 0 if self.checkpoint is None else self.checkpoint.step

    def say_finished(self):
        """Says that there is nothing left to do."""
        print(f"The run in {self.run.path} is finished: nothing to resume.")

    def check_genotype(self, genotype):
        """Raises `InputError` where a retraining began with another genotype."""
        path = self.run.file(workdir.GENOTYPE)
        if not self.arguments.resume or not path.exists():
            return
        if Genotype.load(path) != genotype:
            raise InputError(
                f"The run in '{self.run.path}' began with another genotype; received "
                f"'{shown(self.arguments.genotype)}'. Give --genotype '{path}'."
            )

    def plan(self):
        """Returns a dict, ready for JSON, of what several workers must begin alike.

        Raises:
            InputError: Checkpoints within an epoch are asked for: what a metric
                has counted by then, each worker has for itself.
        """
        if self.arguments.checkpoint_steps is not None:
            raise InputError(
                "--checkpoint-steps needs a single machine; several save a checkpoint "
                "after each epoch. Leave it out, or unset TF_CONFIG."
            )
        step = None if self.checkpoint is None else self.checkpoint.step
        return {**self.config.to_dict(), "checkpoint": step}

    @contextlib.contextmanager
    def opened(self, **plan):
        """Makes TensorFlow and all workers ready; a stop within says how to go on.

        To be entered before TensorFlow runs anything. All workers leave together.

        Args:
            **plan: What else must be the same on all workers, ready for JSON.
        """
        config = self.config
        prepare_runtime(config.tf32, config.jit and config.jit_cache)
        keras.config.set_dtype_policy(config.precision)
        self.workers = start_workers(self, **plan)
        progress = self.run.progress
        with saying_when_interrupted(progress), self.workers.together(progress):
            yield
            self.workers.wait_for_all()

    def load_dataset(self):
        """Returns the `ImageDataset`; random numbers begin with the seed from here."""
        fix_randomness(self.config.seed, self.config.deterministic)
        note_missing_kernels()
        return load_dataset_of(self.config)

    def ready(self, model, optimizers, steps_per_epoch, dataset):
        """Makes the directory, and sets the model to the checkpoint, if there is one.

        Args:
            model: The built and compiled model.
            optimizers: List of its optimizers.
            steps_per_epoch: Integer.
            dataset: `ImageDataset`.
        """
        self.workers.open_run(self.run, lambda: self.begin(dataset.description()))
        self._save_checkpoints_of(model, optimizers, steps_per_epoch)
        if self.checkpoint is not None:
            self.checkpointing.restore(self.checkpoint)
            if self.workers.is_chief:
                drop_epochs_from(self.run, self.checkpoint.step // steps_per_epoch)
            num_steps = self.config.total_epochs * steps_per_epoch
            print(f"Resuming after step {self.checkpoint.step} of {num_steps}.")

    def go_on_with(self, model, optimizers):
        """Takes another model, which is trained from the step where the last one ended.

        Args:
            model: The built and compiled model.
            optimizers: List of its optimizers.
        """
        before = self.checkpointing
        self._save_checkpoints_of(model, optimizers, before.steps_per_epoch)
        self.checkpointing.step = before.step

    def _save_checkpoints_of(self, model, optimizers, steps_per_epoch):
        self.checkpointing = Checkpointing(
            self._checkpoints() if self.workers.is_chief else None,
            TrainingState(model, optimizers),
            steps_per_epoch,
            self.arguments.checkpoint_steps,
        )

    def begin(self, dataset_description=None):
        super().begin(dataset_description)
        if not self.arguments.resume:
            return
        if self.checkpoint is None:
            print(f"No checkpoint in {self.run.path} yet: starting again.")
            self.run.restart()
            self.run.write_config(self.config, dataset_description)
        else:
            self.run.add_resumption(self.checkpoint.step, self.config)

    def fit(self, model, batches_from, callbacks=(), of_chief=(), until=None):
        """Trains the model until its last epoch, or until a callback stops it.

        Args:
            model: The model that was given to `ready` or `go_on_with`.
            batches_from: See `fitting.fit`.
            callbacks: Callbacks of all workers.
            of_chief: Callbacks of the chief, which writes the run.
            until: Optional integer, the epoch to end before if not the last.
        """
        if self.workers.is_chief:
            callbacks = [*callbacks, *record_callbacks(self.run), *of_chief]
        epochs = self.config.total_epochs
        fit(model, batches_from, epochs, callbacks, self.checkpointing, until)

    def _checkpoints(self):
        keep = self.arguments.keep_checkpoints or KEPT_CHECKPOINTS
        return Checkpoints(self.run.file(workdir.CHECKPOINTS), keep)
