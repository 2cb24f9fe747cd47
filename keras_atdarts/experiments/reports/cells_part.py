"""The parts of a page that show cells: their drawings, and where operations stand."""

from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.page import details
from keras_atdarts.experiments.reports.page import section
from keras_atdarts.genotypes.cell_picture import cell_svg
from keras_atdarts.genotypes.statistics import SOURCE_KINDS
from keras_atdarts.operations import attention_names

CELL_NAMES = {"normal": "Normal cell", "reduction": "Reduction cell"}
SOURCE_NAMES = dict(
    zip(SOURCE_KINDS, ("the previous cell", "the one before", "a node"), strict=True)
)


def cells_section(genotype, title="Cells"):
    """Returns the drawings of both cells of a `Genotype` or None, and their text."""
    if genotype is None:
        return section(title, tag("p", "No epoch has ended: there are none yet."))
    pictures = [
        Markup(cell_svg(cell, f"{kind} cell", attention_names()))
        for kind, cell in genotype.cells()
    ]
    return section(
        title,
        [tag("div", picture, class_="scroll") for picture in pictures],
        details("The cells as text", tag("pre", genotype)),
    )


def operations_section(numbers):
    """Returns the tables of both cell types; None where there is no genotype."""
    counts = numbers.get("operations")
    if counts is None:
        return None
    count = counts["genotypes"]
    of_all = f" of all {count} genotypes" if count > 1 else ""
    chance = ", ".join(
        f"{SOURCE_NAMES[kind]} {expected:.1f}"
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
    header += [f"from {SOURCE_NAMES[kind]}" for kind in SOURCE_KINDS]
    rows = [
        [name, count["total"], *count["nodes"], *count["sources"].values()]
        for name, count in operations.items()
    ]
    rows.sort(key=lambda row: -row[1])
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    rows = [[name, *[number or "" for number in counts]] for name, *counts in rows]
    return table(header, [*rows, ["all", *totals]])
