"""The results of the finished runs of a study: the content of results.json."""

import statistics

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.study.arms import GIVEN
from keras_atdarts.experiments.study.arms import RANDOM
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.comparison import compare_pairs
from keras_atdarts.experiments.study.comparison import sample_deviation
from keras_atdarts.experiments.study.run_facts import core_hours
from keras_atdarts.experiments.study.run_facts import unchanged_epochs
from keras_atdarts.experiments.study.units import EVALUATION
from keras_atdarts.experiments.study.units import SEARCH
from keras_atdarts.experiments.study.units import TRAINING
from keras_atdarts.experiments.study.units import StepTimes
from keras_atdarts.experiments.study.units import study_units
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.statistics import choices_of
from keras_atdarts.genotypes.statistics import count_by
from keras_atdarts.operations import attention_names

BASELINES = (RANDOM, "darts")
EVALUATED = ("accuracy", "parameters", "multiply_adds", "num_examples")
QUANTITIES = (
    "accuracy",
    "parameters",
    "multiply_adds",
    "search_seconds",
    "search_core_hours",
    "training_core_hours",
)
ASPECTS = ("cell_type", "source_kind", "depth")


def collect(directory, description):
    """Returns all results of a study so far, ready for JSON.

    Returns:
        Dict with the `"command"` that began it; the `"study"`; its `"arms"`, each
        with means and standard deviations, every run, and where attention stands in
        its genotypes; the paired `"comparisons"`; and the `"unfinished"` runs.
    """
    units = study_units(directory, description)
    finished = [unit for unit in units if unit.is_done()]
    arms = {
        arm.name: describe_arm(arm, [unit for unit in finished if unit.arm == arm.name])
        for arm in description.arms
    }
    return {
        "command": directory.command(),
        "study": description.to_dict(),
        "arms": arms,
        "comparisons": list(comparisons(arms)),
        "unfinished": [describe_rest(unit) for unit in units if unit not in finished],
    }


def describe_arm(arm, finished):
    """Returns the results of an arm: a summary of its finished runs, and each run."""
    runs = [describe_run(unit, arm.kind) for unit in finished]
    genotypes = [
        Genotype.load(unit.run(TRAINING).file(workdir.GENOTYPE)) for unit in finished
    ]
    if arm.kind == GIVEN:  # All seeds have the same genotype.
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
    accuracy = seconds = hours = unchanged = None
    if kind == SEARCHED:
        search = unit.run(SEARCH)
        accuracy = read_columns(search.file(workdir.HISTORY))["alpha_accuracy"][-1]
        seconds = times.seconds(SEARCH)
        hours, unchanged = core_hours(search), unchanged_epochs(search)
    return {
        "seed": unit.seed,
        **{name: evaluation[name] for name in EVALUATED},
        "supernet_accuracy": accuracy,
        "unchanged_epochs": unchanged,
        "search_seconds": seconds,
        "search_core_hours": hours,
        "training_seconds": times.seconds(TRAINING),
        "training_core_hours": core_hours(unit.run(TRAINING)),
    }


def summarize(values):
    """Returns mean and standard deviation of the values that are not None, or None."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = sample_deviation(known)
    return {"mean": statistics.fmean(known), "standard_deviation": deviation}


def describe_cells(genotypes):
    """Returns how often `Genotype`s have each operation, and where attention stands."""
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
    """Returns a counter as a sorted dict whose keys are texts, as in JSON."""
    return {str(key): counter[key] for key in sorted(counter)}


def comparisons(arms):
    """Yields the paired comparison of each arm with each baseline in the study."""
    accuracies = {
        name: {run["seed"]: run["accuracy"] for run in arm["runs"]}
        for name, arm in arms.items()
    }
    others = list(arms)
    for baseline in BASELINES:
        if baseline not in arms:
            continue
        others.remove(baseline)  # Random against darts is darts against random.
        for name in others:
            pairs = compare_pairs(accuracies[name], accuracies[baseline])
            if pairs is not None:
                yield {"arm": name, "baseline": baseline, **pairs}


def describe_rest(unit):
    """Returns the next step of an unfinished run, and its epochs so far."""
    step = unit.next_step().name
    epochs = None if step == EVALUATION else unit.run(step).finished_epochs()
    return {
        "arm": unit.arm,
        "seed": unit.seed,
        "has_begun": unit.path.exists(),
        "next_step": step,
        "finished_epochs": epochs,
    }
