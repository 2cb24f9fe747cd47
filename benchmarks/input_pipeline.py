"""Prints how many images per second the input pipeline delivers on its own.

With --search, also how many the quick search takes.

    python benchmarks/input_pipeline.py --search
"""

import argparse
import pathlib
import runpy
import time

import tensorflow as tf

from keras_atdarts import data
from keras_atdarts.data.loading import DEFAULT_DATASET
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.search_config import SearchConfig

SEARCH = pathlib.Path(__file__).parent.parent / "train" / "search.py"


def images_per_second(batches, images_per_element, seconds):
    """Takes elements for a while, after a first one that starts the pipeline."""
    iterator = iter(batches)
    next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(iterator)
        count += images_per_element
    return count / (time.perf_counter() - start)


def images_per_second_of_search(seconds):
    """Takes steps of the quick search for a while, after a first one."""
    config = SearchConfig.preset("quick")
    dataset = data.load_dataset(config.dataset)
    supernet, halves, _ = runpy.run_path(str(SEARCH))["prepare"](config, dataset)
    batches = data.search_batches(
        dataset, config.batch_size, data.Augmentation(), config.seed, *halves
    )
    step = tf.function(supernet.train_step)
    steps = (step(batch)["loss"].numpy() for batch in batches)
    return images_per_second(steps, 2 * config.batch_size, seconds)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="its name")
    parser.add_argument("--data-dir", help="where its files are")
    parser.add_argument(
        "--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="resize"
    )
    parser.add_argument("--batch-size", type=int, default=64, help="of images (64)")
    parser.add_argument("--cutout", type=int, default=16, help="side; 0: none (16)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="for each measurement (10)"
    )
    parser.add_argument(
        "--search", action="store_true", help="measure the quick search too"
    )
    flags = parser.parse_args(argv)
    prepare_runtime()

    dataset = data.load_dataset(flags.dataset, flags.data_dir, flags.image_size)
    count, batch_size = dataset.num_examples("train"), flags.batch_size
    augmentation = data.Augmentation(cutout=flags.cutout)
    halves = data.search_split(count, 0.5, seed=0)
    in_memory = dataset.fits_in_memory("train")
    print(f"{dataset.name}: {count} images of {dataset.image_shape}, ", end="")
    print(f"{'in memory' if in_memory else 'streamed'}, batches of {batch_size}")
    training = data.training_batches(dataset, batch_size, augmentation, seed=0)
    search = data.search_batches(dataset, batch_size, augmentation, 0, *halves)
    for name, batches, images_per_element in (
        ("training_batches", training, batch_size),
        ("search_batches", search, 2 * batch_size),
    ):
        rate = images_per_second(batches, images_per_element, flags.seconds)
        print(f"{name}: {rate:,.0f} images per second")
    if flags.search:
        rate = images_per_second_of_search(flags.seconds)
        print(f"the quick search takes: {rate:,.0f} images per second")


if __name__ == "__main__":
    main()
