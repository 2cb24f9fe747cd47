"""The part of a page that tells which operations were chosen, and where."""

from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.page import section
from keras_atdarts.genotypes.statistics import SOURCE_KINDS

CELL_NAMES = {"normal": "Normal cell", "reduction": "Reduction cell"}
SOURCE_WORDS = dict(
    zip(SOURCE_KINDS, ("the previous cell", "the one before", "a node"), strict=True)
)


def operations_section(numbers):
    """Returns the tables of both cell types; None where there is no genotype.

    Args:
        numbers: Dict, what `report_numbers` returns.
    """
    counts = numbers.get("operations")
    if counts is None:
        return None
    of_all = ""
    if counts["genotypes"] > 1:
        of_all = f" of all {counts['genotypes']} genotypes"
    chance = ", ".join(
        f"{SOURCE_WORDS[kind]} {expected:.1f}"
        for kind, expected in counts["sources_by_chance"].items()
    )
    return section(
        f"Operations{of_all}: which, and where",
        tag("p", f"By chance, the edges of a cell would come from: {chance}."),
        [
            [tag("h3", name), counts_table(counts[cell_type])]
            for cell_type, name in CELL_NAMES.items()
        ],
    )


def counts_table(operations):
    """Returns the table of a cell type: operations by node and by source."""
    num_nodes = len(next(iter(operations.values()))["nodes"])
    header = ["operation", "count", *[f"node {node}" for node in range(num_nodes)]]
    header += [f"from {SOURCE_WORDS[kind]}" for kind in SOURCE_KINDS]
    rows = [
        [name, count["total"], *count["nodes"], *count["sources"].values()]
        for name, count in sorted(
            operations.items(), key=lambda item: -item[1]["total"]
        )
    ]
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    rows = [[row[0], *[number or "" for number in row[1:]]] for row in rows]
    return table(header, [*rows, ["all", *totals]])
