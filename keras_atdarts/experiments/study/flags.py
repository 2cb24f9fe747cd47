"""The command line of a study."""

import pathlib

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import RETRAIN_PRESETS_BY_SEARCH
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.study.arms import DRAWN
from keras_atdarts.experiments.study.arms import RANDOM
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.arms import parse_arm
from keras_atdarts.experiments.study.description import Description
from keras_atdarts.experiments.study.overrides import make_config
from keras_atdarts.experiments.study.overrides import parse_overrides
from keras_atdarts.operations import SEARCH_SPACES

DEFAULT_ARMS = ("darts", "at_darts", RANDOM)
DEFAULT_SEEDS = (0, 1, 2)
# What describes a study, and how it is carried out. None where it is not given.
OF_DESCRIPTION = (
    "arms",
    "seeds",
    "dataset",
    "data_dir",
    "image_size",
    "imports",
    "search_preset",
    "retrain_preset",
    "search",
    "retrain",
)
OF_RAY = ("ray_cpus", "ray_gpus")
OF_EXECUTION = ("jobs", "ray", *OF_RAY)


def add_description_flags(group):
    """Adds the flags that say what is compared, and with which budget."""
    group.add_argument(
        "--arms",
        nargs="+",
        metavar="ARM",
        help=f"{', '.join(SEARCH_SPACES)}, {RANDOM}, a published genotype, a genotype "
        f"file or NAME=FILE ({' '.join(DEFAULT_ARMS)})",
    )
    group.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="N",
        help="seeds of searches and trainings; each arm has one run with each "
        f"({' '.join(map(str, DEFAULT_SEEDS))})",
    )
    group.add_argument(
        "--dataset", metavar="NAME", help="of all runs (that of the presets)"
    )
    group.add_argument("--data-dir", metavar="DIR", help="where it is, see search.py")
    group.add_argument(
        "--image-size",
        nargs=2,
        type=positive_number,
        metavar=("HEIGHT", "WIDTH"),
        help="resize all images to this size",
    )
    add_import_flag(group, "those that the study has recorded")
    for script, what in (("search", "searches"), ("retrain", "trainings")):
        default = "quick" if script == "search" else "that of the same name"
        group.add_argument(
            f"--{script}-preset",
            metavar="NAME",
            help=f"preset of all {what}, see {script}.py --help ({default})",
        )
        group.add_argument(
            f"--{script}",
            nargs="+",
            metavar="NAME=VALUE",
            help=f"values that replace those of the preset in all {what}, such as "
            "epochs=8 filters=16 flip=off",
        )


def add_execution_flags(group):
    """Adds the flags that say where runs are carried out; they change no result."""
    group.add_argument(
        "--jobs",
        type=positive_number,
        metavar="N",
        help="runs at the same time on this machine; they share its cores (1)",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="let Ray schedule the runs, on the cluster at this address, or without "
        "one on this machine; all machines need the same paths",
    )
    group.add_argument(
        "--ray-cpus",
        type=positive_number,
        metavar="N",
        help="cores of a machine that Ray reserves for each run (1)",
    )
    group.add_argument(
        "--ray-gpus",
        type=positive_number,
        metavar="N",
        help="GPUs of a machine that Ray reserves for each run; without it, runs see "
        "none",
    )
    group.add_argument(
        "--report-only",
        action="store_true",
        help="run nothing; write the results of the runs that are finished",
    )


def check_together(arguments):
    """Raises `InputError` for flags that would be ignored beside others."""
    others = given(arguments, (*OF_DESCRIPTION, *OF_EXECUTION))
    if arguments.report_only and others:
        raise InputError(
            f"--report-only takes only --workdir; received {', '.join(others)}. Leave "
            "one or the other out."
        )
    if arguments.ray is not None and arguments.jobs is not None:
        raise InputError("--ray schedules the runs, so --jobs has no say: give one.")
    if arguments.ray is None and (words := given(arguments, OF_RAY)):
        raise InputError(f"{', '.join(words)} only counts with --ray. Add it.")


def given(arguments, names):
    """Returns the flags among `names` that the user gave."""
    return [flag_name(name) for name in names if getattr(arguments, name) is not None]


def describe(arguments):
    """Returns the `Description` of the study that the flags ask for."""
    load_imports(arguments.imports)
    arms = tuple(map(parse_arm, arguments.arms or DEFAULT_ARMS))
    shared = {
        "dataset": arguments.dataset,
        "data_dir": arguments.data_dir,
        "image_size": arguments.image_size and tuple(arguments.image_size),
        "imports": arguments.imports and tuple(arguments.imports),
    }
    # Machines of a cluster, and later commands, work in other directories.
    for name in ("dataset", "data_dir"):
        if shared[name] and (name == "data_dir" or "/" in shared[name]):
            shared[name] = absolute(shared[name])
    shared = {name: value for name, value in shared.items() if value is not None}
    searching = parse_overrides(SearchConfig, "--search", arguments.search or ())
    training = parse_overrides(RetrainConfig, "--retrain", arguments.retrain or ())
    preset = arguments.search_preset or "quick"
    same = RETRAIN_PRESETS_BY_SEARCH.get(preset, preset)
    check_search_counts(arms, arguments, searching)
    return Description(
        arms,
        tuple(arguments.seeds or DEFAULT_SEEDS),
        make_config(SearchConfig, "--search", preset, searching, shared),
        make_config(
            RetrainConfig,
            "--retrain",
            arguments.retrain_preset or same,
            training,
            shared,
        ),
    )


def absolute(word):
    """Returns a path as absolute; the name of a data set as it is."""
    path = pathlib.Path(word).expanduser()
    return str(path.absolute()) if path.is_dir() else word


def check_search_counts(arms, arguments, overrides):
    """Raises `InputError` where searches are described, and no arm has one."""
    kinds = {arm.kind for arm in arms}
    if SEARCHED in kinds:
        return
    counting = {"attention_placement"} if DRAWN in kinds else set()
    if arguments.search_preset or overrides.keys() - counting:
        raise InputError(
            "--search-preset and --search only count with an arm that is searched, "
            f"such as at_darts; received {', '.join(arm.name for arm in arms)}. Leave "
            "them out, or add such an arm."
        )
