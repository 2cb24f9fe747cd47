"""Searches for a normal and a reduction cell.

Without arguments it searches for a few minutes on the images that come with the
package. Everything it writes is in the run's directory: genotype.json holds the
two cells, alphas.json how they came about, epoch by epoch.

    python train/search.py
    python train/search.py --dataset my_photos/ --image-size 64 64 --preset cpu
    python train/search.py --dataset cifar10 --preset paper --workdir runs/paper
    python train/search.py --strategy random --samples 8 --workdir runs/random

Presets: quick takes minutes on two cores and shows all steps; cpu takes up to an
hour on two cores and finds a cell worth keeping; paper is the search of the
AT-DARTS paper, darts and darts-second-order are those of DARTS, pc-darts is that of
PC-DARTS, for GPUs.

On several machines, start the same command on each, with TF_CONFIG set.
"""

import datetime
import itertools
import sys
import textwrap

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
import numpy as np

from keras_atdarts import atomic
from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import search_batches
from keras_atdarts.data.splits import search_split
from keras_atdarts.data.splits import steps_per_epoch
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.callbacks import GenotypeHistory
from keras_atdarts.experiments.runs.cost_targets import describe_cost
from keras_atdarts.experiments.runs.cost_targets import make_cost_targets
from keras_atdarts.experiments.runs.cost_targets import retrain_changes
from keras_atdarts.experiments.runs.flags import DEFAULT_PRESET
from keras_atdarts.experiments.runs.flags import add_checkpoint_flags
from keras_atdarts.experiments.runs.flags import add_run_flags
from keras_atdarts.experiments.runs.flags import changed_flags
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.flags import config_parser
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.perturbation_selection import make_selection_rounds
from keras_atdarts.experiments.runs.retrain_config import IMAGES_BY_PRESET
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.search_parts import check_single_machine
from keras_atdarts.experiments.runs.search_parts import derivation
from keras_atdarts.experiments.runs.search_parts import make_monitors
from keras_atdarts.experiments.runs.search_parts import make_stops
from keras_atdarts.experiments.runs.search_parts import make_supernet
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.runs.settings import flag_words
from keras_atdarts.experiments.runs.stages import check_stage_operations
from keras_atdarts.experiments.runs.stages import first_stage
from keras_atdarts.experiments.runs.training import Training
from keras_atdarts.experiments.runs.workers import refuse_workers
from keras_atdarts.genotypes.drawing import plot_genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import operation_names
from keras_atdarts.operations import place_attention
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.regularizers import resolve_regularizers
from keras_atdarts.search.second_derivatives import check_second_derivatives
from keras_atdarts.training.callbacks import AlphaWarmUp


