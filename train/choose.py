"""Chooses among the genotypes of several searches.

Each is trained briefly from scratch and judged on training images that are held
out; the test images stay untouched. This is the protocol of DARTS: search with
several seeds, then keep the best cell. A stopped choice goes on with --resume.

    python train/choose.py runs/a runs/b runs/c runs/d --workdir runs/choice
    python train/choose.py runs/random DARTS_V2 --seeds 3 --workdir runs/choice

A directory of a search stands for the genotype that it found, that of a random
search for all that it drew. Presets are those of retrain.py with fewer epochs.
"""

import pathlib
import subprocess
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.candidates import read_candidates
from keras_atdarts.experiments.runs.flags import add_run_flags
from keras_atdarts.experiments.runs.flags import changed_flags
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.flags import config_parser
from keras_atdarts.experiments.runs.flags import setting_words
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.script import EXIT_BAD_INPUT
from keras_atdarts.experiments.runs.script import EXIT_INTERRUPTED
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import resume_command
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.selection import Selection
from keras_atdarts.experiments.runs.selection import describe_selection
from keras_atdarts.experiments.runs.selection_config import SelectionConfig
from keras_atdarts.experiments.runs.start import Start
from keras_atdarts.experiments.runs.training_config import load_dataset_of
from keras_atdarts.experiments.runs.workers import refuse_workers
from keras_atdarts.operations import operation_names

# What of a choice the retraining of the best takes over.
FOR_RETRAINING = ("dataset", "data_dir", "image_size", "batch_size", "imports")
RETRAIN = pathlib.Path(__file__).with_name("retrain.py")


def main(argv=None):
    arguments = parse_arguments(argv)
    config = config_from_arguments(SelectionConfig, arguments)
    load_imports(config.imports)
    refuse_workers("A choice trains one network after another")
    candidates = read_candidates(arguments.genotypes, operation_names())
    selection = begin(arguments, config, candidates)
    for candidate, number in selection.trainings():
        if not selection.is_done(candidate, number):
            train(selection, candidate, number)
    finish(selection)
    print(f"Next: {retrain_command(selection, arguments.preset)}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = config_parser(SelectionConfig, __doc__, argv)
    parser.add_argument(
        "genotypes",
        nargs="+",
        metavar="GENOTYPE",
        help="directory of a search, file of a genotype, or name of a published one",
    )
    add_run_flags(parser)
    return parser.parse_args(argv)


def begin(arguments, config, candidates):
    """Returns the `Selection`, written or, with `--resume`, checked."""
    start = Start(arguments, config)
    selection = Selection(start.run, config, candidates)
    if arguments.resume:
        selection.check_same()
    start.begin(load_dataset_of(config).description())
    selection.write_candidates()
    return selection


def train(selection, candidate, number):
    """Trains a genotype in a process of its own, from where it was stopped."""
    run = selection.training(candidate, number)
    trainings = selection.trainings()
    place = trainings.index((candidate, number)) + 1
    print(f"\nTraining {place} of {len(trainings)}: {candidate.name}", flush=True)
    command = [
        sys.executable,
        str(RETRAIN),
        *training_words(selection, candidate, number),
    ]
    command += ["--resume" if run.file(workdir.CONFIG).exists() else "--overwrite"]
    try:
        done = run_process(command)
    except KeyboardInterrupt:
        raise interruption(selection) from None
    if done.returncode == EXIT_INTERRUPTED:
        raise interruption(selection)
    if done.returncode == EXIT_BAD_INPUT:
        *_, line = done.stderr.splitlines()
        message = line.removeprefix(f"{RETRAIN.name}: error: ")
        raise InputError(f"{candidate.name}: {message}")
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise RuntimeError(
            f"The training of {candidate.name} ended with exit code "
            f"{done.returncode}; {selection.progress()}"
        )


def run_process(command):
    """Returns a process that has ended, with what it wrote to stderr."""
    return subprocess.run(command, stderr=subprocess.PIPE, text=True)


def training_words(selection, candidate, number):
    """Returns the words that follow retrain.py for one training."""
    run = selection.training(candidate, number)
    return [
        *setting_words(selection.config.of_training(number)),
        *("--genotype", str(selection.genotype_path(candidate))),
        *("--workdir", str(run.path)),
    ]


def interruption(selection):
    """Returns the `KeyboardInterrupt` with what was finished and how to go on."""
    command = resume_command(selection.run.path)
    return KeyboardInterrupt(f"{selection.progress()} To go on: {command}")


def finish(selection):
    """Writes and prints which genotype is the best."""
    result = selection.result()
    run = selection.run
    best = next(each for each in selection.candidates if each.name == result["best"])
    run.write_json(workdir.SELECTION, result)
    best.genotype.save(run.file(workdir.GENOTYPE))
    run.mark_finished()
    print(f"\n{describe_selection(result)}\n\n{best.genotype}\n")
    print(f"Genotype: {run.file(workdir.GENOTYPE)}")


def retrain_command(selection, preset):
    """Returns the command that trains the chosen genotype on all training images."""
    run = selection.run
    return command_line(
        RETRAIN.name,
        "--genotype",
        run.file(workdir.GENOTYPE),
        *["--preset", preset],
        *changed_flags(
            selection.config, FOR_RETRAINING, SelectionConfig.preset(preset)
        ),
        "--workdir",
        f"{run.path}-net",
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
