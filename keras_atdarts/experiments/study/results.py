"""What the finished runs of a study say, as the content of results.json."""

import csv

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.study.arms import GIVEN
from keras_atdarts.experiments.study.arms import RANDOM
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.statistics import compare_pairs
from keras_atdarts.experiments.study.statistics import mean
from keras_atdarts.experiments.study.statistics import sample_deviation
from keras_atdarts.experiments.study.times import StepTimes
from keras_atdarts.experiments.study.units import EVALUATION
from keras_atdarts.experiments.study.units import SEARCH
from keras_atdarts.experiments.study.units import TRAINING
from keras_atdarts.experiments.study.units import study_units
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.statistics import choices_of
from keras_atdarts.genotypes.statistics import count_by
from keras_atdarts.operations import attention_names

BASELINES = (RANDOM, "darts")
EVALUATED = ("accuracy", "parameters", "multiply_adds", "num_examples")
QUANTITIES = ("accuracy", "parameters", "multiply_adds", "search_seconds")
ASPECTS = ("cell_type", "source_kind", "depth")


def collect(directory, description):
    """Returns all results of a study, as far as it is done, ready for JSON.

    Args:
        directory: `StudyDirectory`.
        description: `Description`.

    Returns:
        Dict with the `"command"` it began with; the `"study"`; its `"arms"`, each
        with the mean and the standard deviation of what was measured, every run,
        and where attention stands in its genotypes; the paired `"comparisons"`; and
        the `"unfinished"` runs.
    """
    units = study_units(directory, description)
    arms = {
        arm.name: describe_arm(arm, [unit for unit in units if unit.arm == arm.name])
        for arm in description.arms
    }
    return {
        "command": directory.command(),
        "study": description.to_dict(),
        "arms": arms,
        "comparisons": list(comparisons(arms)),
        "unfinished": [describe_rest(unit) for unit in units if not unit.is_done()],
    }


def describe_arm(arm, units):
    """Returns the results of an arm: its finished runs, summed up and each."""
    finished = [unit for unit in units if unit.is_done()]
    runs = [describe_run(unit, arm.kind) for unit in finished]
    genotypes = [
        Genotype.load(unit.run(TRAINING).file(workdir.GENOTYPE)) for unit in finished
    ]
    if arm.kind == GIVEN:  # The same with every seed.
        genotypes = genotypes[:1]
    return {
        "kind": arm.kind,
        **{name: summarize([run[name] for run in runs]) for name in QUANTITIES},
        "runs": runs,
        "cells": describe_cells(genotypes),
    }


def describe_run(unit, kind):
    """Returns what was measured in a finished run, as a dict."""
    evaluation = unit.run(TRAINING).read_json(workdir.EVALUATION)
    times = StepTimes(unit)
    searched = kind == SEARCHED
    return {
        "seed": unit.seed,
        **{name: evaluation[name] for name in EVALUATED},
        "supernet_accuracy": supernet_accuracy(unit) if searched else None,
        "search_seconds": times.seconds(SEARCH) if searched else None,
        "training_seconds": times.seconds(TRAINING),
    }


def supernet_accuracy(unit):
    """Returns a supernet's accuracy on the images of the alphas, last epoch."""
    with unit.run(SEARCH).file(workdir.HISTORY).open(encoding="utf-8") as history:
        *_, last = csv.DictReader(history)
    return float(last["alpha_accuracy"])


def summarize(values):
    """Returns mean and standard deviation of what runs have; None where none has."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"mean": mean(known), "standard_deviation": sample_deviation(known)}


def describe_cells(genotypes):
    """Returns the counts of operations, and the places of attention among them.

    Args:
        genotypes: List of `Genotype`s, one of each search or draw.

    Returns:
        Dict, ready for JSON.
    """
    choices = choices_of(genotypes)
    places = {}
    for name in attention_names():
        chosen = [choice for choice in choices if choice.operation == name]
        places[name] = {aspect: by_text(count_by(chosen, aspect)) for aspect in ASPECTS}
    return {
        "genotypes": len(genotypes),
        "choices": len(choices),
        "operations": by_text(count_by(choices, "operation")),
        "attention": places,
    }


def by_text(counter):
    """Returns a counter as a dict whose keys are texts, as JSON has them, sorted."""
    return {str(key): counter[key] for key in sorted(counter)}


def comparisons(arms):
    """Yields the paired comparison of each arm with each baseline there is."""
    others = list(arms)
    for baseline in BASELINES:
        if baseline not in arms:
            continue
        others.remove(baseline)  # Random against darts is darts against random.
        for name in others:
            pairs = compare_pairs(accuracies(arms[name]), accuracies(arms[baseline]))
            if pairs is not None:
                yield {"arm": name, "baseline": baseline, **pairs}


def accuracies(arm):
    """Returns the test accuracy of an arm's runs by seed."""
    return {run["seed"]: run["accuracy"] for run in arm["runs"]}


def describe_rest(unit):
    """Returns which step an unfinished run has to do next, and its epochs so far."""
    step = unit.next_step().name
    epochs = None if step == EVALUATION else finished_epochs(unit.run(step))
    return {
        "arm": unit.arm,
        "seed": unit.seed,
        "has_begun": unit.path.exists(),
        "next_step": step,
        "finished_epochs": epochs,
    }


def finished_epochs(run):
    """Returns how many epochs a run has recorded."""
    history = run.file(workdir.HISTORY)
    if not history.exists():
        return 0
    return len(history.read_text(encoding="utf-8").splitlines()) - 1
