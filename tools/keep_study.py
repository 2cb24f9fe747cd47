"""Copies what is small of a study: all that its results are made of.

    python tools/keep_study.py studies/six_seeds docs/study/six_seeds

A study that is copied back can be reported on and gone on with: steps that are finished
are not repeated, and others begin anew. Checkpoints, networks, logs and pictures are
left out. Alphas are rounded to four digits behind the point, and paths below the
current directory are relative. A run that is there already is written again.
"""

import argparse
import json
import pathlib
import shutil
import sys

from keras_atdarts import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.study import directory as places
from keras_atdarts.experiments.study.directory import StudyDirectory
from keras_atdarts.experiments.study.units import TIMES
from keras_atdarts.experiments.study.units import StepTimes
from keras_atdarts.experiments.study.units import study_units

KEPT = (
    workdir.CONFIG,
    workdir.GENOTYPE,
    workdir.HISTORY,
    workdir.RESOURCES,
    workdir.EVALUATION,
)
DIGITS = 4


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    arguments = parser.parse_args(argv)
    study = StudyDirectory(arguments.study)
    units = study_units(study, study.description())
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    shutil.copy(study.file(places.STUDY), output)
    if (genotypes := study.file(places.GENOTYPES)).exists():
        shutil.copytree(genotypes, output / places.GENOTYPES, dirs_exist_ok=True)
    for unit in units:
        keep(unit, output / unit.path.relative_to(study.path))
    print(f"{sum(unit.is_done() for unit in units)} of {len(units)} runs are finished.")


def keep(unit, output):
    """Copies the small files of the steps that a unit has finished."""
    done = [step for step in unit.steps if step.is_done()]
    for step in done:
        folder = output / step.workdir.relative_to(unit.path)
        folder.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            if (step.workdir / name).exists():
                text = (step.workdir / name).read_text(encoding="utf-8")
                text = text.replace(f"{pathlib.Path.cwd()}/", "")
                atomic.write_text(folder / name, text)
        if (step.workdir / workdir.ALPHAS).exists():
            keep_alphas(step.workdir / workdir.ALPHAS, folder / workdir.ALPHAS)
    if done:
        times = StepTimes(unit)
        spans = {step.name: times.spans(step.name) for step in done}
        atomic.write_text(output / TIMES, json.dumps(spans, indent=2) + "\n")


def keep_alphas(path, output):
    """Copies the alphas of all epochs, rounded."""
    epochs = json.loads(
        path.read_text(encoding="utf-8"),
        parse_float=lambda text: round(float(text), DIGITS),
    )
    atomic.write_text(output, json.dumps(epochs, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    sys.exit(run_script(main))
