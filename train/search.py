"""Searches for a normal and a reduction cell.

Without arguments it searches for a few minutes on the images that come with the
package. Everything it writes is in the run's directory: genotype.json is the
result, alphas.json how it came about.

    python train/search.py
    python train/search.py --dataset cifar10 --preset paper --workdir runs/paper
    python train/search.py --dataset my_photos/ --image-size 64 64 --preset cpu
"""

import datetime
import sys

import keras
import numpy as np

from keras_atdarts.data import load_dataset
from keras_atdarts.derive import derive_genotype
from keras_atdarts.operations import attention_names
from keras_atdarts.optimizers import SGD
from keras_atdarts.optimizers import Adam
from keras_atdarts.optimizers import EpochCosineDecay
from keras_atdarts.pipeline import Augmentation
from keras_atdarts.pipeline import search_batches
from keras_atdarts.pipeline import search_split
from keras_atdarts.pipeline import steps_per_epoch
from keras_atdarts.plots import plot_genotype
from keras_atdarts.runs import atomic
from keras_atdarts.runs import workdir
from keras_atdarts.runs.callbacks import GenotypeHistory
from keras_atdarts.runs.callbacks import record_callbacks
from keras_atdarts.runs.configs import SearchConfig
from keras_atdarts.runs.flags import config_from_arguments
from keras_atdarts.runs.flags import config_parser
from keras_atdarts.runs.runtime import prepare_runtime
from keras_atdarts.runs.script import run_script
from keras_atdarts.runs.script import saying_when_interrupted
from keras_atdarts.supernet import Supernet


def main(argv=None):
    parser = config_parser(SearchConfig, __doc__, argv)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    parser.add_argument(
        "--workdir",
        default=f"runs/search-{now}",
        metavar="DIR",
        help="directory of the run (runs/search- and the time)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a run that is in there"
    )
    arguments = parser.parse_args(argv)
    config = config_from_arguments(SearchConfig, arguments)
    prepare_runtime()
    keras.utils.set_random_seed(config.seed)
    dataset = load_dataset(config.dataset, config.data_dir, config.image_size)
    supernet, split, steps = prepare(config, dataset)
    run = workdir.RunDirectory.create(arguments.workdir, arguments.overwrite)
    run.write_config(config, dataset.description())
    search(supernet, config, dataset, split, steps, run)


def prepare(config, dataset):
    """Returns what a search needs; whatever cannot work fails here.

    Args:
        config: `SearchConfig`.
        dataset: `ImageDataset`.

    Returns:
        The compiled `Supernet`, the positions of the images for weights and for
        alphas, and the steps of an epoch.
    """
    split = search_split(
        dataset.num_examples("train"), config.weight_fraction, config.seed
    )
    steps = min(steps_per_epoch(len(half), config.batch_size) for half in split)
    if config.steps_per_epoch is not None:
        steps = min(steps, config.steps_per_epoch)
    supernet = Supernet(
        dataset.num_classes, config.filters, config.num_cells, config.operations
    )
    supernet.build((None, *dataset.image_shape))
    supernet.compile(weight_optimizer(config, steps), alpha_optimizer(config))
    return supernet, split, steps


def weight_optimizer(config, steps):
    """Returns the optimizer of the weights for epochs of `steps` steps."""
    rate = EpochCosineDecay(
        config.weight_learning_rate,
        config.epochs,
        steps,
        config.weight_learning_rate_min,
    )
    return SGD(
        rate,
        config.momentum,
        clip_norm=config.clip_norm,
        coupled_weight_decay=config.weight_decay,
    )


def alpha_optimizer(config):
    """Returns the optimizer of the alphas."""
    rate, decay = config.alpha_learning_rate, config.alpha_weight_decay
    if config.alpha_optimizer == "sgd":
        return SGD(rate, config.momentum, coupled_weight_decay=decay)
    return Adam(rate, coupled_weight_decay=decay)


def search(supernet, config, dataset, split, steps, run):
    """Trains weights and alphas and writes the run; returns the genotype."""
    np.savez(run.file(workdir.SPLIT), weights=split[0], alphas=split[1])
    augmentation = Augmentation(config.crop_padding, config.flip, config.cutout)
    batches = search_batches(
        dataset, config.batch_size, augmentation, config.seed, *split
    )
    history = GenotypeHistory(run.file(workdir.ALPHAS), derive_genotype)
    print(f"Searching in {run.path}. The first step takes longest to prepare.")
    with saying_when_interrupted(
        lambda: f"{len(history.epochs)} epochs are in {run.path}."
    ):
        supernet.fit(
            batches,
            epochs=config.epochs,
            steps_per_epoch=steps,
            callbacks=[*record_callbacks(run), history],
            shuffle=False,  # The batches are shuffled already.
        )
    with atomic.replacing(run.file(workdir.SUPERNET)) as unfinished:
        supernet.save(unfinished)
    report(history.genotype, run)
    return history.genotype


def report(genotype, run):
    """Writes and draws the genotype; prints it, where it is, and what is next."""
    path = run.file(workdir.GENOTYPE)
    genotype.save(path)
    print(f"\n{genotype}\n")
    plot_genotype(genotype, run.file(workdir.CELLS), highlight=attention_names())
    print(f"Genotype: {path}")
    print(f"Next: python train/retrain.py --genotype {path} --workdir {run.path}-net")


if __name__ == "__main__":
    sys.exit(run_script(main))
