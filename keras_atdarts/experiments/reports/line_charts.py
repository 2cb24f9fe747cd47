"""Line charts over epochs as SVG: their axes, lines and colours."""

import itertools
import math
from typing import NamedTuple

from keras_atdarts.experiments.reports.charts import WIDTH
from keras_atdarts.experiments.reports.charts import picture
from keras_atdarts.experiments.reports.charts import text
from keras_atdarts.experiments.reports.charts import thinned
from keras_atdarts.experiments.reports.markup import tag

MOST_POINTS = 150  # Of a line: a reader cannot see more.
FEW_POINTS = 12  # Lines with at most so many points also show them as dots.
BLUE, ORANGE, GREEN, VIOLET = "#1c7ed6", "#e8590c", "#2f9e44", "#7048e8"
# All are legible on white and on near black. Attention is orange, as in the drawings
# of cells.
OPERATION_COLOURS = {
    "none": "#868e96",
    "max_pool_3x3": GREEN,
    "avg_pool_3x3": "#82c91e",
    "skip_connect": "#e64980",
    "sep_conv_3x3": BLUE,
    "sep_conv_5x5": "#66b2ff",
    "dil_conv_3x3": VIOLET,
    "dil_conv_5x5": "#b197fc",
    "channel_attention": "#d9480f",
    "spatial_attention": "#fab005",
    "identity": "#868e96",
}
OTHER_COLOURS = ("#0ca678", "#a9743b", "#15aabf", "#ae3ec9", "#c92a2a")


class Series(NamedTuple):
    """A line of a chart.

    Args:
        name: String, for the legend.
        values: List of numbers; None leaves a gap.
        colour: String, a colour of CSS.
        is_heavy: Boolean, whether the line is thick.
    """

    name: str
    values: list
    colour: str
    is_heavy: bool = False


class Frame(NamedTuple):
    """The size of a line chart.

    Args:
        width: Number, of the whole picture.
        height: Number, of the whole picture.
        left: Number, the margin for the labels of the values.
        font: Number, the size of the text.
        ticks: Integer, about how many labels the values have.
    """

    width: float = WIDTH
    height: float = 210
    left: float = 46
    font: float = 11
    ticks: int = 5

    @property
    def bottom(self):
        return self.height - 2 * self.font

    @property
    def right(self):
        return self.width - self.font

    @property
    def top(self):
        return self.font


USUAL = Frame()
SMALL = Frame(width=200, height=120, left=30, font=9, ticks=3)


def line_chart(series, epochs, title, low=None, high=None, reference=None, frame=USUAL):
    """Returns a line chart over epochs.

    Args:
        series: List of `Series`.
        epochs: List of integers, the epochs of their values.
        title: String, read to readers who cannot see the picture.
        low: Optional number, the lowest value shown; defaults to that of the data.
        high: The same for the highest.
        reference: Optional number, at which a dashed line is drawn.
        frame: `Frame`.
    """
    values = [value for one in series for value in one.values if value is not None]
    values += [each for each in (reference, low, high) if each is not None]
    ticks = nice_ticks(min(values, default=0), max(values, default=1), frame.ticks)
    low = ticks[0] if low is None else low
    high = ticks[-1] if high is None else high

    def x(epoch):
        is_only = len(epochs) == 1
        part = 0.5 if is_only else (epoch - epochs[0]) / (epochs[-1] - epochs[0])
        return frame.left + part * (frame.right - frame.left)

    def y(value):
        part = (value - low) / ((high - low) or 1)
        return frame.bottom - part * (frame.bottom - frame.top)

    shown = [tick for tick in ticks if low <= tick <= high]
    parts = [value_axis(shown, y, frame), epoch_axis(epochs, x, frame)]
    if reference is not None:
        parts.append(horizontal_line(frame, y(reference), "reference"))
    kept = thinned(len(epochs), MOST_POINTS)
    for one in series:
        known = [(x(epochs[i]), one.values[i]) for i in kept]
        points = [None if value is None else (at, y(value)) for at, value in known]
        parts.append(draw_line(one, points))
    return picture(frame.width, frame.height, title, parts)


def value_axis(ticks, y, frame):
    """Returns the labels and lines of the values."""
    x, font = frame.left - 5, frame.font
    return [
        [
            horizontal_line(frame, y(tick), "grid"),
            text(label, x, y(tick) + 0.35 * font, font, "end"),
        ]
        for tick, label in zip(ticks, tick_labels(ticks), strict=True)
    ]


def epoch_axis(epochs, x, frame):
    """Returns the labels of the epochs; nothing without epochs."""
    shown = integer_ticks(epochs[0], epochs[-1]) if epochs else []
    y = frame.bottom + 1.4 * frame.font
    return [text(epoch, x(epoch), y, frame.font, "middle") for epoch in shown]


def horizontal_line(frame, y, kind):
    """Returns a line through a whole chart."""
    return tag("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_=kind)


def draw_line(series, points):
    """Returns a line through points; None is a gap."""
    width = 3 if series.is_heavy else 1.6
    style = {"stroke": series.colour, "stroke_width": width, "fill": "none"}
    parts = []
    for is_known, group in itertools.groupby(points, key=lambda p: p is not None):
        places = [f"{x:.1f},{y:.1f}" for x, y in group] if is_known else []
        if len(places) > 1:
            parts.append(tag("polyline", points=" ".join(places), **style))
    known = [point for point in points if point is not None]
    if len(known) <= FEW_POINTS:
        dot = {"r": 1.3 * width, "fill": series.colour}
        parts += [tag("circle", cx=x, cy=y, **dot) for x, y in known]
    return tag("g", tag("title", series.name), parts)


def nice_ticks(low, high, count):
    """Returns about `count` round numbers that enclose two numbers.

    Example:

    >>> nice_ticks(0.13, 0.88, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(low) / 10 or 1
        low, high = low - margin, high + margin
    step = nice_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def nice_step(step):
    """Returns the smallest of 1, 2, 5, 10, ... that is at least `step`."""
    power = 10 ** math.floor(math.log10(step))
    steps = (factor * power for factor in (1, 2, 5, 10))
    return next(each for each in steps if each >= 0.999 * step)


def integer_ticks(low, high, count=5):
    """Returns about `count` round whole numbers from `low` to `high`."""
    step = max(1, round(nice_step(max(high - low, 1) / count)))
    first = low if step == 1 else math.ceil(low / step) * step
    return list(range(first, high + 1, step))


def tick_labels(ticks):
    """Returns ticks as texts with equally many digits after the point."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:,.{digits}f}" for tick in ticks]


def operation_colours(names):
    """Returns a dict from each operation to its colour, in the order of the names."""
    others = [name for name in names if name not in OPERATION_COLOURS]
    chosen = OPERATION_COLOURS | dict(
        zip(others, itertools.cycle(OTHER_COLOURS), strict=False)
    )
    return {name: chosen[name] for name in names}
