"""Line charts, bars and heat maps as SVG, without a library and without scripts.

A chart is drawn for a width of about 360 pixels, that of a telephone, and wider
screens show several beside each other. Colours that depend on a light or dark page
are those of its style sheet: `ink`, `grid`, `accent`.
"""

from typing import NamedTuple

from keras_atdarts.experiments.reports.markup import join
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.ticks import integer_ticks
from keras_atdarts.experiments.reports.ticks import nice_ticks
from keras_atdarts.experiments.reports.ticks import tick_labels

# A line has no more points, a heat map no more columns: more is not seen.
MOST_POINTS = 150
MOST_COLUMNS = 60
WHITE_FROM = 0.65  # In a cell of a heat map that is as full, text is white.
FEW_POINTS = 12  # So many are shown as dots.


class Series(NamedTuple):
    """A line of a chart.

    Args:
        name: String, for the legend.
        values: List of numbers; None leaves a gap.
        colour: String, a colour of CSS.
        is_heavy: Boolean, whether it stands out.
    """

    name: str
    values: list
    colour: str
    is_heavy: bool = False


class Frame(NamedTuple):
    """Where a line chart is drawn.

    Args:
        width: Number, of the whole picture.
        height: Number, of the whole picture.
        left: Number, the margin for the labels of the values.
        font: Number, the size of the text.
        ticks: Integer, about how many labels the values have.
    """

    width: float = 360
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


SMALL = Frame(width=200, height=120, left=30, font=9, ticks=3)


def line_chart(series, epochs, title, low=None, high=None, reference=None, frame=None):
    """Returns a line chart over epochs.

    Args:
        series: List of `Series`.
        epochs: List of integers, the epochs of their values.
        title: String, read to who cannot see the picture.
        low: Optional number, the lowest value shown; defaults to that of the data.
        high: The same for the highest.
        reference: Optional number, at which a dashed line is drawn.
        frame: Optional `Frame`.
    """
    frame = frame or Frame()
    kept = thinned(len(epochs), MOST_POINTS)
    values = [value for one in series for value in one.values if value is not None]
    values += [each for each in (reference, low, high) if each is not None]
    ticks = nice_ticks(min(values, default=0), max(values, default=1), frame.ticks)
    low = ticks[0] if low is None else low
    high = ticks[-1] if high is None else high

    def x(epoch):
        span = max(epochs[-1] - epochs[0], 1)
        share = (epoch - epochs[0]) / span if len(epochs) > 1 else 0.5
        return frame.left + share * (frame.right - frame.left)

    def y(value):
        share = (value - low) / ((high - low) or 1)
        return frame.bottom - share * (frame.bottom - frame.top)

    shown = [tick for tick in ticks if low <= tick <= high]
    parts = [value_axis(shown, y, frame), epoch_axis(epochs, x, frame)]
    if reference is not None:
        parts.append(rule(frame, y(reference), "reference"))
    for one in series:
        points = [
            None if one.values[i] is None else (x(epochs[i]), y(one.values[i]))
            for i in kept
        ]
        parts.append(draw_line(one, points))
    return picture(frame.width, frame.height, title, parts)


def value_axis(ticks, y, frame):
    """Returns the labels and lines of the values."""
    labels = tick_labels(ticks)
    return [
        [
            rule(frame, y(tick), "grid"),
            text(label, frame.left - 5, y(tick) + 0.35 * frame.font, frame.font, "end"),
        ]
        for tick, label in zip(ticks, labels, strict=True)
    ]


def epoch_axis(epochs, x, frame):
    """Returns the labels of the epochs, of which there may be none."""
    if not epochs:
        return []
    shown = integer_ticks(epochs[0], epochs[-1])
    y = frame.bottom + 1.4 * frame.font
    return [text(epoch, x(epoch), y, frame.font, "middle") for epoch in shown]


def rule(frame, y, kind):
    """Returns a horizontal line through a chart."""
    return tag("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_=kind)


def draw_line(series, points):
    """Returns a line through points, of which None are gaps."""
    width = 3 if series.is_heavy else 1.6
    style = {"stroke": series.colour, "stroke_width": width, "fill": "none"}
    parts = [
        tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in run), **style)
        for run in runs_of(points)
    ]
    seen = [point for point in points if point is not None]
    if len(seen) <= FEW_POINTS:
        parts += [
            tag("circle", cx=x, cy=y, r=1.3 * width, fill=series.colour)
            for x, y in seen
        ]
    return tag("g", tag("title", series.name), parts)


