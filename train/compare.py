"""Compares ways to find networks: a study over seeds, at equal budget.

An arm of a study is a search space to search in (darts, at_darts,
channel_attention, spatial_attention), `random` (genotypes drawn by chance, without
any search), a published genotype, or a genotype file. For every arm and seed a
genotype is searched, its network trained from scratch, and evaluated on the test
images after its last epoch.

    python train/compare.py --workdir studies/a --arms darts at_darts random
    python train/compare.py --workdir studies/b --search-preset cpu --seeds 0 1 2 3
    python train/compare.py --workdir studies/c --search epochs=8 --retrain epochs=10
    python train/compare.py --workdir studies/d --arms random mine=runs/a/genotype.json

Stop it whenever you like: the same command goes on, and `--workdir` alone does, too.
Runs that are finished are not repeated. The results are in results.md (tables),
results.json and accuracy.svg; `--report-only` writes them of what is finished.
"""

import contextlib
import pathlib
import shlex
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts import atomic
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.training_config import load_dataset_of
from keras_atdarts.experiments.runs.workdir import saying_where
from keras_atdarts.experiments.runs.workers import refuse_workers
from keras_atdarts.experiments.study import directory as places
from keras_atdarts.experiments.study.chart import draw_accuracies
from keras_atdarts.experiments.study.directory import StudyDirectory
from keras_atdarts.experiments.study.execution import run_all
from keras_atdarts.experiments.study.execution import terminated_like_ctrl_c
from keras_atdarts.experiments.study.flags import DESCRIPTION_FLAGS
from keras_atdarts.experiments.study.flags import add_description_flags
from keras_atdarts.experiments.study.flags import add_execution_flags
from keras_atdarts.experiments.study.flags import check_together
from keras_atdarts.experiments.study.flags import describe
from keras_atdarts.experiments.study.flags import given
from keras_atdarts.experiments.study.on_ray import import_ray
from keras_atdarts.experiments.study.on_ray import run_all_on_ray
from keras_atdarts.experiments.study.results import collect
from keras_atdarts.experiments.study.tables import describe_study
from keras_atdarts.experiments.study.tables import show_accuracy
from keras_atdarts.experiments.study.tables import show_unfinished
from keras_atdarts.experiments.study.units import study_units
from keras_atdarts.kernels.machine import hide_gpus

EXIT_UNFINISHED = 1


def main(argv=None):
    arguments = parse_arguments(argv)
    directory = StudyDirectory(arguments.workdir)
    if arguments.report_only:
        report(directory, directory.description())
        return 0
    refuse_workers("A run of a study is that of one machine (for several give --ray)")
    if arguments.ray is not None:
        import_ray()
    if directory.exists() and not given(arguments, DESCRIPTION_FLAGS):
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
    add_directory_flag(parser, "--workdir", "directory of the study")
    add_description_flags(parser.add_argument_group("what is compared"))
    add_execution_flags(parser.add_argument_group("how it is carried out"))
    arguments = parser.parse_args(argv)
    check_together(arguments)
    return arguments


def check_data(description):
    """Opens the data once, before the first run, or raises `InputError`.

    Where they have to be downloaded, several runs would do it at the same time.
    """
    hide_gpus()  # Their memory is for the runs.
    load_imports(description.retrain.imports)  # Data sets may be the user's.
    load_dataset_of(description.retrain)


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
    claim = (arguments.ray_cpus or 1, arguments.ray_gpus or 0)
    return run_all_on_ray(units, scripts, arguments.ray or None, *claim)


def report(directory, description):
    """Writes the results of a study and says where they are."""
    results = collect(directory, description)
    with saying_where(directory.path):
        directory.write_json(places.RESULTS, results)
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
