"""Shows where a trained network looks, and what its attention is worth.

Of a retraining: the spatial gates of each cell laid over images, Grad-CAM of cells
without one, channel gates by class, and the accuracy that is lost where the gate of
an attention operation is replaced by its mean over the data. Of a SavedModel, whose
inside cannot be seen: what hiding parts of an image changes.

Writes contact sheets as PNG, index.html that shows them, and explain.json with all
numbers. Without images, some of the run's test images are taken.

    python train/explain.py runs/a-net
    python train/explain.py runs/a-net shirt.png boot.jpg --no-worth
    python train/explain.py saved_models/a docs/images --output looks
"""

import argparse
import pathlib
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
import keras

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.explanations import saved_model_explanation
from keras_atdarts.experiments.explanations.explanation_page import explanation_page
from keras_atdarts.experiments.explanations.explanation_page import show_difference
from keras_atdarts.experiments.explanations.run_explanation import TrainedRun
from keras_atdarts.experiments.explanations.run_explanation import draw_maps
from keras_atdarts.experiments.explanations.run_explanation import measure_gates
from keras_atdarts.experiments.reports.records import notice_line
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import add_number_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.trained import open_trained_run

PAGE = "index.html"
NUMBERS = "explain.json"


def main(argv=None):
    arguments = parse_arguments(argv)
    prepare_runtime()
    if saved_model_explanation.is_saved_model(arguments.model):
        numbers, folder = saved_model_numbers(arguments)
    else:
        numbers, folder = run_numbers(arguments)
    numbers = {"name": arguments.model.resolve().name, **numbers}
    with workdir.saying_where(folder):
        atomic.write_json(folder / NUMBERS, numbers)
        atomic.write_text(folder / PAGE, explanation_page(numbers))
    for notice in numbers["notices"]:
        print(notice_line(notice))
    if numbers.get("worth"):
        print(describe_worth(numbers["worth"]))
    print(f"Written to {folder / PAGE}")
    print(f"Its numbers: {folder / NUMBERS}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "model",
        type=pathlib.Path,
        metavar="RUN_OR_SAVED_MODEL",
        help="directory that retrain.py or export.py wrote",
    )
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="image files, or folders of them"
    )
    meaning = "where to write (explanation, in the directory of the run; needed for a "
    add_directory_flag(parser, "--output", f"{meaning}SavedModel)", default=None)
    add_number_flag(parser, "--count", 8, "test images to show where none are named")
    parser.add_argument(
        "--worth",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure on test images what attention is worth; --no-worth looks at "
        "images only, and with images of your own needs no data set (--worth)",
    )
    meaning = "test images, drawn by chance, on which that is measured"
    add_number_flag(parser, "--examples", 2000, meaning)
    meaning = "images of them classified at a time; does not change the result"
    add_number_flag(parser, "--batch-size", 100, meaning)
    add_import_flag(parser)
    return parser.parse_args(argv)


def saved_model_numbers(arguments):
    """Returns the explanation of a SavedModel, and where it is written."""
    if not arguments.images:
        raise InputError(
            "A SavedModel brings no images: name image files, or folders of them."
        )
    if arguments.output is None:
        raise InputError("Give --output a directory to write the explanation to.")
    served = saved_model_explanation.load_served_model(arguments.model)
    workdir.make_folder(arguments.output)
    numbers = saved_model_explanation.explain_saved_model(
        served, arguments.images, arguments.output
    )
    return numbers, arguments.output


def run_numbers(arguments):
    """Returns the explanation of a retraining, and where it is written."""
    trained = TrainedRun(open_trained_run(arguments.model, arguments.imports))
    measures = arguments.worth and bool(trained.gates)
    if measures or not arguments.images:
        open_dataset(trained)
    if arguments.images:
        images = trained.read_images(arguments.images)
    else:
        images = trained.choose_images(arguments.count)
    folder = arguments.output or trained.run.file(workdir.EXPLANATION)
    workdir.make_folder(folder)
    numbers = {"notices": trained.notices(), **draw_maps(trained, images, folder)}
    if measures:
        print(
            f"Measuring what {len(trained.gates)} attention operations are worth ...",
            flush=True,
        )
        numbers |= measure_gates(
            trained,
            arguments.examples,
            arguments.batch_size,
            folder,
            watch=with_progress_bar,
        )
    return numbers, folder


def open_dataset(trained):
    """Loads the data set of a run, and says where it is not needed."""
    try:
        trained.open_dataset()
    except InputError as error:
        raise InputError(
            f"{error} With images of your own and --no-worth, no data set is needed."
        ) from error


def with_progress_bar(batches, num_images):
    """Yields batches, and shows how many of the images are done."""
    bar = keras.utils.Progbar(num_images, unit_name="image")
    for images, labels in batches:
        yield images, labels
        bar.add(len(labels))


def describe_worth(worth):
    """Returns a table of what attention is worth, for the terminal."""
    width = max(len(one["name"]) for one in worth)
    first = worth[0]
    lines = [
        f"Accuracy {first['accuracy_with']:.2%} on {first['num_examples']:,} images. "
        "Points of it that are lost where a gate is replaced by its mean, ± one "
        "standard error:"
    ]
    lines += [f"  {one['name']:<{width}}  {show_difference(one):>15}" for one in worth]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_script(main))
