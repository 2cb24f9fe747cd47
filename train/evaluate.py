"""Evaluates a retrained network on the test images of its data set.

Prints accuracy, accuracy by class, the confusion matrix, parameters and
multiply-adds, and writes them to evaluation.json in the run's directory.

    python train/evaluate.py --workdir runs/a-net
"""

import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts.experiments.runs.flags import TRAINED_HELP
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import add_number_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.imports import import_words
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.trained import describe_evaluation
from keras_atdarts.experiments.runs.trained import evaluate_network
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import open_trained_run
from keras_atdarts.experiments.runs.trained import trained_config
from keras_atdarts.experiments.runs.workdir import EVALUATION


def main(argv=None):
    parser = script_parser(__doc__)
    add_directory_flag(parser, "--workdir", TRAINED_HELP)
    meaning = "images classified at a time; does not change the result"
    add_number_flag(parser, "--batch-size", 100, meaning)
    add_import_flag(parser)
    arguments = parser.parse_args(argv)
    prepare_runtime()
    run = open_trained_run(arguments.workdir, arguments.imports)
    config, description = trained_config(run)
    dataset = load_dataset_of_run(config, description)
    result = evaluate_network(load_network(run), dataset, arguments.batch_size)
    run.write_json(EVALUATION, result)
    print(describe_evaluation(result))
    print(f"\nWritten to {run.file(EVALUATION)}")
    output = f"saved_models/{run.path.resolve().name}"
    words = ("--workdir", run.path, "--output", output)
    imports = import_words(arguments.imports)
    print(f"Next: {command_line('export.py', *words, *imports)}")


if __name__ == "__main__":
    sys.exit(run_script(main))
