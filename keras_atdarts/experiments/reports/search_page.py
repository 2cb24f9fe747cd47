"""The page of a search."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.alphas_part import entropy_section
from keras_atdarts.experiments.reports.alphas_part import weights_section
from keras_atdarts.experiments.reports.charts import Series
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.charts import line_chart
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.operations_part import CELL_NAMES
from keras_atdarts.experiments.reports.operations_part import operations_section
from keras_atdarts.genotypes.genotype import Genotype

FAMILY_NAMES = {"skip": "skip connections", "pool": "pools", "attention": "attention"}
FAMILY_COLOURS = {"skip": "#e64980", "pool": "#2f9e44", "attention": "#d9480f"}


def search_page(numbers):
    """Returns the page of a search as HTML.

    Args:
        numbers: Dict, what `report_numbers` returns.
    """
    genotype = numbers["genotype"] and Genotype.from_dict(numbers["genotype"])
    title = f"Search {numbers['name']}"
    return page.fill_page(
        title,
        page.header(numbers, title),
        page.tiles(search_tiles(numbers)),
        page.cells_section(genotype, cells_title(numbers)),
        history_section(numbers),
        weights_section(numbers, genotype),
        entropy_section(numbers),
        operations_section(numbers),
        curves_section(numbers),
        page.costs_section(numbers["costs"]),
        page.settings_section(numbers),
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
    epochs = numbers["genotypes"]["epochs"]
    entries = [("Epochs", page.epochs_words(numbers), None)]
    if epochs:
        last = numbers["genotypes"]["last_changed"]
        entries.append(("Genotype last changed", f"epoch {last}", None))
        for family, name in FAMILY_NAMES.items():
            counts = epochs[-1]["families"]
            shown = " + ".join(str(counts[kind][family]) for kind in counts)
            entries.append((name.capitalize(), shown, "normal + reduction cell"))
    accuracy = [
        a for a in numbers["history"].get("alpha_accuracy", []) if a is not None
    ]
    if accuracy:
        remark = "of the supernet, on the images for alphas; says little of the network"
        entries.append(("Search accuracy", f"{accuracy[-1]:.2%}", remark))
    return entries + page.cost_tiles(numbers["costs"])


def history_section(numbers):
    """Returns how the genotype changed from epoch to epoch."""
    epochs = numbers["genotypes"]["epochs"]
    if not epochs:
        return None
    last = numbers["genotypes"]["last_changed"]
    stable = len(epochs) - last
    words = f"It last changed in epoch {last} and stayed the same for {stable} more."
    if stable == 0:
        words = (
            f"It still changed in the last epoch, {last}: the search is not settled."
        )
    return page.section(
        "The genotype, epoch by epoch",
        tag("p", words),
        tag(
            "div",
            [families_figure(cell_type, epochs) for cell_type in CELL_NAMES],
            class_="charts",
        ),
        tag("p", numbers["collapse"]["rule"], class_="soft"),
        page.details("The genotype of each epoch", genotype_list(epochs)),
    )


def families_figure(cell_type, epochs):
    """Returns the chart of skips, pools and attention over the epochs."""
    lines = [
        Series(
            name,
            [epoch["families"][cell_type][family] for epoch in epochs],
            FAMILY_COLOURS[family],
        )
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
        tag(
            "div",
            tag("h3", f"Epoch {epoch['epoch']}"),
            tag("pre", Genotype.from_dict(epoch["genotype"])),
        )
        for epoch in epochs
        if epoch["changed"]
    ]


def curves_section(numbers):
    """Returns the curves of loss and accuracy."""
    if not numbers["history"].get("epoch"):
        return None
    return page.section("Loss and accuracy", page.curves(numbers["history"]))
