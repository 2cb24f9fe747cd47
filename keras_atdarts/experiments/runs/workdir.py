"""The directory of a run: its files, its creation, its configuration."""

import contextlib
import errno
import json
import os
import pathlib
import shlex
import shutil
import sys
import tempfile

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.provenance import describe_provenance
from keras_atdarts.experiments.runs.provenance import now
from keras_atdarts.experiments.runs.script import resume_command

CONFIG = "config.json"
HISTORY = "history.csv"
RESOURCES = "resources.csv"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
SPLIT = "split.npz"
STAGES = "stages.json"
DECISIONS = "decisions.json"
ALPHAS = "alphas.json"
GENOTYPE = "genotype.json"
GENOTYPES = "genotypes"
CELLS = "cells"
SUPERNET = "supernet.keras"
NETWORK = "network.keras"
EVALUATION = "evaluation.json"
VALIDATION = "validation.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"
EXPLANATION = "explanation"
CANDIDATES = "candidates"
TRAININGS = "trainings"
SELECTION = "selection.json"

# All files of a run: every name above.
RUN_FILES = tuple(value for name, value in globals().items() if name.isupper())

FINISHED = "finished"  # In the configuration: when, or None.


class Directory:
    """A directory whose files are known by name."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def file(self, name):
        """Returns the path of the file `name`."""
        return self.path / name

    def write_json(self, name, value):
        """Writes `value` to the file `name`, atomically."""
        with saying_where(self.path):
            atomic.write_json(self.file(name), value)

    def read_json(self, name):
        """Returns what the file `name` holds.

        Raises:
            InputError: where it cannot be read or is not JSON.
        """
        try:
            return json.loads(self.file(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"Cannot read '{self.file(name)}': {error}. Expected the JSON that "
                "a script of this package writes."
            ) from error

    def read_optional_json(self, name):
        """Returns what the file `name` holds, or None where it is not there."""
        return self.read_json(name) if self.file(name).exists() else None


class RunDirectory(Directory):
    """The directory of one run. A new one comes from `make`, an earlier from `open`."""

    @classmethod
    def check(cls, path, overwrite=False):
        """Raises what `make` would raise, and changes nothing.

        For a script to ask before it prepares anything that takes long.
        """
        path = pathlib.Path(path).absolute()
        with saying_where(path):
            existing = next(
                place for place in (path, *path.parents) if os.path.lexists(place)
            )
            if not existing.is_dir():
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(existing, os.W_OK | os.X_OK):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            if existing == path and not overwrite:
                check_empty(path)

    def make(self, overwrite=False):
        """Makes the directory for a new run, and returns this.

        Args:
            overwrite: Boolean, whether the files of an earlier run in it are
                removed. Other files stay. Defaults to False.

        Raises:
            InputError: It is not empty or cannot be written.
        """
        make_folder(self.path)
        with saying_where(self.path):
            if overwrite:
                for name in RUN_FILES:
                    remove(self.file(name))
            else:
                check_empty(self.path)
            with tempfile.TemporaryFile(dir=self.path):
                return self

    @classmethod
    def open(cls, path, needs=(CONFIG,)):
        """Returns the directory of an earlier run.

        Args:
            path: Path of the directory.
            needs: Names of the files it must hold.

        Raises:
            InputError: where it is not there or lacks one of them.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise InputError(
                f"There is no run in '{path}': expected a directory with "
                f"{', '.join(needs)}."
            )
        for name in needs:
            if not run.file(name).exists():
                raise InputError(
                    f"'{path}' has no {name}: expected the directory of a finished "
                    "run. Finish it with --resume, or give another directory."
                )
        return run

    def restart(self):
        """Removes everything but the configuration of a run that goes from the start.

        Without its configuration, a process killed here would leave no run.
        """
        with saying_where(self.path):
            for name in RUN_FILES:
                if name != CONFIG:
                    remove(self.file(name))

    def write_genotypes(self, genotypes):
        """Writes the first of `genotypes` as the run's, and all with a number each."""
        genotypes[0].save(self.file(GENOTYPE))
        folder = self.file(GENOTYPES)
        with saying_where(folder):
            folder.mkdir()
        digits = max(2, len(str(len(genotypes) - 1)))
        for number, genotype in enumerate(genotypes):
            genotype.save(folder / f"{number:0{digits}}.json")

    def write_config(self, config, dataset_description=None):
        """Writes everything that decided this run, for later readers.

        Args:
            config: The run's `Config`.
            dataset_description: Dict, from `ImageDataset.description`; None where
                the run reads no data.
        """
        self.write_json(
            CONFIG,
            {
                "command": shlex.join(sys.argv),
                "kind": type(config).__name__,
                "config": config.to_dict(),
                "dataset": dataset_description,
                **describe_provenance(),
                FINISHED: None,
            },
        )

    def add_resumption(self, step, config):
        """Adds to the configuration that the run went on, and after which step.

        The `Config` it goes on with may differ in what decides nothing.
        """
        saved = self.read_json(CONFIG)
        resumption = {"step": step, **describe_provenance()}
        resumptions = [*saved.get("resumed", []), resumption]
        changes = {"config": config.to_dict(), "resumed": resumptions}
        self.write_json(CONFIG, {**saved, **changes})

    def mark_finished(self):
        """Notes in the configuration that all files of the run are written."""
        saved = self.read_json(CONFIG)
        self.write_json(CONFIG, {**saved, FINISHED: now()})

    def is_unfinished(self):
        """Returns whether there is a run that was stopped before its end."""
        try:
            saved = self.read_json(CONFIG)
        except InputError:
            return False
        return isinstance(saved, dict) and saved.get(FINISHED, "before") is None

    def read_config(self, *config_classes):
        """Returns the configuration, of one of the classes, and the data's description.

        Raises:
            InputError: where another kind of run, or none, wrote the file.
        """
        saved = self.read_json(CONFIG)
        classes = {each.__name__: each for each in config_classes}
        kind = saved.get("kind") if isinstance(saved, dict) else None
        if str(kind) not in classes:
            raise InputError(
                f"'{self.file(CONFIG)}' is of another kind of run: expected "
                f"{' or '.join(classes)}, received {kind}. Give another directory."
            )
        return classes[kind].from_dict(saved["config"]), saved["dataset"]

    def finished_epochs(self):
        """Returns how many epochs are finished."""
        history = self.file(HISTORY)
        lines = history.read_text("utf-8").splitlines() if history.exists() else [""]
        return len(lines) - 1

    def progress(self):
        """Returns how many epochs are finished, where, and how to go on."""
        count = self.finished_epochs()
        what = "1 finished epoch is" if count == 1 else f"{count} finished epochs are"
        command = resume_command(self.path)
        return f"{what} in {self.path}. To go on: {command}"


@contextlib.contextmanager
def saying_where(path):
    """Makes an `InputError` of what the system has against writing to `path`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write the run to '{path}': {error.strerror}. Give "
            "--workdir a directory that you may write to."
        ) from error


def make_folder(path):
    """Makes a directory and those above it, if need be."""
    with saying_where(path):
        path.mkdir(parents=True, exist_ok=True)


def check_empty(directory):
    """Raises `InputError` where something is in `directory`."""
    # What a process leaves that was killed while it began a run is nothing.
    if all(path.name.startswith(atomic.PARTIAL) for path in directory.iterdir()):
        return
    resuming = ""
    if RunDirectory(directory).is_unfinished():
        resuming = "add --resume to go on with the unfinished run in it, "
    raise InputError(
        f"'{directory}' is not empty. Give --workdir another directory, {resuming}or "
        "add --overwrite to replace the run in it."
    )


def remove(path):
    """Removes the file or directory `path`, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
