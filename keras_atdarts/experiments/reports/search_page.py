"""The page of a search."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.alphas_part import entropy_section
from keras_atdarts.experiments.reports.alphas_part import weights_section
from keras_atdarts.experiments.reports.cells_part import CELL_NAMES
from keras_atdarts.experiments.reports.cells_part import cells_section
from keras_atdarts.experiments.reports.cells_part import operations_section
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.decisions_part import decisions_section
from keras_atdarts.experiments.reports.line_charts import OPERATION_COLOURS
from keras_atdarts.experiments.reports.line_charts import Series
from keras_atdarts.experiments.reports.line_charts import line_chart
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.stages_part import stages_section
from keras_atdarts.experiments.reports.targets_part import targets_section
from keras_atdarts.genotypes.genotype import Genotype

FAMILY_NAMES = {"skip": "skip connections", "pool": "pools", "attention": "attention"}
FAMILY_COLOURS = {
    "skip": OPERATION_COLOURS["skip_connect"],
    "pool": OPERATION_COLOURS["max_pool_3x3"],
    "attention": OPERATION_COLOURS["channel_attention"],
}


def search_page(numbers):
    """Returns the page of a search as HTML, from what `report_numbers` returns."""
    genotype = numbers["genotype"] and Genotype.from_dict(numbers["genotype"])
    return page.run_page(
        f"Search {numbers['name']}",
        numbers,
        search_tiles(numbers),
        cells_section(genotype, cells_title(numbers)),
        history_section(numbers),
        stages_section(numbers),
        decisions_section(numbers),
        weights_section(numbers, genotype),
        entropy_section(numbers),
        operations_section(numbers),
        targets_section(numbers),
        page.curves_section(numbers["history"]),
        page.costs_section(numbers["costs"]),
    )


def cells_title(numbers):
    """Returns the heading of the drawings."""
    if numbers["drawn"] > 1:
        return f"The first of {numbers['drawn']} genotypes drawn by chance"
    if numbers["drawn"]:
        return "The genotype drawn by chance"
    return "Cells" if numbers["finished"] else "Cells as of the last finished epoch"


def search_tiles(numbers):
    """Returns the entries of the most important numbers."""
    if numbers["drawn"]:
        return [("Genotypes drawn", numbers["drawn"], "by chance")]
    entries = []
    if numbers["genotypes"]["epochs"]:
        last = numbers["genotypes"]["last_changed"]
        entries.append(("Genotype last changed", f"epoch {last}", None))
        counts = numbers["genotypes"]["epochs"][-1]["families"].values()
        for family, name in FAMILY_NAMES.items():
            shown = " + ".join(str(count[family]) for count in counts)
            entries.append((name.capitalize(), shown, "normal + reduction cell"))
    accuracies = numbers["history"].get("alpha_accuracy", [])
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    if known:
        remark = "of the supernet, on the images for alphas; says little of the network"
        entries.append(("Search accuracy", f"{known[-1]:.2%}", remark))
    return entries


def history_section(numbers):
    """Returns how the genotype changed from epoch to epoch."""
    epochs = numbers["genotypes"]["epochs"]
    if not epochs:
        return None
    last = numbers["genotypes"]["last_changed"]
    stable = len(epochs) - last
    words = f"It last changed in epoch {last} and stayed the same for {stable} more."
    if stable == 0:
        words = f"It still changed in the last epoch, {last}: it may change again."
    return page.section(
        "The genotype, epoch by epoch",
        tag("p", words),
        page.charts([families_figure(cell_type, epochs) for cell_type in CELL_NAMES]),
        page.soft(numbers["collapse"]["rule"]),
        page.details("The genotype of each epoch", genotype_list(epochs)),
    )


def families_figure(cell_type, epochs):
    """Returns the chart of skips, pools and attention over the epochs."""
    counts = [epoch["families"][cell_type] for epoch in epochs]
    lines = [
        Series(name, [count[family] for count in counts], FAMILY_COLOURS[family])
        for family, name in FAMILY_NAMES.items()
    ]
    numbers = [epoch["epoch"] for epoch in epochs]
    caption = f"{CELL_NAMES[cell_type]}: edges by epoch"
    edges = sum(map(len, epochs[-1]["genotype"][cell_type]["nodes"]))
    chart = line_chart(lines, numbers, caption, low=0, high=edges)
    return figure(caption, chart, legend(lines))


def genotype_list(epochs):
    """Returns the genotypes as text, one for each epoch in which it changed."""
    return [
        [
            tag("h3", f"Epoch {epoch['epoch']}"),
            tag("pre", Genotype.from_dict(epoch["genotype"])),
        ]
        for epoch in epochs
        if epoch["changed"]
    ]
