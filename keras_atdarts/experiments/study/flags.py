"""The command line of a study."""

import pathlib

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import add_number_flag
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.study.arms import DRAWN
from keras_atdarts.experiments.study.arms import RANDOM
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.arms import parse_arm
from keras_atdarts.experiments.study.description import Description
from keras_atdarts.experiments.study.overrides import parse_overrides
from keras_atdarts.operations import SEARCH_SPACES

DEFAULT_ARMS = ("darts", "at_darts", RANDOM)
DEFAULT_SEEDS = (0, 1, 2)
# The flags that describe a study, and those that carry it out, by their names in the
# arguments. A flag that is not given is None there.
SHARED_FLAGS = ("dataset", "data_dir", "image_size", "imports")
DESCRIPTION_FLAGS = ("arms", "seeds", *SHARED_FLAGS)
DESCRIPTION_FLAGS += ("search_preset", "retrain_preset", "search", "retrain")
RAY_FLAGS = ("ray_cpus", "ray_gpus")
EXECUTION_FLAGS = ("jobs", "ray", *RAY_FLAGS)


def add_description_flags(group):
    """Adds the flags that say what is compared, and with which budget."""
    group.add_argument(
        "--arms",
        nargs="+",
        metavar="ARM",
        help=f"{', '.join(SEARCH_SPACES)}, {RANDOM}, a published genotype, a genotype "
        "file, NAME=FILE, or a search with settings of its own, such as 'beta: "
        f"operations=darts regularizers=beta_decay=0:25' ({' '.join(DEFAULT_ARMS)})",
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
    meaning = "runs at the same time on this machine; they share its cores (1)"
    add_number_flag(group, "--jobs", None, meaning)
    group.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="let Ray schedule the runs, on the cluster at this address, or without "
        "one on this machine; all machines need the same paths",
    )
    meaning = "cores of a machine that Ray reserves for each run (1)"
    add_number_flag(group, "--ray-cpus", None, meaning)
    meaning = "GPUs of a machine that Ray reserves for each run; without it, runs see "
    add_number_flag(group, "--ray-gpus", None, f"{meaning}none")
    group.add_argument(
        "--report-only",
        action="store_true",
        help="run nothing; write the results of the runs that are finished",
    )


def check_together(arguments):
    """Raises `InputError` for flags that would decide nothing beside others."""
    others = given(arguments, (*DESCRIPTION_FLAGS, *EXECUTION_FLAGS))
    if arguments.report_only and others:
        raise InputError(
            f"--report-only takes only --workdir; received {', '.join(others)}. Leave "
            "one or the other out."
        )
    if arguments.ray is not None and arguments.jobs is not None:
        raise InputError(
            "Ray schedules the runs; received --ray and --jobs. Leave one of them out."
        )
    if arguments.ray is None and (words := given(arguments, RAY_FLAGS)):
        raise InputError(f"{', '.join(words)} only counts with --ray. Add it.")


def given(arguments, names):
    """Returns the flags among `names` that the user gave."""
    return [flag_name(name) for name in names if getattr(arguments, name) is not None]


def describe(arguments):
    """Returns the `Description` of the study that the flags ask for."""
    load_imports(arguments.imports)
    arms = tuple(map(parse_arm, arguments.arms or DEFAULT_ARMS))
    shared = {}
    for name in SHARED_FLAGS:
        value = getattr(arguments, name)
        if value is not None:
            shared[name] = tuple(value) if isinstance(value, list) else value
    # Machines of a cluster, and later commands, work in other directories.
    if "data_dir" in shared:
        shared["data_dir"] = absolute(shared["data_dir"])
    if "/" in shared.get("dataset", ""):
        shared["dataset"] = absolute(shared["dataset"])
    searching = parse_overrides(SearchConfig, "--search", arguments.search or ())
    training = parse_overrides(RetrainConfig, "--retrain", arguments.retrain or ())
    preset = arguments.search_preset or "quick"
    check_search_counts(arms, arguments, searching)
    if arguments.retrain_preset:  # Then targets of searches count its network.
        searching = {"retrain_preset": arguments.retrain_preset, **searching}
    with located("--search"):
        search = SearchConfig.preset(preset, **searching, **shared)
    with located("--retrain"):
        preset = arguments.retrain_preset or search.retrain_preset
        retrain = RetrainConfig.preset(preset, **training, **shared)
    return Description(arms, tuple(arguments.seeds or DEFAULT_SEEDS), search, retrain)


def absolute(word):
    """Returns the path of a directory as absolute; another word as it is."""
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
