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
import pathlib
import sys

from keras_atdarts.experiments.reports.cell_pictures import GRAPHVIZ_HINT
from keras_atdarts.experiments.reports.cell_pictures import is_drawable
from keras_atdarts.experiments.reports.judgement import judge
from keras_atdarts.experiments.reports.notices import WORDS
from keras_atdarts.experiments.reports.notices import note
from keras_atdarts.experiments.reports.numbers import report_numbers
from keras_atdarts.experiments.reports.records import RETRAINING
from keras_atdarts.experiments.reports.records import read_record
from keras_atdarts.experiments.reports.search_page import search_page
from keras_atdarts.experiments.reports.training_page import training_page
from keras_atdarts.experiments.runs import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import run_script


def main(argv=None):
    arguments = parse_arguments(argv)
    record = read_record(arguments.run)
    folder = arguments.output or record.run.path
    with workdir.saying_where(folder):
        folder.mkdir(parents=True, exist_ok=True)
    numbers = report_numbers(record)
    if not is_drawable():
        numbers["notices"].append(note(GRAPHVIZ_HINT))
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
        print(f"{WORDS[notice['level']]} {notice['text']}")
    print(f"Written to {folder / workdir.REPORT_PAGE}")
    print(f"Its numbers: {folder / workdir.REPORT}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "run", metavar="RUN", help="directory that search.py or retrain.py wrote"
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        metavar="DIR",
        help="where to write report.html and report.json (the directory of the run)",
    )
    parser.add_argument(
        "--classify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let a trained network classify the test images, for the confusion "
        "matrix and the worst-classified images; --no-classify takes what "
        "evaluate.py has written (--classify)",
    )
    parser.add_argument(
        "--images",
        type=positive_number,
        default=24,
        metavar="N",
        help="how many of the worst-classified images to show (24)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
