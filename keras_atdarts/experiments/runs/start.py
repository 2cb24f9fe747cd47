"""How a script begins its run: a new one, or one that was stopped and goes on."""

import dataclasses
import json
import pathlib
import sys

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.checkpoints import Checkpoints
from keras_atdarts.experiments.runs.fitting import Checkpointing
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.provenance import library_versions
from keras_atdarts.experiments.runs.records import drop_epochs_from
from keras_atdarts.experiments.runs.training_state import TrainingState
from keras_atdarts.experiments.runs.words import flag_name
from keras_atdarts.experiments.runs.words import flag_words
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype

# Where the data lie may change on the way; that they are the same is checked. All
# other settings decide the result, the number of devices too: each has batch norm
# statistics of its own part of the batch, and their sums round in another order.
FREE_SETTINGS = ("data_dir",)
KEPT_CHECKPOINTS = 2


def add_run_flags(parser, workdir_default=None):
    """Adds the flags that say where a run is and how it goes on after a stop.

    Args:
        parser: The script's parser.
        workdir_default: Optional string, the directory where the user gives none,
            made of the script's name and the time.
    """
    parser.add_argument(
        "--workdir",
        required=workdir_default is None,
        default=workdir_default,
        metavar="DIR",
        help="directory to write to"
        + (" (runs/, the script and the time)" if workdir_default else ""),
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the run that is in the directory",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in the directory, from its last checkpoint; all "
        "settings but --data-dir must be those it began with",
    )
    parser.add_argument(
        "--checkpoint-steps",
        type=positive_number,
        metavar="N",
        help="save a checkpoint every N steps too, not only after each epoch",
    )
    parser.add_argument(
        "--keep-checkpoints",
        type=positive_number,
        metavar="K",
        help=f"how many checkpoints to keep ({KEPT_CHECKPOINTS})",
    )


class Start:
    """What a run begins with; all that cannot work fails here, before long work.

    Args:
        arguments: What the parser returned.
        config: The `Config` of the run.

    Attributes:
        checkpoint: The `Checkpoint` to go on from, or None.
        finished: Boolean, whether there is nothing left to do.
    """

    def __init__(self, arguments, config):
        self.arguments = arguments
        self.config = config
        self.checkpoint = None
        self.finished = False
        if not arguments.resume:
            RunDirectory.check(arguments.workdir, arguments.overwrite)
            return
        if arguments.overwrite:
            raise InputError(
                "--resume goes on with a run and --overwrite removes it: give one."
            )
        run = existing_run(arguments.workdir)
        check_same_settings(run, config)
        warn_of_other_versions(run)
        self.finished = not run.is_unfinished()
        if not self.finished:
            RunDirectory.check(run.path, overwrite=True)
            self.checkpoint = self._checkpoints(run).newest()

    def say_finished(self):
        """Says that there is nothing left to do."""
        print(f"The run in {self.arguments.workdir} is finished: nothing to resume.")

    def check_genotype(self, genotype):
        """Raises `InputError` where a retraining began with another genotype."""
        path = pathlib.Path(self.arguments.workdir) / workdir.GENOTYPE
        if not self.arguments.resume or not path.exists():
            return
        if Genotype.load(path) != genotype:
            raise InputError(
                f"The run in '{self.arguments.workdir}' began with another genotype; "
                f"received '{self.arguments.genotype}'. Give --genotype '{path}'."
            )

    def run(self, dataset_description=None):
        """Returns the `RunDirectory`, ready to be written to.

        Args:
            dataset_description: Dict, from `ImageDataset.description`; None where
                the run reads no data.

        Raises:
            InputError: where it cannot be written, or the data are not the same.
        """
        if not self.arguments.resume:
            run = RunDirectory.create(self.arguments.workdir, self.arguments.overwrite)
            run.write_config(self.config, dataset_description)
            return run
        run = RunDirectory(self.arguments.workdir)
        check_same_data(run, dataset_description)
        if self.checkpoint is None:
            print(f"No checkpoint in {run.path} yet: starting again.")
            run.restart()
            run.write_config(self.config, dataset_description)
        else:
            run.add_resumption(self.checkpoint.step, self.config)
        return run

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

    def checkpointing(self, run, model, optimizers, steps_per_epoch, is_chief=True):
        """Returns what saves checkpoints; sets all to the one that there is.

        Args:
            run: The `RunDirectory` from `run`.
            model: The built and compiled model.
            optimizers: List of its optimizers.
            steps_per_epoch: Integer.
            is_chief: Boolean, False on the workers that write nothing.
        """
        checkpointing = Checkpointing(
            self._checkpoints(run) if is_chief else None,
            TrainingState(model, optimizers),
            steps_per_epoch,
            self.arguments.checkpoint_steps,
        )
        if self.checkpoint is not None:
            checkpointing.restore(self.checkpoint)
            if is_chief:
                drop_epochs_from(run, self.checkpoint.step // steps_per_epoch)
            num_steps = self.config.epochs * steps_per_epoch
            print(f"Resuming after step {self.checkpoint.step} of {num_steps}.")
        return checkpointing

    def _checkpoints(self, run):
        keep = self.arguments.keep_checkpoints or KEPT_CHECKPOINTS
        return Checkpoints(run.file(workdir.CHECKPOINTS), keep)


def existing_run(path):
    """Returns the `RunDirectory` of the run in `path`; raises `InputError` if none."""
    run = RunDirectory(path)
    if not run.file(workdir.CONFIG).exists():
        raise InputError(
            f"There is no run in '{path}' to resume. Give --workdir the directory of "
            "one, or leave out --resume to start one."
        )
    return run


def check_same_settings(run, config):
    """Raises `InputError` where a run began with other settings than `config`."""
    saved, _ = run.read_config(type(config))
    differences = [
        f"{flag_name(field.name)} (it began with "
        f"'{' '.join(flag_words(field.name, getattr(saved, field.name)))}', received "
        f"'{' '.join(flag_words(field.name, getattr(config, field.name)))}')"
        for field in dataclasses.fields(config)
        if field.name not in FREE_SETTINGS
        and getattr(saved, field.name) != getattr(config, field.name)
    ]
    raise_for(run, "settings", differences)


def check_same_data(run, description):
    """Raises `InputError` where a run began with other data than described."""
    saved = run.read_json(workdir.CONFIG)["dataset"]
    received = json.loads(json.dumps(description))
    if saved == received:
        return
    names = [name for name in received if saved.get(name) != received[name]]
    differences = [
        f"{name} (it began with {saved.get(name)}, received {received[name]})"
        for name in names
    ]
    raise_for(run, "data", differences)


def raise_for(run, what, differences):
    """Raises `InputError` where there are differences, each a text."""
    if differences:
        raise InputError(
            f"The run in '{run.path}' cannot go on with other {what}: "
            f"{', '.join(differences)}. Give those it began with, or another --workdir."
        )


def warn_of_other_versions(run):
    """Says on stderr which libraries have changed since a run began."""
    earlier = run.read_json(workdir.CONFIG).get("versions", {})
    changes = [
        f"{name} {earlier.get(name)}, now {version}"
        for name, version in library_versions().items()
        if earlier.get(name) != version
    ]
    if changes:
        print(
            f"Warning: the run began with {'; '.join(changes)}. It goes on, but may "
            "end with other numbers.",
            file=sys.stderr,
        )
