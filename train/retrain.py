"""Trains the network of a genotype from scratch.

After each epoch it saves the network; after the last one it prints the accuracy
on the test images. It does not pick the epoch that is best on them: the test images
only measure.

    python train/retrain.py --genotype runs/a/genotype.json --workdir runs/a-net
    python train/retrain.py --genotype DARTS_V2 --preset paper --workdir runs/darts

Presets: quick takes minutes on two cores; cpu takes hours on two cores and gives
a network to use; paper is the training of the AT-DARTS paper and darts that of DARTS,
for GPUs; imagenet is that of DARTS on ImageNet, to which a cell found on small images
moves without a new search.

On several machines, start the same command on each, with TF_CONFIG set.
"""

import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
import keras

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.autograph import as_written
from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.splits import hold_out
from keras_atdarts.data.splits import steps_per_epoch
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.callbacks import LatestNetwork
from keras_atdarts.experiments.runs.fitting import build_metrics
from keras_atdarts.experiments.runs.flags import GENOTYPE_HELP
from keras_atdarts.experiments.runs.flags import add_checkpoint_flags
from keras_atdarts.experiments.runs.flags import add_run_flags
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.flags import config_parser
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.training import Training
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.layers.batch_normalization import synchronize_batch_normalization
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.evaluation import evaluate
from keras_atdarts.operations import operation_names
from keras_atdarts.training.callbacks import DropPathSchedule
from keras_atdarts.training.losses import SmoothedCrossentropy
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.schedules import EpochCosineDecay
from keras_atdarts.training.schedules import EpochExponentialDecay


def main(argv=None):
    arguments = parse_arguments(argv)
    config = config_from_arguments(RetrainConfig, arguments)
    load_imports(config.imports)
    genotype = Genotype.load(arguments.genotype, operation_names())
    training = Training(arguments, config)
    training.check_genotype(genotype)
    run = training.run
    if training.is_finished:
        return training.say_finished()
    with training.opened(genotype=genotype.to_dict()):
        dataset = training.load_dataset()
        make_augmentation(config).check_images(dataset.image_shape)
        num_examples = dataset.num_examples("train")
        kept, held_out = hold_out(num_examples, config.held_out, config.seed)
        with training.workers.strategy.scope():
            network, steps = prepare(config, genotype, dataset, len(kept))
        training.ready(network, [network.optimizer], steps, dataset)
        if training.workers.is_chief:
            genotype.save(run.file(workdir.GENOTYPE))
        train(network, config, dataset, kept, training)
    if not training.workers.is_chief:
        return print(training.workers.farewell(run))
    with saying_when_interrupted(run.progress):
        judge(load_network(run), dataset, held_out, run)
        run.mark_finished()
    if not config.held_out:
        print(f"Next: {command_line('evaluate.py', '--workdir', run.path)}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = config_parser(RetrainConfig, __doc__, argv)
    parser.add_argument(
        "--genotype",
        required=True,
        metavar="GENOTYPE",
        help=GENOTYPE_HELP,
    )
    add_run_flags(parser)
    add_checkpoint_flags(parser)
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
    optimizer = make_optimizer(config, steps)
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


def make_optimizer(config, steps):
    """Returns the optimizer of a configuration, for epochs of so many steps."""
    return SGD(
        learning_rate_schedule(config, steps),
        config.momentum,
        clip_norm=config.clip_norm,
        coupled_weight_decay=config.weight_decay,
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
    options = {
        "optimizer": optimizer,
        "jit_compile": config.jit,
        "recompute": config.recompute,
        "gradient_accumulation": config.gradient_accumulation,
    }
    if isinstance(network.output, dict):
        network.compile(
            loss={"logits": loss(), "auxiliary": loss()},
            loss_weights={"logits": 1.0, "auxiliary": config.auxiliary_weight},
            metrics={"logits": [accuracy]},
            **options,
        )
    else:
        network.compile(loss=loss(), metrics=[accuracy], **options)


def train(network, config, dataset, positions, training):
    """Trains the network on the images at some positions; the chief writes the run."""

    @as_written
    def for_both_heads(images, labels):
        return images, {"logits": labels, "auxiliary": labels}

    def batches_from(first_batch):
        batches = training_batches(
            dataset,
            config.batch_size,
            make_augmentation(config),
            config.seed,
            positions,
            first_batch,
            training.workers.batch_slice,
        )
        if not config.auxiliary:
            return batches
        return batches.map(for_both_heads)

    run = training.run
    print(f"Training in {run.path}.")
    drop_path = DropPathSchedule(config.drop_path_rate, config.epochs)
    latest = LatestNetwork(run.file(workdir.NETWORK), without_auxiliary_head)
    training.fit(network, batches_from, [drop_path], [latest])


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
