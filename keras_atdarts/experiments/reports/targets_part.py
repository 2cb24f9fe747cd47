"""The part of a page that shows what the network of a search will cost."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.line_charts import BLUE
from keras_atdarts.experiments.reports.line_charts import ORANGE
from keras_atdarts.experiments.reports.line_charts import Series
from keras_atdarts.experiments.reports.line_charts import line_chart
from keras_atdarts.search.expected_cost import DERIVED
from keras_atdarts.search.expected_cost import EXPECTED
from keras_atdarts.search.operation_costs import MEASURES

MILLION = 1e6
REMARK = (
    "Of the network that retrain.py is to train, as the settings retrain_* say. The "
    "dashed line is the target. The penalty knows what is expected by the weights of "
    "all operations; the genotype keeps the heaviest of them."
)


def targets_section(numbers):
    """Returns the charts of costs by epoch; None where the search had no target."""
    history = numbers["history"]
    measures = [name for name in MEASURES if any(history.get(EXPECTED + name, ()))]
    if not measures:
        return None
    figures = [
        cost_figure(name, history, numbers["config"][f"target_{name}"])
        for name in measures
    ]
    return page.section(
        "What the network will cost", page.charts(figures), page.soft(REMARK)
    )


def cost_figure(measure, history, target):
    """Returns the chart of one measure of costs."""
    name = measure.replace("_", "-").capitalize()
    lines = [
        Series(words, [x and x / MILLION for x in history[kind + measure]], colour)
        for kind, words, colour in (
            (EXPECTED, "expected by the weights", BLUE),
            (DERIVED, "of the genotype by then", ORANGE),
        )
    ]
    caption = f"{name} by epoch, in millions"
    chart = line_chart(
        lines, history["epoch"], caption, low=0, reference=target / MILLION
    )
    return figure(caption, chart, legend(lines))
