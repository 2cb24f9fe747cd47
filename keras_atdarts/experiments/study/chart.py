"""The accuracies of all runs of a study as a picture: a row of dots for each arm."""

from keras_atdarts.experiments.reports.charts import picture
from keras_atdarts.experiments.reports.charts import text
from keras_atdarts.experiments.reports.line_charts import nice_ticks
from keras_atdarts.experiments.reports.line_charts import tick_labels
from keras_atdarts.experiments.reports.markup import tag

WIDTH = 640
LEFT, RIGHT = 170, 616  # Pixels, the ends of the axis; names stand before it.
ROW = 44
BOTTOM = 56
FONT = 14
INTERVALS = 6  # Between ticks, about.
LEAST_WIDTH = 0.1  # Of the axis, in percentage points, also for equal accuracies.

# A picture beside a Markdown page has no style sheet but its own.
STYLE = (
    "text { font-family: sans-serif; fill: #222 } .grid { stroke: #ddd } "
    ".summary { stroke: #e07b00; stroke-width: 3 } "
    ".run { fill: #1f5fa8; fill-opacity: 0.75 }"
)


def draw_accuracies(arms):
    """Returns an SVG picture, as text, of the `"arms"` from `results.collect`."""
    ticks = nice_ticks(*limits(arms), INTERVALS)
    bottom = ROW * len(arms)

    def place(accuracy):
        part = (100 * accuracy - ticks[0]) / (ticks[-1] - ticks[0])
        return LEFT + part * (RIGHT - LEFT)

    caption = "test accuracy in % (dots: runs; orange: mean ± standard deviation)"
    parts = [
        tag("style", STYLE),
        tag("rect", width=WIDTH, height=bottom + BOTTOM, fill="white"),
        text(caption, (LEFT + RIGHT) / 2, bottom + 3 * FONT, FONT, "middle"),
    ]
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        x = place(tick / 100)
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_="grid"))
        parts.append(text(label, x, bottom + 1.3 * FONT, FONT, "middle"))
    for row, (name, arm) in enumerate(arms.items()):
        parts.append(draw_arm(name, arm, ROW * (row + 0.5), place))
    title = "Test accuracy of every run"
    return picture(WIDTH, bottom + BOTTOM, title, parts) + "\n"


def draw_arm(name, arm, y, place):
    """Returns the name, the mean, its spread and the runs of an arm."""
    parts = [text(name, LEFT - FONT, y + 0.35 * FONT, FONT, "end")]
    if arm["accuracy"] is not None:
        low, mean, high = map(place, spread(arm["accuracy"]))
        for x1, x2, half in ((low, high, 0), (mean, mean, 12)):
            ends = {"x1": x1, "x2": x2, "y1": y - half, "y2": y + half}
            parts.append(tag("line", **ends, class_="summary"))
    for run in arm["runs"]:
        tip = tag("title", f"seed {run['seed']}: {run['accuracy']:.2%}")
        x = place(run["accuracy"])
        parts.append(tag("circle", tip, cx=x, cy=y, r=5, class_="run"))
    return tag("g", parts)


def spread(summary):
    """Returns mean - deviation, mean and mean + deviation."""
    mean, deviation = summary["mean"], summary["standard_deviation"] or 0
    return mean - deviation, mean, mean + deviation


def limits(arms):
    """Returns the lowest and the highest accuracy to be shown, in per cent."""
    ends = [run["accuracy"] for arm in arms.values() for run in arm["runs"]]
    for arm in arms.values():
        if arm["accuracy"] is not None:
            ends += spread(arm["accuracy"])
    if not ends:
        return 0, 100
    low, high = 100 * min(ends), 100 * max(ends)
    margin = max(0, LEAST_WIDTH - (high - low)) / 2
    return low - margin, high + margin
