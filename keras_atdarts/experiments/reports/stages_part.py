"""The part of a page that shows the stages of a search."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.alphas_part import edge_name
from keras_atdarts.experiments.reports.cells_part import CELL_NAMES
from keras_atdarts.experiments.reports.markup import table

REMARK = (
    "A step in which the alphas learn, as the median of epochs; the first of them, "
    "with the preparation of a step, is left out if there are more."
)


def stages_section(numbers):
    """Returns the stages and what they dropped; None where there are none."""
    stages = numbers["stages"]
    if not stages:
        return None
    header = ["stage", "epochs", "cells", "operations on an edge", "seconds of a step"]
    return page.section(
        "Stages",
        table([*header, "in that of stage 1"], stage_rows(stages)),
        page.soft(REMARK),
        [
            page.details(
                f"{name}: the operations that each edge has lost",
                dropped_table(stages, cell_type),
            )
            for cell_type, name in CELL_NAMES.items()
            if stages[1:]
        ],
    )


def stage_rows(stages):
    """Returns a row of the table for each stage."""
    whole = stages[0]["step_seconds"]
    rows = []
    for number, stage in enumerate(stages, start=1):
        seconds = stage["step_seconds"]
        rows.append(
            [
                number,
                f"{stage['first']} to {stage['last']}",
                stage["num_cells"],
                stage["operations"],
                "unknown" if seconds is None else f"{seconds:.3f}",
                f"{seconds / whole:.2f}" if seconds and whole else "",
            ]
        )
    return rows


def dropped_table(stages, cell_type):
    """Returns the table of what the edges of a type of cell lost, stage by stage."""
    header = [f"after stage {number}" for number in range(1, len(stages))]
    rows = [
        [edge_name(edge)]
        + [", ".join(stage["dropped"][cell_type][edge]) for stage in stages[1:]]
        for edge in stages[0]["dropped"][cell_type]
    ]
    return table(["edge", *header], rows)
