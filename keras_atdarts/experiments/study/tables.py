"""The results of a study as a page of Markdown tables: results.md."""

from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.experiments.study.arms import DEFAULT_SPACE
from keras_atdarts.experiments.study.arms import DRAWN
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.units import EVALUATION
from keras_atdarts.genotypes.statistics import source_kinds_by_chance

BUDGET = ("filters", "num_cells", "epochs", "steps_per_epoch", "batch_size")
CELL_TYPES = ("normal", "reduction")
SOURCE_NAMES = {
    "c_{k-1}": "previous cell",
    "c_{k-2}": "cell before it",
    "node": "intermediate node",
}
SIGNIFICANT = 0.05

HOW_MEASURED = (
    "Test accuracy is that of the network after the last epoch of its training, "
    "measured once: no epoch, genotype or seed was chosen by it. ± is the sample "
    "standard deviation over the seeds. A run has one seed, for its search and its "
    "training. Parameters and multiply-adds (for one image) are means. Search time is "
    "the mean wall-clock time of one search; a search that was stopped counts with all "
    "its attempts. Core-hours are those of search and training of one run, summed over "
    "threads: they hardly depend on what else a machine does. Unchanged epochs are "
    "those at the end of each search that left its genotype as it was. Supernet "
    "accuracy is that of the last search epoch, on the training "
    "images that the alphas learn from: it is not the accuracy of any network."
)
HOW_COMPARED = (
    "Differences are in percentage points, over pairs of runs with the same seed. p "
    "comes from the two-sided sign-flip permutation test. It is exact up to 20 seeds, "
    "and not corrected for the number of rows. Beside it stands the lowest p that so "
    "few seeds can give."
)


def describe_study(results, chart=None):
    """Returns the Markdown page of what `results.collect` returns.

    `chart` is the name of a picture beside the page, if there is one.
    """
    names = ", ".join(results["arms"])
    sections = [
        f"# {names} on {results['study']['retrain']['dataset']}",
        f"    python {results['command']}",
        *describe_unfinished(results["unfinished"]),
        describe_budget(results),
        HOW_MEASURED,
        accuracy_table(results["arms"]),
        *([f"![Test accuracy of every run]({chart})"] if chart else []),
        *describe_comparisons(results["comparisons"]),
        "## Where attention was chosen",
        describe_places(results["arms"]),
        attention_table(results["arms"]),
        "## Operations",
        operation_table(results["arms"]),
    ]
    return "\n\n".join(sections) + "\n"


def describe_unfinished(unfinished):
    """Returns the section about runs that are not finished, in a list, or `[]`."""
    if not unfinished:
        return []
    lines = [f"- {show_unfinished(run)}" for run in unfinished]
    return ["## Not finished, and not in any number below", "\n".join(lines)]


def show_unfinished(run):
    """Returns a line about an unfinished run."""
    name = f"{run['arm']}, seed {run['seed']}"
    if not run["has_begun"]:
        return f"{name}: not begun"
    if run["next_step"] == EVALUATION:
        return f"{name}: trained, not evaluated"
    return f"{name}: {run['next_step']}, {run['finished_epochs']} epochs are finished"


def describe_budget(results):
    """Returns the budget of every arm."""
    arms, study = results["arms"].items(), results["study"]
    lines = [f"Every network is trained with {show_budget(study['retrain'])}."]
    if any(arm["kind"] == SEARCHED for _, arm in arms):
        lines.append(f"Every search has {show_budget(study['search'])}.")
    for name, arm in arms:
        if arm["kind"] == DRAWN:
            lines.append(
                f"`{name}` has no search: each seed draws one genotype from the space "
                f"`{DEFAULT_SPACE}`. Its training has the same budget as all others."
            )
    return " ".join(lines)


def show_budget(settings):
    """Returns the settings that cost time, as the user would type them."""
    values = ((name, settings[name]) for name in BUDGET)
    words = (f"{name}={show_value(value)}" for name, value in values if value)
    return f"`{' '.join(words)}`"


def accuracy_table(arms):
    """Returns the table of what the runs of each arm gave."""
    rows = []
    for name, arm in arms.items():
        runs = [f"{run['accuracy']:.2%} ({run['seed']})" for run in arm["runs"]]
        supernets = [run["supernet_accuracy"] for run in arm["runs"]]
        supernets = [f"{each:.2%}" for each in supernets if each is not None]
        row = {
            "arm": name,
            "test accuracy": show_accuracy(arm["accuracy"]),
            "runs (seed)": ", ".join(runs) or "-",
            "parameters": show_count(arm["parameters"]),
            "multiply-adds": show_count(arm["multiply_adds"]),
            "search time": show_time(arm["search_seconds"]),
            "core-hours": show_core_hours(arm),
            "unchanged epochs": show_unchanged(arm["runs"]),
            "supernet accuracy": ", ".join(supernets) or "-",
        }
        rows.append(row)
    return table(rows[0], map(dict.values, rows))


