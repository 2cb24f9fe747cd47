"""Compares ways to find networks: a study over seeds, at equal budget.

An arm of a study is a search space to search in (darts, at_darts,
channel_attention, spatial_attention), `random` (genotypes drawn by chance, without
any search), a published genotype, or a genotype file. For every arm and seed a
genotype is searched, its network trained from scratch, and evaluated on the test
images after its last epoch.

    python train/compare.py --workdir studies/a --arms darts at_darts random
    python train/compare.py --workdir studies/b --search-preset cpu --retrain-preset cpu
        --search epochs=8 filters=8 --retrain epochs=10 filters=16 --seeds 0 1 2
    python train/compare.py --workdir studies/c --arms random mine=runs/a/genotype.json

Stop it whenever you like: the same command goes on, and `--workdir` alone does, too.
Runs that are finished are not repeated. The results are in results.md (tables),
results.json and accuracy.svg; `--report-only` writes them of what is finished.
"""

import contextlib
import pathlib
import shlex
import sys

import tensorflow as tf

from keras_atdarts.data import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.runs import atomic
from keras_atdarts.runs.flags import positive_number
from keras_atdarts.runs.flags import script_parser
from keras_atdarts.runs.retrain_config import RetrainConfig
from keras_atdarts.runs.script import command_line
from keras_atdarts.runs.script import run_script
from keras_atdarts.runs.script import saying_when_interrupted
from keras_atdarts.runs.search_config import RETRAIN_PRESETS_BY_SEARCH
from keras_atdarts.runs.search_config import SearchConfig
from keras_atdarts.runs.words import flag_name
from keras_atdarts.runs.workdir import saying_where
from keras_atdarts.study import directory as places
from keras_atdarts.study.arms import DRAWN
from keras_atdarts.study.arms import RANDOM
from keras_atdarts.study.arms import SEARCHED
from keras_atdarts.study.arms import parse_arm
from keras_atdarts.study.chart import draw_accuracies
from keras_atdarts.study.description import Description
from keras_atdarts.study.directory import StudyDirectory
from keras_atdarts.study.execution import run_all
from keras_atdarts.study.execution import terminated_like_ctrl_c
from keras_atdarts.study.on_ray import Claim
from keras_atdarts.study.on_ray import import_ray
from keras_atdarts.study.on_ray import run_all_on_ray
from keras_atdarts.study.overrides import make_config
from keras_atdarts.study.overrides import parse_overrides
from keras_atdarts.study.results import collect
from keras_atdarts.study.tables import describe_study
from keras_atdarts.study.tables import show_accuracy
from keras_atdarts.study.tables import show_unfinished
from keras_atdarts.study.units import study_units

EXIT_UNFINISHED = 1
DEFAULT_ARMS = ("darts", "at_darts", RANDOM)
DEFAULT_SEEDS = (0, 1, 2)
# What describes a study, and how it is carried out. None where it is not given.
OF_DESCRIPTION = (
    "arms",
    "seeds",
    "dataset",
    "data_dir",
    "image_size",
    "search_preset",
    "retrain_preset",
    "search",
    "retrain",
)
OF_RAY = ("ray_cpus", "ray_gpus")
OF_EXECUTION = ("jobs", "ray", *OF_RAY)


def main(argv=None):
    arguments = parse_arguments(argv)
    directory = StudyDirectory(arguments.workdir)
    if arguments.report_only:
        report(directory, directory.description())
        return 0
    if arguments.ray is not None:
        import_ray()
    if directory.exists() and not given(arguments, OF_DESCRIPTION):
        description = directory.description()
    else:
        description = describe(arguments)
        directory.check(description)
    units = study_units(directory, description)
    left = [unit for unit in units if not unit.is_done()]
    if left:
        check_data(description)
    directory.begin(description, shlex.join(sys.argv))
    print(f"{len(units)} runs, of which {len(units) - len(left)} are finished.")
    failures = carry_out(left, arguments, directory)
    report(directory, description)
    return EXIT_UNFINISHED if failures else 0


def parse_arguments(argv):
    """Returns the flags; those that cannot go together are refused."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "--workdir", required=True, metavar="DIR", help="directory of the study"
    )
    add_description_flags(parser.add_argument_group("what is compared"))
    add_execution_flags(parser.add_argument_group("how it is carried out"))
    arguments = parser.parse_args(argv)
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
    return arguments


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


def given(arguments, names):
    """Returns the flags among `names` that the user gave."""
    return [flag_name(name) for name in names if getattr(arguments, name) is not None]


def describe(arguments):
    """Returns the `Description` of the study that the flags ask for."""
    arms = tuple(map(parse_arm, arguments.arms or DEFAULT_ARMS))
    shared = {
        "dataset": arguments.dataset,
        "data_dir": arguments.data_dir,
        "image_size": arguments.image_size and tuple(arguments.image_size),
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


def check_data(description):
    """Opens the data once, before the first run, or raises `InputError`.

    Where they have to be downloaded, several runs would do it at the same time.
    """
    # The memory of GPUs is for the runs.
    tf.config.set_visible_devices([], "GPU")
    config = description.retrain
    load_dataset(
        config.dataset,
        config.data_dir,
        config.image_size,
        central_fraction=config.central_fraction,
    )


def carry_out(units, arguments, directory):
    """Does what is left of a study; returns the `Outcome`s of what failed."""
    failures = []

    def progress():
        unfinished = [unit for unit in units if not unit.is_done()]
        command = command_line("compare.py", "--workdir", directory.path)
        return f"{len(unfinished)} runs are left. To go on: {command}"

    with terminated_like_ctrl_c(), saying_when_interrupted(progress):
        with contextlib.closing(outcomes_of(units, arguments)) as outcomes:
            for outcome in outcomes:
                if outcome.problem is None:
                    print(outcome, flush=True)
                else:
                    failures.append(outcome)
                    print(f"compare.py: {outcome}", file=sys.stderr, flush=True)
    return failures


def outcomes_of(units, arguments):
    """Carries out units where the flags say; returns a generator of `Outcome`s."""
    scripts = pathlib.Path(__file__).resolve().parent
    if arguments.ray is None:
        return run_all(units, scripts, arguments.jobs or 1)
    claim = Claim(arguments.ray_cpus or 1, arguments.ray_gpus or 0)
    return run_all_on_ray(units, scripts, arguments.ray or None, claim)


def report(directory, description):
    """Writes the results of a study and says where they are."""
    results = collect(directory, description)
    with saying_where(directory.path):
        atomic.write_json(directory.file(places.RESULTS), results)
        atomic.write_text(
            directory.file(places.CHART), draw_accuracies(results["arms"])
        )
        page = describe_study(results, places.CHART)
        atomic.write_text(directory.file(places.TABLES), page)
    print()
    for name, arm in results["arms"].items():
        count = len(arm["runs"])
        runs = "1 run" if count == 1 else f"{count} runs"
        print(f"{name}: {show_accuracy(arm['accuracy'])} ({runs})")
    for run in results["unfinished"]:
        print(f"Not finished: {show_unfinished(run)}")
    for name in (places.TABLES, places.RESULTS, places.CHART):
        print(f"Written to {directory.file(name)}")


if __name__ == "__main__":
    sys.exit(run_script(main))
