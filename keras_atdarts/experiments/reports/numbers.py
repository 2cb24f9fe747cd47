"""All numbers of a report, as a dict ready for JSON; the page shows the same."""

import datetime

from keras_atdarts.experiments.reports.alphas import entropy_over_epochs
from keras_atdarts.experiments.reports.alphas import weights_over_epochs
from keras_atdarts.experiments.reports.collapse import RULE
from keras_atdarts.experiments.reports.collapse import count_families
from keras_atdarts.experiments.reports.collapse import find_collapse
from keras_atdarts.experiments.reports.records import SEARCH
from keras_atdarts.experiments.reports.stages import stage_numbers
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.genotypes.statistics import SOURCE_KINDS
from keras_atdarts.genotypes.statistics import choices_of
from keras_atdarts.genotypes.statistics import count_by
from keras_atdarts.genotypes.statistics import source_kinds_by_chance

DIGITS = 6
PROVENANCE = ("command", "date", "git_revision", "platform", "versions", "resumed")


def report_numbers(record):
    """Returns the numbers of a report on a `RunRecord`.

    Returns:
        Dict ready for JSON. Epochs count from 1 and edges read `"0<-1"`, the edge
        to node 0 from source 1. Weights and entropies, see `reports.alphas`, are
        lists with a number for each epoch.
    """
    numbers = {
        "run": str(record.run.path),
        "name": record.run.path.resolve().name,
        "kind": record.kind,
        "finished": record.is_finished,
        "epochs_done": record.epochs_done,
        "epochs_planned": record.epochs_planned,
        "config": record.config,
        "dataset": record.saved.get("dataset"),
        **{name: record.saved.get(name) for name in PROVENANCE},
        "history": record.history,
        "costs": costs(record),
        "genotype": record.genotype and record.genotype.to_dict(),
        "notices": record.notices(),
    }
    if record.genotype is not None:
        numbers["operations"] = operation_counts(record.drawn or [record.genotype])
    if record.kind == SEARCH:
        numbers |= search_numbers(record)
        numbers["notices"] += numbers["collapse"]["signs"]
    else:
        numbers["validation"] = record.validation
    return numbers


def search_numbers(record):
    """Returns what only a search has: alphas, genotypes by epoch, collapse."""
    sampler = record.config.get("sampler", "softmax")  # Missing before version 0.5.
    weights = weights_over_epochs(record.alphas, sampler)
    genotype = record.genotype
    by_chance = record.is_random or genotype is None
    return {
        "genotypes": genotype_history(record.genotypes),
        "drawn": len(record.drawn),
        "stages": stage_numbers(record),
        "decisions": record.decisions,
        "sampler": sampler,
        "weights": rounded(weights),
        "entropy": rounded(entropy_over_epochs(weights)),
        "collapse": {
            "rule": RULE,
            "signs": [] if by_chance else find_collapse(genotype),
        },
    }


def rounded(values):
    """Returns a nested dict of lists with all numbers rounded; None stays."""
    if isinstance(values, dict):
        return {key: rounded(value) for key, value in values.items()}
    return [value if value is None else round(value, DIGITS) for value in values]


def genotype_history(genotypes):
    """Returns the genotype after each epoch, and when it last changed.

    Returns:
        Dict with `"last_changed"`, the epoch from which on the genotype is the last
        one (None without epochs), and `"epochs"`, a list of dicts: `"epoch"`,
        `"changed"`, `"families"` (the counts of skips, pools and attention by cell
        type), `"genotype"`.
    """
    epochs = [
        {
            "epoch": number,
            "changed": number == 1 or genotype != genotypes[number - 2],
            "families": {name: count_families(cell) for name, cell in genotype.cells()},
            "genotype": genotype.to_dict(),
        }
        for number, genotype in enumerate(genotypes, start=1)
    ]
    changes = [epoch["epoch"] for epoch in epochs if epoch["changed"]]
    return {"last_changed": max(changes, default=None), "epochs": epochs}


def operation_counts(genotypes):
    """Returns how often each operation was chosen in `Genotype`s, and where.

    Returns:
        Dict with the number of `"genotypes"`; for each cell type a dict from the
        operation to its `"total"`, its count by `"nodes"` (a list), and by `"sources"`
        (a dict by source kind); and `"sources_by_chance"`, how many edges of one cell
        would come from each kind of source by chance.
    """
    choices = choices_of(genotypes)
    num_nodes = len(genotypes[0].normal.nodes)
    totals = count_by(choices, "cell_type", "operation")
    nodes = count_by(choices, "cell_type", "operation", "node")
    sources = count_by(choices, "cell_type", "operation", "source_kind")
    counts = {"normal": {}, "reduction": {}}
    for (cell_type, operation), total in sorted(totals.items()):
        key = (cell_type, operation)
        counts[cell_type][operation] = {
            "total": total,
            "nodes": [nodes[(*key, node)] for node in range(num_nodes)],
            "sources": {kind: sources[(*key, kind)] for kind in SOURCE_KINDS},
        }
    chance = source_kinds_by_chance(num_nodes)
    return {
        "genotypes": len(genotypes),
        **counts,
        "sources_by_chance": {kind: round(n, 3) for kind, n in chance.items()},
    }


def costs(record):
    """Returns the seconds and bytes that a run took, as far as they are known.

    Returns:
        Dict with `"epochs"`, the columns of `resources.csv`; the `"seconds"` of these
        epochs; `"complete"`, whether these are all epochs; `"wall_seconds"` from start
        to end of a run that was never stopped; and the peaks of memory in bytes.
        Unknown numbers are None.
    """
    columns = record.resources
    seconds = [value or 0.0 for value in columns.get("seconds", ())]
    return {
        "epochs": columns,
        "seconds": round(sum(seconds), 3) if seconds else None,
        "complete": len(seconds) == record.epochs_done,
        "wall_seconds": wall_seconds(record.saved),
        "peak_memory": peak(columns.get("peak_memory", ())),
        "peak_gpu_memory": peak(columns.get("peak_gpu_memory", ())),
    }


def peak(values):
    """Returns the largest of the values that are known, as an integer, or None."""
    return max((int(value) for value in values if value is not None), default=None)


def wall_seconds(saved):
    """Returns the seconds between a run's start and end; None if it was resumed."""
    times = saved.get("date"), saved.get(workdir.FINISHED)
    if saved.get("resumed") or not all(isinstance(time, str) for time in times):
        return None
    try:
        start, end = map(datetime.datetime.fromisoformat, times)
        return (end - start).total_seconds()
    except (TypeError, ValueError):  # Written by hand.
        return None
