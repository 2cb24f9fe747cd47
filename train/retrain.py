"""Trains the network of a genotype from scratch.

After each epoch it saves the network; after the last one it prints the accuracy
on the test images. It does not look for the epoch that is best on them, for that
would be choosing by the images that are to judge.

    python train/retrain.py --genotype runs/a/genotype.json --workdir runs/a-net
    python train/retrain.py --genotype DARTS_V2 --preset paper --workdir runs/darts

Presets: quick takes minutes on two cores; cpu takes hours on two cores and gives
a network to use; paper is the training of the AT-DARTS paper and darts that of DARTS,
for GPUs; imagenet is that of DARTS on ImageNet, to which a cell found on small images
moves without a new search.

On several machines, start the same command on each, with TF_CONFIG set.
"""

import sys

import keras

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.splits import hold_out
from keras_atdarts.data.splits import steps_per_epoch
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.callbacks import LatestNetwork
from keras_atdarts.experiments.runs.callbacks import record_callbacks
from keras_atdarts.experiments.runs.fitting import build_metrics
from keras_atdarts.experiments.runs.fitting import fit
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.flags import config_parser
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.runtime import fix_randomness
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.runtime import set_precision
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.start import Start
from keras_atdarts.experiments.runs.start import add_run_flags
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workers import start_workers
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.kernels.machine import note_missing_kernels
from keras_atdarts.layers.batch_normalization import synchronize_batch_normalization
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import recompute_cells
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.evaluation import evaluate
from keras_atdarts.operations import operation_names
from keras_atdarts.training.accumulation import AccumulatingNetwork
from keras_atdarts.training.callbacks import DropPathSchedule
from keras_atdarts.training.losses import SmoothedCrossentropy
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import EpochCosineDecay
from keras_atdarts.training.optimizers import EpochExponentialDecay


