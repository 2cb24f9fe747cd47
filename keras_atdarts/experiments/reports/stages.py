"""The stages of a search as numbers: what was dropped when, and what a step took."""

import statistics

from keras_atdarts.genotypes.alphas import edge_text


def stage_numbers(record):
    """Returns the stages of a search, as far as they have begun.

    Args:
        record: `RunRecord`.

    Returns:
        List of dicts, ready for JSON, empty for a search without stages: `"first"` and
        `"last"`, its epochs, counted from 1; `"num_cells"`; `"operations"`, the most on
        an edge; `"dropped"`, `{cell type: {edge: list of names}}` of what every edge
        lost before it; `"step_seconds"`, see `seconds_of_step`.
    """
    if not record.stages or not record.alphas:
        return []
    before = {
        cell_type: {edge_text(edge): list(x) for edge, x in of_cell.operations.items()}
        for cell_type, of_cell in record.alphas[0].items()
    }
    numbers = []
    for stage in record.stages:
        kept = stage["kept"] or before
        first = stage["first_epoch"]
        numbers.append(
            {
                "first": first + 1,
                "last": first + record.config["epochs"],
                "num_cells": stage["num_cells"],
                "operations": max(
                    len(names) for edges in kept.values() for names in edges.values()
                ),
                "dropped": dropped(before, kept),
                "step_seconds": seconds_of_step(record, stage),
            }
        )
        before = kept
    return numbers


def dropped(before, after):
    """Returns the operations that every edge has lost, by cell type and edge."""
    return {
        cell_type: {
            edge: [name for name in names if name not in after[cell_type][edge]]
            for edge, names in edges.items()
        }
        for cell_type, edges in before.items()
    }


def seconds_of_step(record, stage):
    """Returns the median seconds of a step of a stage, or None while it is unknown.

    Of the epochs in which the alphas learn, the first is left out if there are more:
    it includes the preparation of the first step.
    """
    first = stage["first_epoch"] + record.config["warm_up_epochs"]
    end = stage["first_epoch"] + record.config["epochs"]
    columns = zip(
        record.resources.get("epoch", ()),
        record.resources.get("seconds", ()),
        strict=True,
    )
    seconds = [value for epoch, value in columns if first < epoch <= end]
    seconds = seconds[1:] or seconds
    if not seconds or None in seconds:
        return None
    return round(statistics.median(seconds) / stage["steps_per_epoch"], 4)