def main(argv=None):
    arguments = parse_arguments(argv)
    config = config_from_arguments(SearchConfig, arguments)
    load_imports(config.imports)
    # Before the data, which may have to be downloaded.
    operations = resolve_operations(config.operations)
    parts = place_attention(operations, config.attention_placement)
    resolve_regularizers(config.regularizers or ())
    check_single_machine(config)
    check_stage_operations(config, parts[0])
    if config.strategy == "random":
        check_no_checkpoints(arguments)
    training = Training(arguments, config)
    run = training.run
    if training.is_finished:
        return training.say_finished()
    if config.strategy == "random":
        genotype = draw(config, *parts, training)
    else:
        genotype = learn(config, operations, training)
    if not training.workers.is_chief:
        return print(training.workers.farewell(run))
    with saying_when_interrupted(lambda: f"the genotype is in {run.path}."):
        report(genotype, run)
        run.mark_finished()
    print(f"Next: {retrain_command(config, arguments.preset, run)}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = config_parser(SearchConfig, __doc__, argv)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    add_run_flags(parser, workdir_default=f"runs/search-{now}")
    add_checkpoint_flags(parser)
    parser.epilog = textwrap.fill(
        f"--operations takes the name of a set: {', '.join(SEARCH_SPACES)}; or "
        f"several operations of {', '.join(operation_names())}. A single name that "
        "is both means the set."
    )
    return parser.parse_args(argv)


def check_no_checkpoints(arguments):
    """Raises `InputError` where a search by chance is to save checkpoints."""
    for name in ("checkpoint_steps", "keep_checkpoints"):
        if getattr(arguments, name) is not None:
            raise InputError(
                f"{flag_name(name)} only counts with --strategy gradient; received "
                "--strategy random, which trains nothing. Leave it out."
            )


def draw(config, operations, attentions, training):
    """Searches by chance; returns the first genotype drawn."""
    refuse_workers("--strategy random draws all genotypes at once")
    genotypes = random_genotypes(operations, config.samples, config.seed, attentions)
    training.begin()
    training.run.write_genotypes(genotypes)
    print(f"{len(genotypes)} drawn: {training.run.file(workdir.GENOTYPES)}")
    return genotypes[0]


def learn(config, operations, training):
    """Searches by gradients; returns the genotype found."""
    with training.opened():
        if config.order == 2 and config.hessian == "exact":
            check_second_derivatives(operations)
        dataset = training.load_dataset()
        split, steps = plan_epochs(config, dataset)
        targets = make_cost_targets(config, dataset, steps)
        genotype = search(config, dataset, split, steps, targets, training)
        training.workers.check_same(genotype.to_json(), "genotypes")
    if training.workers.is_chief:
        for target in targets:
            print(describe_cost(target, genotype))
    return genotype


def plan_epochs(config, dataset):
    """Returns which images teach what, and the steps; what cannot work fails here.

    Args:
        config: `SearchConfig`.
        dataset: `ImageDataset`.

    Returns:
        The positions of the images for weights and for alphas, and the steps of an
        epoch.
    """
    make_augmentation(config).check_images(dataset.image_shape)
    split = search_split(
        dataset.num_examples("train"), config.weight_fraction, config.seed
    )
    steps, _ = (steps_per_epoch(len(half), config.batch_size) for half in split)
    if config.steps_per_epoch is not None:
        steps = min(steps, config.steps_per_epoch)
    return split, steps


def make_augmentation(config):
    """Returns the changes of training images."""
    return Augmentation(config.crop_padding, config.flip, config.cutout)


def search(config, dataset, split, steps, targets, training):
    """Trains the supernet of each stage; returns the genotype of the last one.

    Args:
        config: `SearchConfig`.
        dataset: `ImageDataset`.
        split: The positions of the images for weights and for alphas.
        steps: Integer, of an epoch.
        targets: See `make_cost_targets`.
        training: `Training`.
    """
    first = first_stage(config, training.run, training.steps_done, steps)
    stage = first
    while stage is not None:
        with training.workers.strategy.scope():
            supernet = make_supernet(stage, dataset, steps, targets)
        optimizers = [supernet.optimizer, supernet.alpha_optimizer]
        if stage is first:
            training.ready(supernet, optimizers, steps, dataset)
            begin(split, training)
        else:
            training.go_on_with(supernet, optimizers)
        stage.begin(steps, training)
        batches_from = batches_of(config, dataset, split, training)
        rounds = make_selection_rounds(
            config, supernet, dataset, split[1], steps, training
        )
        genotype = train_stage(supernet, stage, batches_from, targets, training, rounds)
        alphas = supernet.labelled_alphas()
        stage = None if supernet.stop_training else stage.after(alphas)
    genotype = genotype or derivation(config)(alphas)
    if training.workers.is_chief:
        with atomic.replacing(training.run.file(workdir.SUPERNET)) as unfinished:
            supernet.save(unfinished)
        genotype.save(training.run.file(workdir.GENOTYPE))
    return genotype


def begin(split, training):
    """Writes which images teach what, and says where the search is."""
    run = training.run
    if training.workers.is_chief:
        with atomic.replacing(run.file(workdir.SPLIT)) as unfinished:
            np.savez(unfinished, weights=split[0], alphas=split[1])
    print(f"Searching in {run.path}. The first step takes longest to prepare.")


def batches_of(config, dataset, split, training):
    """Returns the function from the batches that are used to those that follow."""

    def batches_from(first_batch):
        return search_batches(
            dataset,
            config.batch_size,
            make_augmentation(config),
            config.seed,
            *split,
            first_batch,
            training.workers.batch_slice,
        )

    return batches_from


def train_stage(supernet, stage, batches_from, targets, training, rounds):
    """Trains weights and alphas of a stage, as the chief writes the run.

    Returns:
        The genotype that a callback has stopped the search for, or selected; or None.
    """
    config, run, derive = stage.config, training.run, derivation(stage.config)
    stops = make_stops(config, run, derive, stage.first_epoch)
    is_chief = training.workers.is_chief
    callbacks = [
        AlphaWarmUp(stage.first_epoch + config.warm_up_epochs),
        *make_monitors(config, batches_from, targets, derive),
        *([] if is_chief else stops),
        *([] if rounds is None else [rounds]),
    ]
    of_chief = [GenotypeHistory(run, derive), *stops] if is_chief else []
    training.fit(supernet, batches_from, callbacks, of_chief, stage.end)
    if rounds is not None:
        return rounds.finish()
    stopped_for = [stop.genotype for stop in stops if stop.genotype is not None]
    return stopped_for[0] if stopped_for else None


def report(genotype, run):
    """Prints and draws the genotype, and says where it is."""
    print(f"\n{genotype}\n")
    plot_genotype(genotype, run.file(workdir.CELLS), highlight=attention_names())
    print(f"Genotype: {run.file(workdir.GENOTYPE)}")
    print(f"Pictures: {run.file(workdir.CELLS)}")


def retrain_command(config, preset, run):
    """Returns the command that retrains what this search found, on its data."""
    retrain_preset = config.retrain_preset
    # A preset for other images says which.
    of_data = ("dataset", "data_dir", "image_size")
    of_data = () if retrain_preset in IMAGES_BY_PRESET else of_data
    of_network = itertools.starmap(flag_words, retrain_changes(config).items())
    return command_line(
        "retrain.py",
        "--genotype",
        run.file(workdir.GENOTYPE),
        *(["--preset", retrain_preset] if retrain_preset != DEFAULT_PRESET else []),
        *changed_flags(
            config,
            (*of_data, "batch_size", "imports"),
            SearchConfig.preset(preset),
        ),
        *itertools.chain.from_iterable(of_network),
        "--workdir",
        f"{run.path}-net",
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
