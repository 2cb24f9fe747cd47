"""Exports a retrained network as a SavedModel that needs TensorFlow alone.

The SavedModel takes raw images (uint8, any height and width) and returns class
probabilities; class names and genotype are in its folder assets. It is reloaded
and compared with the network before it is put in place.

    python train/export.py --workdir runs/a-net --output saved_models/a
"""

import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts.experiments.runs.flags import TRAINED_HELP
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import open_trained_run
from keras_atdarts.experiments.runs.trained import trained_config
from keras_atdarts.experiments.runs.workdir import GENOTYPE
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.export import export_saved_model


def main(argv=None):
    parser = script_parser(__doc__)
    add_directory_flag(parser, "--workdir", TRAINED_HELP)
    add_directory_flag(parser, "--output", "where to write the SavedModel")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the SavedModel that is already there",
    )
    add_import_flag(parser)
    arguments = parser.parse_args(argv)
    prepare_runtime()
    run = open_trained_run(arguments.workdir, arguments.imports)
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


if __name__ == "__main__":
    sys.exit(run_script(main))
