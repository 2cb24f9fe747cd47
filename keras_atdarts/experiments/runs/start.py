"""How a script begins what it writes: anew, or where it was stopped."""

import dataclasses
import json
import sys

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.provenance import library_versions
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.runs.settings import flag_words
from keras_atdarts.experiments.runs.workdir import RunDirectory

# These may differ when a run goes on: where the data and the user's code are now.
# All other settings decide the result, the number of devices too: each has batch norm
# statistics of its own part of the batch, and their sums round in another order.
FREE_SETTINGS = ("data_dir", "imports")


class Start:
    """The beginning of a run. What cannot work fails here, before long work.

    Args:
        arguments: What a parser with the flags of `add_run_flags` returned.
        config: The `Config` of the run.

    Attributes:
        run: The `RunDirectory`. Nothing is written to it before `begin`.

    Raises:
        InputError: The directory cannot be used, or its run began otherwise.
    """

    def __init__(self, arguments, config):
        self.arguments = arguments
        self.config = config
        self.run = RunDirectory(arguments.workdir)
        if not arguments.resume:
            RunDirectory.check(arguments.workdir, arguments.overwrite)
            return
        if arguments.overwrite:
            raise InputError(
                "--resume goes on with a run, --overwrite removes it; received both: "
                "give one."
            )
        if not self.run.file(workdir.CONFIG).exists():
            raise InputError(
                f"There is no run in '{arguments.workdir}' to resume. Give --workdir "
                "the directory of one, or leave out --resume to start one."
            )
        check_same_settings(self.run, config)
        warn_of_other_versions(self.run)

    def begin(self, dataset_description=None):
        """Makes the directory with its configuration; `--resume` checks the data.

        Args:
            dataset_description: Dict, from `ImageDataset.description`; None where
                the run reads no data.

        Raises:
            InputError: It cannot be written, or the data are not the same.
        """
        if self.arguments.resume:
            check_same_data(self.run, dataset_description)
        else:
            self.run.make(self.arguments.overwrite)
            self.run.write_config(self.config, dataset_description)


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
    refuse_differences("run", run, "settings", differences)


def check_same_data(run, description):
    """Raises `InputError` where a run began with other data than described."""
    saved = run.read_json(workdir.CONFIG)["dataset"] or {}
    received = json.loads(json.dumps(description)) or {}
    differences = [
        f"{name} (it began with {saved.get(name)}, received {value})"
        for name, value in received.items()
        if saved.get(name) != value
    ]
    refuse_differences("run", run, "data", differences)


def refuse_differences(kind, directory, what, differences):
    """Raises `InputError` where there are differences, each a text."""
    if differences:
        raise InputError(
            f"The {kind} in '{directory.path}' cannot go on with other {what}: "
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