def describe_comparisons(comparisons):
    """Returns the section of the paired tests, as a list of paragraphs, or `[]`."""
    if not comparisons:
        return []
    rows = [
        {
            "arm": pair["arm"],
            "against": pair["baseline"],
            "difference": f"{100 * pair['mean_difference']:+.2f}{show_deviation(pair)}",
            "pairs": len(pair["seeds"]),
            "p": f"{pair['p_value']:.3g}",
            "lowest possible p": f"{pair['lowest_p_value']:.3g}",
        }
        for pair in comparisons
    ]
    differences = table(rows[0], map(dict.values, rows))
    paragraphs = ["## Differences", HOW_COMPARED, differences]
    if all(pair["lowest_p_value"] > SIGNIFICANT for pair in comparisons):
        paragraphs.append(
            f"With so few seeds no difference can be significant at {SIGNIFICANT}."
        )
    return paragraphs


def describe_places(arms):
    """Returns what the table of attention counts, and what chance would give."""
    counted = "; ".join(
        f"{name} {arm['cells']['choices']} in {arm['cells']['genotypes']}"
        for name, arm in arms.items()
    )
    chance = source_kinds_by_chance()
    total = sum(chance.values())
    expected = ", ".join(
        f"{chance[kind] / total:.0%} {name}" for kind, name in SOURCE_NAMES.items()
    )
    return (
        f"Counted over all seeds (operations in genotypes: {counted}). By chance, the "
        f"sources would be: {expected}. Depth is the number of edges on the longest "
        "way from an input of the cell, this edge included."
    )


def attention_table(arms):
    """Returns the table of where each attention stands in the genotypes of an arm."""
    places = [
        (name, attention, aspects)
        for name, arm in arms.items()
        for attention, aspects in arm["cells"]["attention"].items()
    ]
    depths = sorted({depth for *_, aspects in places for depth in aspects["depth"]})
    columns = {kind: ("cell_type", kind) for kind in CELL_TYPES}
    for kind, name in SOURCE_NAMES.items():
        columns[f"from {name}"] = ("source_kind", kind)
    for depth in depths:
        columns[f"depth {depth}"] = ("depth", depth)
    rows = []
    for name, attention, aspects in places:
        counts = [aspects[aspect].get(key, 0) for aspect, key in columns.values()]
        rows.append((name, attention, sum(aspects["depth"].values()), *counts))
    return table(("arm", "attention", "in all", *columns), rows)


def operation_table(arms):
    """Returns the table of how often each operation stands in the genotypes."""
    counts = {name: arm["cells"]["operations"] for name, arm in arms.items()}
    operations = sorted({operation for each in counts.values() for operation in each})
    rows = [
        (operation, *(each.get(operation, 0) for each in counts.values()))
        for operation in operations
    ]
    return table(("operation", *counts), rows)


def table(header, rows):
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def show_accuracy(summary):
    """Returns mean ± standard deviation in per cent."""
    if summary is None:
        return "-"
    return f"{100 * summary['mean']:.2f}{show_deviation(summary)} %"


def show_deviation(summary):
    """Returns what follows a mean: ± standard deviation in percentage points."""
    deviation = summary["standard_deviation"]
    return "" if deviation is None else f" ± {100 * deviation:.2f}"


def show_count(summary):
    """Returns the mean of counts."""
    return "-" if summary is None else f"{summary['mean']:,.0f}"


def show_core_hours(arm):
    """Returns the mean core-hours of an arm's searches and of its trainings."""
    parts = [arm["search_core_hours"], arm["training_core_hours"]]
    return " + ".join(f"{each['mean']:.2f}" for each in parts if each) or "-"


def show_unchanged(runs):
    """Returns the epochs that left the genotype of each search as it was."""
    known = [run["unchanged_epochs"] for run in runs]
    return ", ".join(str(each) for each in known if each is not None) or "-"


def show_time(summary):
    """Returns the mean of seconds, in the unit that suits it."""
    if summary is None:
        return "none"
    seconds = summary["mean"]
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
