"""Writes a page about a search or a retraining, and its numbers.

report.html needs no network and no other file: the cells, what the alphas, their
entropy and the genotype did from epoch to epoch, operations counted by place, loss
and accuracy; of a trained network the confusion matrix and the images that it gets
most wrong. report.json holds the same numbers. Of an unfinished run it tells what
there is.

    python train/report.py runs/a
    python train/report.py runs/a-net --output reports/a-net
"""

import argparse
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.reports.judgement import judge
from keras_atdarts.experiments.reports.numbers import report_numbers
from keras_atdarts.experiments.reports.records import RETRAINING
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.experiments.reports.records import notice_line
from keras_atdarts.experiments.reports.records import read_record
from keras_atdarts.experiments.reports.search_page import search_page
from keras_atdarts.experiments.reports.training_page import training_page
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_number_flag
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.imports import recorded_imports
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import run_script


def main(argv=None):
    arguments = parse_arguments(argv)
    record = read_record(arguments.run)
    folder = arguments.output or record.run.path
    workdir.make_folder(folder)
    unknown = load_or_note(record)
    numbers = report_numbers(record)
    numbers["notices"] += unknown
    if record.kind == RETRAINING:
        prepare_runtime()
        judgement, pictures = judge(record, arguments.images, arguments.classify)
        numbers["notices"] += judgement.pop("notices")
        numbers |= judgement
        html = training_page(numbers, pictures)
    else:
        html = search_page(numbers)
    with workdir.saying_where(folder):
        atomic.write_json(folder / workdir.REPORT, numbers)
        atomic.write_text(folder / workdir.REPORT_PAGE, html)
    for notice in numbers["notices"]:
        print(notice_line(notice))
    print(f"Written to {folder / workdir.REPORT_PAGE}")
    print(f"Its numbers: {folder / workdir.REPORT}")


def load_or_note(record):
    """Loads the user's code of a run; returns a list with a notice where it cannot."""
    try:
        load_imports(recorded_imports(record.run.path))
    except InputError as error:
        return [note(f"The report does without code of the run. {error}")]
    return []


def parse_arguments(argv):
    """Returns the flags."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "run", metavar="RUN", help="directory that search.py or retrain.py wrote"
    )
    meaning = "where to write report.html and report.json (the directory of the run)"
    add_directory_flag(parser, "--output", meaning, default=None)
    parser.add_argument(
        "--classify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let a trained network classify the test images, for the confusion "
        "matrix and the worst-classified images; --no-classify takes what "
        "evaluate.py has written (--classify)",
    )
    meaning = "how many of the worst-classified images to show"
    add_number_flag(parser, "--images", 24, meaning)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