def runs_of(points):
    """Returns the lists of points that follow each other without a gap."""
    runs = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def heat_map(rows, columns, values, title, texts=None, every=1, slanted=False):
    """Returns a table whose cells are the fuller, the larger their values are.

    Args:
        rows: List of the names of the rows.
        columns: List of the names of the columns.
        values: List of a list for each row, of numbers between 0 and 1; None is
            left empty.
        title: String, read to who cannot see the picture.
        texts: Optional list of a list of texts for each row, to stand in the cells.
        every: Integer, of how many columns one shows its name.
        slanted: Boolean, whether long names of columns stand slanted above.
    """
    width, left, cell = 360, 100, 20
    top = 96 if slanted else 20
    right = 30 if slanted else 4
    step = (width - left - right) / max(len(columns), 1)
    parts = [
        text(
            name,
            left + (place + 0.5) * step,
            top - 6,
            10,
            "start" if slanted else "middle",
            turn=-68 if slanted else None,
        )
        for place, name in enumerate(columns)
        if place % every == 0
    ]
    for row, name in enumerate(rows):
        y = top + row * cell
        parts.append(text(name, left - 6, y + cell / 2 + 4, 10.5, "end"))
        for column, value in enumerate(values[row]):
            if value is not None:
                shown = None if texts is None else texts[row][column]
                box = (left + column * step, y, step, cell)
                hint = f"{name}, {columns[column]}: {value:.3f}"
                parts.append(heat_cell(box, value, shown, hint))
    return picture(width, top + cell * len(rows) + 2, title, parts)


def heat_cell(box, value, shown, hint):
    """Returns one cell of a heat map."""
    x, y, width, height = box
    filled = tag(
        "rect",
        x=x + 0.5,
        y=y + 0.5,
        width=width - 1,
        height=height - 1,
        rx=2,
        class_="heat",
        fill_opacity=round(0.04 + 0.96 * value, 3),
    )
    label = None
    if shown:
        kind = "on-heat" if value > WHITE_FROM else None
        label = text(shown, x + width / 2, y + height / 2 + 4, 10, "middle", kind=kind)
    return tag("g", tag("title", hint), filled, label)


def bar_chart(names, values, title, texts, left=92):
    """Returns horizontal bars.

    Args:
        names: List of strings.
        values: List of numbers between 0 and 1; None has no bar.
        title: String, read to who cannot see the picture.
        texts: List of strings, to stand beside the bars.
        left: Number, the space for the names.
    """
    height, full = 22, 360 - left - 56
    parts = []
    for place, (name, value, shown) in enumerate(
        zip(names, values, texts, strict=True)
    ):
        y = place * height
        parts.append(text(name, left - 6, y + 15, 11, "end"))
        bar = {"x": left, "y": y + 4, "height": height - 8, "rx": 2}
        parts.append(tag("rect", width=full, class_="groove", **bar))
        if value:
            parts.append(tag("rect", width=full * value, class_="bar", **bar))
        parts.append(text(shown, 360 - 2, y + 15, 11, "end"))
    return picture(360, height * len(names), title, parts)


def legend(series):
    """Returns the names of lines beside their colours."""
    swatches = [
        tag("li", tag("i", style=f"background:{one.colour}"), one.name)
        for one in series
    ]
    return tag("ul", swatches, class_="legend")


def figure(caption, *parts, class_=None):
    """Returns a chart with its caption."""
    return tag("figure", tag("figcaption", caption), *parts, class_=class_)


def picture(width, height, title, parts):
    """Returns an SVG."""
    return tag(
        "svg",
        tag("title", title),
        join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )


def text(content, x, y, size, anchor, turn=None, kind=None):
    """Returns a text in a picture; `turn` in degrees, clockwise."""
    return tag(
        "text",
        content,
        x=x,
        y=y,
        font_size=size,
        text_anchor=anchor,
        transform=None if turn is None else f"rotate({turn} {x:.4g} {y:.4g})",
        class_=kind,
    )


def thinned(count, most):
    """Returns at most `most` of the positions below `count`, both ends among them."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
