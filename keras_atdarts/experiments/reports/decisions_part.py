"""The part of a page that shows how a genotype was selected by perturbation."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.cells_part import CELL_NAMES
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.runs.perturbation_selection import decision_from_dict
from keras_atdarts.genotypes.names import source_name

REMARK = (
    "Accuracies of the supernet without each candidate, on images for the alphas, the "
    "lowest first: what it can do least without was kept. The rounds lie some epochs "
    "apart, in which the supernet learned, so that only numbers of one line compare."
)


def decisions_section(numbers):
    """Returns what was measured and chosen; None where alphas decided alone."""
    rounds = [
        (number, decision_from_dict(each))
        for number, entry in enumerate(numbers["decisions"], start=1)
        for each in entry["decisions"]
    ]
    if not rounds:
        return None
    header = ["round", "node", "from", "chosen", "accuracy without"]
    return page.section(
        "Selection",
        page.soft(REMARK),
        [
            page.details(
                f"{name}: what was measured",
                table(header, decision_rows(rounds, cell_type)),
            )
            for cell_type, name in CELL_NAMES.items()
        ],
    )


def decision_rows(rounds, cell_type):
    """Returns a row of the table for each decision on a type of cell."""
    rows = []
    for number, decision in rounds:
        if decision.cell_type != cell_type:
            continue
        is_of_node = decision.source is None
        shown = source_name if is_of_node else str
        ranked = sorted(decision.measured.items(), key=lambda item: item[1].worth)
        without = [f"{shown(name)} {each.accuracy:.2%}" for name, each in ranked]
        rows.append(
            [
                number,
                decision.node,
                "all edges" if is_of_node else source_name(decision.source),
                ", ".join(map(shown, decision.chosen)),
                ", ".join(without),
            ]
        )
    return rows
