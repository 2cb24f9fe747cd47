"""Command-line flags: those made from a configuration's settings, and common ones."""

import argparse
import dataclasses
import pathlib
import re

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.imports import IMPORT_HELP
from keras_atdarts.experiments.runs.imports import absolute_import
from keras_atdarts.experiments.runs.imports import recorded_imports
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.runs.settings import flag_words
from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.genotypes.genotype import published_genotypes

DEFAULT_PRESET = "quick"
KEPT_CHECKPOINTS = 2
SCRIPT_COMMAND = re.compile(r"\bpython train/(?P<script>\w+\.py)")
TRAINED_HELP = "directory that retrain.py or import_weights.py wrote"
GENOTYPE_HELP = (
    "genotype.json of a search; what DARTS, a fork of it or NNI print, in a file or in "
    f"quotes; or a published genotype: {', '.join(published_genotypes())}"
)


class OneLineParser(argparse.ArgumentParser):
    """Argument parser whose complaints are `InputError`s, so one line long."""

    def error(self, message):
        raise InputError(f"{message}. See --help.")


def script_parser(description):
    """Returns a parser for a script's own flags; `--help` keeps its line breaks.

    Commands in the description are shown as they work here and now.
    """
    return OneLineParser(
        description=SCRIPT_COMMAND.sub(
            lambda found: command_line(found["script"]), description
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def config_parser(config_class, description, argv=None):
    """Returns a parser with `--preset` and one flag for each setting.

    The script adds its own flags to it, parses, and gives the result to
    `config_from_arguments`. `--help` shows the values of the chosen preset.

    Args:
        config_class: A sub-class of `Config`.
        description: String shown at the top of `--help`, line breaks kept.
        argv: The words of the command line. Defaults to those of the process.

    Example:

    >>> parser = config_parser(SearchConfig, "Searches a cell.", argv)
    >>> parser.add_argument("--workdir", required=True, help="where to write")
    >>> arguments = parser.parse_args(argv)
    >>> config = config_from_arguments(SearchConfig, arguments)
    """
    parser = script_parser(description)
    names = ", ".join(config_class.presets)
    shown = find_preset(argv)
    preset = config_class.preset(shown)
    parser.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME",
        help=f"a set of values for all settings below: {names} ({DEFAULT_PRESET}). "
        f"Each flag replaces one value. Shown in brackets: those of {shown}; "
        "for others add --preset NAME to --help",
    )
    add_setting_flags(parser, preset)
    return parser


def config_from_arguments(config_class, arguments):
    """Returns the preset's configuration with the flags that were given.

    With `--resume` and without `--import`, the run's own imports are taken.
    """
    given = given_settings(config_class, arguments)
    if getattr(arguments, "resume", False) and "imports" not in given:
        given["imports"] = recorded_imports(arguments.workdir)
    return config_class.preset(arguments.preset, **given)


def given_settings(config_class, arguments):
    """Returns a dict of the settings that were given by flags."""
    return {
        field.name: parse_words(field, getattr(arguments, field.name))
        for field in dataclasses.fields(config_class)
        if hasattr(arguments, field.name)
    }


def find_preset(argv):
    """Returns the preset that `argv` names; `--help` needs it before all else."""
    parser = OneLineParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    return parser.parse_known_args(argv)[0].preset


def add_setting_flags(parser, preset):
    """Adds a flag for each setting of the configuration `preset`."""
    groups = {}
    for field in dataclasses.fields(preset):
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        groups[title].add_argument(
            flag_name(field.name),
            dest=field.name,
            default=argparse.SUPPRESS,
            help=describe_setting(field, getattr(preset, field.name)),
            **flag_form(field),
        )


def describe_setting(field, value):
    """Returns the text that `--help` shows for a setting with a value."""
    beside = "".join(
        f"; only with {' '.join(flag_words(*condition))}"
        for condition in field.metadata["only_with"].items()
    )
    text = f"{field.metadata['help']}{beside} ({show_value(value)})"
    return text.replace("%", "%%")


def flag_form(field):
    """Returns the arguments of `add_argument` that depend on the kind of value."""
    kind = field.metadata["kind"]
    if field.type is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind.choices:
        return {"metavar": "{" + ",".join(kind.choices) + "}"}
    usual = {int: "N", float: "X"}.get(field.type, "NAME")
    metavar = field.metadata["metavar"] or usual
    return {"metavar": metavar, "nargs": "+" if kind.several else None}


def parse_words(field, words):
    """Returns the value that the user's words stand for.

    What cannot be parsed stays text: the configuration refuses it with the
    message that says what it expects.
    """
    kind = field.metadata["kind"]
    if field.type is bool:
        return words
    try:
        if not kind.several:
            return kind.parse(words)
        values = tuple(kind.parse(word) for word in words)
        return None if values == (None,) else values
    except ValueError:
        return " ".join(words) if kind.several else words


def changed_flags(config, names, preset):
    """Returns the words that make settings of another run what they are in `config`.

    What equals `preset`, the `Config` the user started from, is left out.
    """
    words = []
    for name in names:
        value = getattr(config, name)
        if value != getattr(preset, name):
            words += flag_words(name, value)
    return words


def setting_words(config):
    """Returns the words that give a script all settings of a configuration.

    What decides nothing beside the other settings is left out: the scripts would
    refuse it.
    """
    names = [
        field.name for field in dataclasses.fields(config) if config.counts(field.name)
    ]
    return changed_flags(config, names, type(config).preset(DEFAULT_PRESET))


def positive_number(word):
    """Returns the whole number above 0 that a flag's word stands for."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least 1; received '{word}'"
        )
    return int(word)


def add_number_flag(parser, flag, default, meaning):
    """Adds a flag that takes a whole number above 0; `--help` shows its default."""
    parser.add_argument(
        flag,
        type=positive_number,
        default=default,
        metavar="N",
        help=meaning if default is None else f"{meaning} ({default})",
    )


def add_directory_flag(parser, flag, meaning, **more):
    """Adds a flag that takes a directory: one to be given, unless it has a default."""
    more["required"] = "default" not in more
    parser.add_argument(flag, type=pathlib.Path, metavar="DIR", help=meaning, **more)


def add_import_flag(parser, otherwise="those that the run has recorded"):
    """Adds `--import`, for scripts without settings; see `imports.load_imports`."""
    parser.add_argument(
        "--import",
        dest="imports",
        nargs="+",
        type=absolute_import,
        metavar="FILE",
        help=f"{IMPORT_HELP} ({otherwise})",
    )


def add_run_flags(parser, workdir_default=None):
    """Adds the flags that say where a run is and how it begins.

    `workdir_default`, of the script's name and the time, is for users who give none.
    """
    if workdir_default is None:
        add_directory_flag(parser, "--workdir", "directory to write to")
    else:
        meaning = "directory to write to (runs/, the script and the time)"
        add_directory_flag(parser, "--workdir", meaning, default=workdir_default)
    add_overwrite_flag(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in the directory, where it was stopped; all settings "
        "but --data-dir and --import must be those it began with",
    )


def add_overwrite_flag(parser):
    """Adds the flag that lets a run take the place of an earlier one."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the run that is in the directory",
    )


def add_checkpoint_flags(parser):
    """Adds the flags that say which checkpoints a training saves."""
    meaning = "save a checkpoint every N steps too, not only after each epoch"
    add_number_flag(parser, "--checkpoint-steps", None, meaning)
    meaning = f"how many checkpoints to keep ({KEPT_CHECKPOINTS})"
    add_number_flag(parser, "--keep-checkpoints", None, meaning)
