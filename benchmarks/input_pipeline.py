"""How many images per second the input pipeline delivers on its own.

Prints one line of JSON: the rate of batches for a search, and that of batches for a
training. With --search, also how many the quick search takes.

    python benchmarks/input_pipeline.py --search
"""

import json
import pathlib
import runpy
import time

import flags
import tensorflow as tf

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import search_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import DEFAULT_DATASET
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.splits import search_split
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
    dataset = load_dataset(config.dataset)
    supernet, halves, _ = runpy.run_path(str(SEARCH))["prepare"](config, dataset)
    batches = search_batches(
        dataset, config.batch_size, Augmentation(), config.seed, *halves
    )
    step = tf.function(supernet.train_step)
    steps = (step(batch)["loss"].numpy() for batch in batches)
    return images_per_second(steps, 2 * config.batch_size, seconds)


def main(argv=None):
    arguments = parse_arguments(argv)
    prepare_runtime()
    size, folder = arguments.image_size, arguments.data_dir
    dataset = load_dataset(arguments.dataset, folder, size)
    count, batch_size = dataset.num_examples("train"), arguments.batch_size
    augmentation = Augmentation(cutout=arguments.cutout)
    halves = search_split(count, 0.5, seed=0)
    training = training_batches(dataset, batch_size, augmentation, seed=0)
    search = search_batches(dataset, batch_size, augmentation, 0, *halves)
    seconds = arguments.seconds
    report = {
        "images_per_second": images_per_second(search, 2 * batch_size, seconds),
        "in_training": images_per_second(training, batch_size, seconds),
        "dataset": dataset.name,
        "images": count,
        "image_shape": dataset.image_shape,
        "in_memory": dataset.fits_in_memory("train"),
    }
    if arguments.search:
        report["quick_search_takes"] = images_per_second_of_search(seconds)
    print(json.dumps(report))


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="its name")
    parser.add_argument("--data-dir", help="where its files are")
    parser.add_argument(
        "--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="resize"
    )
    flags.add_number(parser, "--batch-size", 64, "of images")
    parser.add_argument("--cutout", type=int, default=16, help="side; 0: none (16)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="for each measurement (10)"
    )
    parser.add_argument(
        "--search", action="store_true", help="measure the quick search too"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
