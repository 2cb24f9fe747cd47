"""The page of a search."""

from keras_atdarts.cell_genotype import NUM_INPUTS
from keras_atdarts.cell_genotype import source_name
from keras_atdarts.genotype import Genotype
from keras_atdarts.reports import page
from keras_atdarts.reports.charts import MOST_COLUMNS
from keras_atdarts.reports.charts import SMALL
from keras_atdarts.reports.charts import Series
from keras_atdarts.reports.charts import figure
from keras_atdarts.reports.charts import heat_map
from keras_atdarts.reports.charts import legend
from keras_atdarts.reports.charts import line_chart
from keras_atdarts.reports.charts import nice_ticks
from keras_atdarts.reports.charts import thinned
from keras_atdarts.reports.colours import operation_colours
from keras_atdarts.reports.markup import tag
from keras_atdarts.reports.operations_part import operations_section

FAMILY_NAMES = {"skip": "skip connections", "pool": "pools", "attention": "attention"}
FAMILY_COLOURS = {"skip": "#e64980", "pool": "#2f9e44", "attention": "#d9480f"}
INPUT_NAMES = ("cₖ₋₂", "cₖ₋₁")  # Those of the inputs; LaTeX is hard to read.
CELL_NAMES = {
    "normal": "Normal cell",
    "reduction": "Reduction cell",
    "normal_attention": "Normal cell: the attention that follows",
    "reduction_attention": "Reduction cell: the attention that follows",
}


def search_page(numbers):
    """Returns the page of a search as HTML.

    Args:
        numbers: Dict, what `report_numbers` returns.
    """
    genotype = numbers["genotype"] and Genotype.from_dict(numbers["genotype"])
    name = numbers["run"].rstrip("/").split("/")[-1]
    title = f"Search {name}"
    return page.fill_page(
        title,
        page.header(numbers, title),
        page.tiles(search_tiles(numbers, genotype)),
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


def search_tiles(numbers, genotype):
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
            [
                families_figure(cell_type, epochs)
                for cell_type in ("normal", "reduction")
            ],
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


def weights_section(numbers, genotype):
    """Returns the weights of all operations: at the end, and over the epochs."""
    if not numbers["weights"]:
        return None
    epochs = [epoch["epoch"] for epoch in numbers["genotypes"]["epochs"]]
    return page.section(
        "Alphas",
        tag(
            "p",
            "The weight of an operation on an edge is the softmax of its alpha. Of "
            "each node the two edges stay whose heaviest operation, none aside, is "
            "the heaviest.",
        ),
        tag(
            "div",
            [
                weights_map(cell, edges, epochs[-1])
                for cell, edges in numbers["weights"].items()
            ],
            class_="charts",
        ),
        [
            weights_details(cell, edges, epochs, chosen_operations(genotype, cell))
            for cell, edges in numbers["weights"].items()
        ],
    )


def weights_map(cell, edges, epoch):
    """Returns the heat map of the last weights of a cell."""
    operations = list(next(iter(edges.values())))
    values = [[series[-1] for series in edge.values()] for edge in edges.values()]
    low, high = min(map(min, values)), max(map(max, values))
    caption = f"{CELL_NAMES[cell]}: weights after epoch {epoch}"
    picture = heat_map(
        [edge_name(edge) for edge in edges],
        operations,
        scaled(values, low, high),
        caption,
        texts=[[f"{100 * value:.0f}" for value in row] for row in values],
        slanted=True,
    )
    return figure(
        f"{caption}: {low:.1%} (light) to {high:.1%} (full)",
        picture,
    )


def weights_details(cell, edges, epochs, chosen):
    """Returns a small chart for each edge, of its weights over the epochs."""
    operations = list(next(iter(edges.values())))
    colours = operation_colours(operations)
    values = [w for edge in edges.values() for series in edge.values() for w in series]
    ticks = nice_ticks(min(values), max(values), SMALL.ticks)
    charts = []
    for edge, series in edges.items():
        kept = chosen.get(edge)
        lines = [
            Series(name, weights, colours[name], name in (kept or ()))
            for name, weights in series.items()
        ]
        charts.append(
            figure(
                [edge_name(edge), kept and f": {'+'.join(kept)}"],
                line_chart(
                    lines,
                    epochs,
                    f"Weights on the edge {edge_name(edge)}",
                    low=ticks[0],
                    high=ticks[-1],
                    reference=1 / len(operations),
                    frame=SMALL,
                ),
                class_="kept" if kept else None,
            )
        )
    key = legend([Series(name, [], colour) for name, colour in colours.items()])
    remark = "Dashed: all equal. Edges that stay are in bold, with their operation."
    return page.details(
        f"{CELL_NAMES[cell]}: the weights of every edge over the epochs",
        key,
        tag("p", remark, class_="soft"),
        tag("div", charts, class_="small"),
    )


def scaled(values, low, high):
    """Returns rows of numbers, brought from between two numbers to 0 to 1."""
    span = (high - low) or 1
    return [[(value - low) / span for value in row] for row in values]


def chosen_operations(genotype, cell):
    """Returns the operations that stay in a kind of cell, by edge as text."""
    cells = dict(genotype.cells())
    of_attention = cell not in cells
    kept = cells[cell.split("_")[0]]
    chosen = {}
    for node, edges in enumerate(kept.nodes):
        for edge in edges:
            parts = edge.parts
            if of_attention:
                parts = parts[1:] or ("identity",)
            chosen[f"{node}<-{edge.source}"] = parts
    return chosen


def edge_name(edge):
    """Returns how an edge, `"0<-1"`, is called on the page: `"node 0 ← cₖ₋₁"`."""
    node, source = edge.split("<-")
    source = int(source)
    name = source_name(source) if source >= NUM_INPUTS else INPUT_NAMES[source]
    return f"node {node} ← {name}"


def entropy_section(numbers):
    """Returns how undecided each edge was, epoch by epoch."""
    if not numbers["entropy"]:
        return None
    epochs = [epoch["epoch"] for epoch in numbers["genotypes"]["epochs"]]
    return page.section(
        "Entropy of the edges",
        tag(
            "p",
            "1: all operations of the edge weigh the same. 0: one has all the weight. "
            "Each map is scaled between the lowest and the highest entropy in it.",
        ),
        tag(
            "div",
            [
                entropy_figure(cell, edges, epochs)
                for cell, edges in numbers["entropy"].items()
            ],
            class_="charts",
        ),
    )


def entropy_figure(cell, edges, epochs):
    """Returns the heat map of a cell's entropies: edges by epochs."""
    kept = thinned(len(epochs), MOST_COLUMNS)
    values = [[entropies[place] for place in kept] for entropies in edges.values()]
    low, high = min(map(min, values)), max(map(max, values))
    few = len(kept) <= 8
    picture = heat_map(
        [edge_name(edge) for edge in edges],
        [epochs[place] for place in kept],
        scaled(values, low, high),
        f"Entropy of the edges of the {CELL_NAMES[cell]} over the epochs",
        texts=[[f"{value:.3f}" for value in row] for row in values] if few else None,
        every=1 + len(kept) // 10,
    )
    caption = f"{CELL_NAMES[cell]}, by epoch: {low:.3f} (light) to {high:.3f} (full)"
    return figure(caption, picture)


def curves_section(numbers):
    """Returns the curves of loss and accuracy."""
    if not numbers["history"].get("epoch"):
        return None
    return page.section("Loss and accuracy", page.curves(numbers["history"]))
