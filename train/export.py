"""Exports a retrained network: a SavedModel that needs TensorFlow alone, or LiteRT.

The SavedModel takes raw images (uint8, any height and width) and returns class
probabilities; class names and genotype are in its folder assets. A LiteRT file, for
phones, takes images of the network's size; a JSON beside it says what it is worth.
Either is reloaded and compared with the network before it is put in place.

    python train/export.py --workdir runs/a-net --output saved_models/a
    python train/export.py --workdir runs/a-net --output a.tflite --format litert
"""

import pathlib
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.flags import TRAINED_HELP
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import open_trained_run
from keras_atdarts.experiments.runs.trained import trained_config
from keras_atdarts.experiments.runs.workdir import GENOTYPE
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.export import export_saved_model
from keras_atdarts.networks.litert import PRECISIONS
from keras_atdarts.networks.litert import check_file
from keras_atdarts.networks.litert import export_litert
from keras_atdarts.networks.litert import facts_file

SAVED_MODEL, LITERT = FORMATS = ("saved_model", "litert")


def main(argv=None):
    arguments = parse_arguments(argv)
    prepare_runtime()
    run = open_trained_run(arguments.workdir, arguments.imports)
    if arguments.format == LITERT:
        write_litert(run, arguments)
    else:
        write_saved_model(run, arguments)


def parse_arguments(argv):
    """Returns the flags, checked."""
    parser = script_parser(__doc__)
    add_directory_flag(parser, "--workdir", TRAINED_HELP)
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        required=True,
        metavar="PATH",
        help="where to write: the folder of a SavedModel, or the file *.tflite",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=SAVED_MODEL,
        help=f"what to write ({SAVED_MODEL})",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="only with --format litert: float16 stores weights in half the space; "
        "int8 in a quarter, and convolves with integers, whose scales training images "
        f"show ({PRECISIONS[0]})",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is already there"
    )
    add_import_flag(parser)
    arguments = parser.parse_args(argv)
    if arguments.precision and arguments.format != LITERT:
        raise InputError(
            f"--precision {arguments.precision} only counts with --format {LITERT}; "
            f"received --format {arguments.format}. Add it, or leave --precision out."
        )
    return arguments


def write_saved_model(run, arguments):
    """Writes the SavedModel, and says what can be done with it."""
    _, dataset = trained_config(run)
    export_saved_model(
        load_network(run),
        arguments.output,
        dataset,
        Genotype.load(run.file(GENOTYPE)),
        arguments.overwrite,
    )
    print(f"Written to {arguments.output}, reloaded, and equal to the network.")
    print(f"Next: {command_line('predict.py', arguments.output)} IMAGE ...")


def write_litert(run, arguments):
    """Writes the LiteRT file, and says how it compares with the network."""
    check_file(arguments.output, arguments.overwrite)  # Before data are loaded.
    facts = export_litert(
        load_network(run),
        arguments.output,
        load_dataset_of_run(*trained_config(run)),
        arguments.precision or PRECISIONS[0],
        arguments.overwrite,
    )
    print(
        f"Written to {arguments.output} ({facts['bytes']:,} bytes, "
        f"{facts['precision']}), reloaded, and compared with the network on "
        f"{facts['num_images']:,} test images:"
    )
    print(f"  the same class for {facts['agreement']:.2%}")
    print(
        f"  accuracy {facts['accuracy']:.2%}; the network's "
        f"{facts['network_accuracy']:.2%}"
    )
    print(f"This stands in {facts_file(arguments.output)}.")


if __name__ == "__main__":
    sys.exit(run_script(main))
