"""The parts of a page that show alphas: weights and entropy of the edges."""

from keras_atdarts.experiments.reports.alphas import attention_of
from keras_atdarts.experiments.reports.cells_part import CELL_NAMES as TYPE_NAMES
from keras_atdarts.experiments.reports.charts import MOST_COLUMNS
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import heat_map
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.charts import thinned
from keras_atdarts.experiments.reports.line_charts import SMALL
from keras_atdarts.experiments.reports.line_charts import Series
from keras_atdarts.experiments.reports.line_charts import line_chart
from keras_atdarts.experiments.reports.line_charts import nice_ticks
from keras_atdarts.experiments.reports.line_charts import operation_colours
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.page import charts
from keras_atdarts.experiments.reports.page import details
from keras_atdarts.experiments.reports.page import section
from keras_atdarts.experiments.reports.page import soft
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import source_name

INPUT_NAMES = ("cₖ₋₂", "cₖ₋₁")  # Those of the inputs; LaTeX is hard to read.
CELL_NAMES = {
    **TYPE_NAMES,
    **{
        attention_of(cell_type): f"{name}: the attention that follows"
        for cell_type, name in TYPE_NAMES.items()
    },
}


def weights_section(numbers, genotype):
    """Returns the weights of all operations: at the end, and over the epochs."""
    if not numbers["weights"]:
        return None
    epochs = [epoch["epoch"] for epoch in numbers["genotypes"]["epochs"]]
    return section(
        "Alphas",
        tag(
            "p",
            "The weight of an operation on an edge is made of its alpha by the sampler "
            f"{numbers['sampler']}; with edge normalization, it is multiplied by the "
            "softmax of the beta of its edge. Of each node the two edges stay whose "
            "heaviest operation, none aside, is the heaviest.",
        ),
        charts(
            weights_map(cell, edges, epochs[-1])
            for cell, edges in numbers["weights"].items()
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
    known = [value for row in values for value in row if value is not None]
    low, high = min(known), max(known)
    caption = f"{CELL_NAMES[cell]}: weights after epoch {epoch}"
    picture = heat_map(
        [edge_name(edge) for edge in edges],
        operations,
        scaled(values, low, high),
        caption,
        texts=[[x if x is None else f"{100 * x:.0f}" for x in row] for row in values],
        slanted=True,
    )
    return figure(f"{caption}: {low:.1%} (light) to {high:.1%} (full)", picture)


def weights_details(cell, edges, epochs, chosen):
    """Returns a small chart for each edge, of its weights over the epochs."""
    operations = list(next(iter(edges.values())))
    colours = operation_colours(operations)
    values = [w for edge in edges.values() for series in edge.values() for w in series]
    values = [weight for weight in values if weight is not None]
    ticks = nice_ticks(min(values), max(values), SMALL.ticks)
    figures = []
    for edge, series in edges.items():
        kept = chosen.get(edge)
        lines = [
            Series(name, weights, colours[name], name in (kept or ()))
            for name, weights in series.items()
        ]
        figures.append(
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
    return details(
        f"{CELL_NAMES[cell]}: the weights of every edge over the epochs",
        key,
        soft("Dashed: all equal. Edges that stay are in bold, with their operation."),
        tag("div", figures, class_="small"),
    )


def scaled(values, low, high):
    """Returns rows of numbers or None, brought from between two numbers to 0 to 1."""
    span = (high - low) or 1
    return [[x if x is None else (x - low) / span for x in row] for row in values]


def chosen_operations(genotype, cell):
    """Returns the operations that stay in a kind of cell, by edge as text."""
    chosen = {}
    for cell_type, node, edge in genotype.operations():
        if cell == cell_type:
            chosen[f"{node}<-{edge.source}"] = edge.parts
        elif cell == attention_of(cell_type):
            chosen[f"{node}<-{edge.source}"] = edge.parts[1:] or (IDENTITY,)
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
    return section(
        "Entropy of the edges",
        tag(
            "p",
            "1: all operations of the edge weigh the same. 0: one has all the weight. "
            "Each map is scaled between the lowest and the highest entropy in it.",
        ),
        charts(
            entropy_figure(cell, edges, epochs)
            for cell, edges in numbers["entropy"].items()
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