def main(argv=None):
    arguments = parse_arguments(argv)
    config = config_from_arguments(RetrainConfig, arguments)
    genotype = Genotype.load(arguments.genotype, operation_names())
    start = Start(arguments, config)
    start.check_genotype(genotype)
    if start.finished:
        return start.say_finished()
    prepare_runtime()
    set_precision(config.precision)
    workers = start_workers(start, genotype=genotype.to_dict())
    run = workdir.RunDirectory(arguments.workdir)
    with saying_when_interrupted(run.progress), workers.together(run.progress):
        fix_randomness(config.seed, config.deterministic)
        note_missing_kernels()
        dataset = load_dataset(
            config.dataset,
            config.data_dir,
            config.image_size,
            central_fraction=config.central_fraction,
        )
        make_augmentation(config).check_images(dataset.image_shape)
        positions = hold_out(
            dataset.num_examples("train"), config.held_out, config.seed
        )
        with workers.strategy.scope():
            network, steps = prepare(config, genotype, dataset, len(positions[0]))

        def create():
            start.run(dataset.description())
            genotype.save(run.file(workdir.GENOTYPE))

        workers.open_run(run, create)
        checkpointing = start.checkpointing(
            run, network, [network.optimizer], steps, workers.is_chief
        )
        batches_from = batch_source(config, dataset, positions[0], workers.batch_slice)
        train(network, config, batches_from, run, checkpointing, workers)
        workers.wait_for_all()
    if not workers.is_chief:
        return print(workers.farewell(run))
    with saying_when_interrupted(run.progress):
        judge(load_network(run), dataset, positions[1], run)
        run.mark_finished()
    if not config.held_out:
        print(f"Next: {command_line('evaluate.py', '--workdir', run.path)}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = config_parser(RetrainConfig, __doc__, argv)
    parser.add_argument(
        "--genotype",
        required=True,
        metavar="FILE",
        help="genotype.json of a search, or a published genotype: "
        f"{', '.join(published_genotypes())}",
    )
    add_run_flags(parser)
    return parser.parse_args(argv)


def prepare(config, genotype, dataset, num_examples):
    """Returns what a retraining needs; whatever cannot work fails here.

    Args:
        config: `RetrainConfig`.
        genotype: `Genotype`.
        dataset: `ImageDataset`.
        num_examples: Integer, how many of its images train the network.

    Returns:
        The compiled network and the steps of an epoch.
    """
    steps = steps_per_epoch(num_examples, config.batch_size)
    if config.steps_per_epoch is not None:
        steps = min(steps, config.steps_per_epoch)
    network = build_network(
        genotype,
        dataset.image_shape,
        dataset.num_classes,
        config.filters,
        config.num_cells,
        stem=config.network,
        drop_path=config.drop_path_rate > 0,
        auxiliary=config.auxiliary,
    )
    if config.sync_batch_norm:
        synchronize_batch_normalization(network)
    if config.recompute:
        recompute_cells(network)
    if config.gradient_accumulation > 1:
        network = AccumulatingNetwork(network, config.gradient_accumulation)
    optimizer = SGD(
        learning_rate_schedule(config, steps),
        config.momentum,
        clip_norm=config.clip_norm,
        coupled_weight_decay=config.weight_decay,
    )
    # Several devices need the optimizer's variables before `fit`.
    optimizer.build(network.trainable_variables)
    compile_network(network, optimizer, config)
    build_metrics(network)
    return network, steps


def make_augmentation(config):
    """Returns how a configuration changes the training images."""
    return Augmentation(
        crop_padding=config.crop_padding,
        flip=config.flip,
        cutout=config.cutout,
        resized_crop=config.resized_crop,
        brightness=config.brightness,
        contrast=config.contrast,
        saturation=config.saturation,
        hue=config.hue,
    )


def learning_rate_schedule(config, steps):
    """Returns the schedule of a configuration, for epochs of so many steps."""
    if config.learning_rate_schedule == "exponential":
        return EpochExponentialDecay(
            config.learning_rate, config.learning_rate_decay, steps
        )
    return EpochCosineDecay(
        config.learning_rate, config.epochs, steps, config.learning_rate_min
    )


def compile_network(network, optimizer, config):
    """Compiles a network with or without an auxiliary head."""

    def loss():
        return SmoothedCrossentropy(
            config.label_smoothing, dtype=network.variable_dtype
        )

    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    options = {"optimizer": optimizer, "jit_compile": config.jit}
    if isinstance(network.output, dict):
        network.compile(
            loss={"logits": loss(), "auxiliary": loss()},
            loss_weights={"logits": 1.0, "auxiliary": config.auxiliary_weight},
            metrics={"logits": [accuracy]},
            **options,
        )
    else:
        network.compile(loss=loss(), metrics=[accuracy], **options)


def batch_source(config, dataset, positions, batch_slice):
    """Returns the function from the number of used batches to those that follow.

    Args:
        config: `RetrainConfig`.
        dataset: `ImageDataset`.
        positions: Array, which of its training images to use.
        batch_slice: `BatchSlice` of each batch to give.
    """

    def batches_from(first_batch):
        batches = training_batches(
            dataset,
            config.batch_size,
            make_augmentation(config),
            config.seed,
            positions,
            first_batch,
            batch_slice,
        )
        if not config.auxiliary:
            return batches
        return batches.map(
            lambda images, labels: (images, {"logits": labels, "auxiliary": labels})
        )

    return batches_from


def train(network, config, batches_from, run, checkpointing, workers):
    """Trains the network, as the chief writes the run."""
    print(f"Training in {run.path}. The first step takes longest to prepare.")
    callbacks = [DropPathSchedule(config.drop_path_rate, config.epochs)]
    if workers.is_chief:
        latest = LatestNetwork(run.file(workdir.NETWORK), without_auxiliary_head)
        callbacks += [*record_callbacks(run), latest]
    fit(network, batches_from, config.epochs, callbacks, checkpointing)


def judge(network, dataset, held_out, run):
    """Measures the network on the test images, or on held-out training images.

    Args:
        network: `keras.Model` from images to logits.
        dataset: `ImageDataset`.
        held_out: Array of the positions of the held-out images, maybe none.
        run: `RunDirectory`, which gets what was measured on these.
    """
    split, positions, words = "test", None, "Test accuracy"
    if len(held_out):
        split, positions, words = "train", held_out, "Accuracy on held-out images"
    batches = evaluation_batches(dataset, split, 100, positions)
    result = evaluate(network, batches, dataset.class_names)
    print(f"\n{words} after the last epoch: {result['accuracy']:.2%}")
    if "top_5_accuracy" in result:
        print(f"Among the first five answers: {result['top_5_accuracy']:.2%}")
    if len(held_out):
        names = ("num_examples", "accuracy", "top_5_accuracy", "class_accuracy")
        known = {name: result[name] for name in names if name in result}
        measured = {**known, "parameters": count_parameters(network)}
        run.write_json(workdir.VALIDATION, measured)
    print(f"Network: {run.file(workdir.NETWORK)}")


if __name__ == "__main__":
    sys.exit(run_script(main))
