"""Bars and heat maps as SVG, and what all pictures have, without a library.

A chart is drawn for a width of about 360 pixels, that of a telephone. Wider screens
show several charts beside each other. Colours that differ between light and dark
pages come from the style sheet of the page.
"""

import numpy as np

from keras_atdarts.experiments.reports.markup import tag

WIDTH = 360
MOST_COLUMNS = 60  # Of a heat map: a reader cannot see more.
WHITE_FROM = 0.65  # From this value on, the text in a cell of a heat map is white.
BAR_LEFT, BAR_RIGHT = 92, 304  # Pixels; the names and the numbers stand outside.


def heat_map(rows, columns, values, title, texts=None, every=1, slanted=False):
    """Returns a table whose cells are fuller for larger values.

    Args:
        rows: List of the names of the rows.
        columns: List of the names of the columns.
        values: List of a list for each row, of numbers between 0 and 1. None leaves
            the cell empty.
        title: String, read to readers who cannot see the picture.
        texts: Optional list of a list for each row: the texts in the cells.
        every: Integer; one column in so many shows its name.
        slanted: Boolean, whether the names of the columns stand slanted above.
    """
    left, cell = 100, 20
    top, right, anchor = (96, 30, "start") if slanted else (20, 4, "middle")
    step = (WIDTH - left - right) / max(len(columns), 1)
    parts = []
    for column in range(0, len(columns), every):
        x, y = left + (column + 0.5) * step, top - 6
        turn = f"rotate(-68 {x:.4g} {y:.4g})" if slanted else None
        parts.append(text(columns[column], x, y, 10, anchor, transform=turn))
    for row, name in enumerate(rows):
        y = top + row * cell
        parts.append(text(name, left - 6, y + cell / 2 + 4, 10.5, "end"))
        for column, value in enumerate(values[row]):
            if value is not None:
                shown = None if texts is None else texts[row][column]
                box = (left + column * step, y, step, cell)
                hint = f"{name}, {columns[column]}: {value:.3f}"
                parts.append(heat_cell(box, value, shown, hint))
    return picture(WIDTH, top + cell * len(rows) + 2, title, parts)


def heat_cell(box, value, shown, hint):
    """Returns one cell of a heat map, with the text `shown` in it."""
    x, y, width, height = box
    size = {"x": x + 0.5, "y": y + 0.5, "width": width - 1, "height": height - 1}
    opacity = round(0.04 + 0.96 * value, 3)
    label = None
    if shown:
        kind = "on-heat" if value > WHITE_FROM else None
        middle = (x + width / 2, y + height / 2 + 4)
        label = text(shown, *middle, 10, "middle", class_=kind)
    filled = tag("rect", **size, rx=2, class_="heat", fill_opacity=opacity)
    return tag("g", tag("title", hint), filled, label)


def bar_chart(names, values, title, texts):
    """Returns horizontal bars.

    Args:
        names: List of strings.
        values: List of numbers between 0 and 1; None has no bar.
        title: String, read to readers who cannot see the picture.
        texts: List of strings that stand beside the bars.
    """
    height, full = 22, BAR_RIGHT - BAR_LEFT
    parts = []
    for row, (name, value, shown) in enumerate(zip(names, values, texts, strict=True)):
        y = row * height
        parts.append(text(name, BAR_LEFT - 6, y + 15, 11, "end"))
        bar = {"x": BAR_LEFT, "y": y + 4, "height": height - 8, "rx": 2}
        parts.append(tag("rect", width=full, class_="groove", **bar))
        if value:
            parts.append(tag("rect", width=full * value, class_="bar", **bar))
        parts.append(text(shown, WIDTH - 2, y + 15, 11, "end"))
    return picture(WIDTH, height * len(names), title, parts)


def legend(series):
    """Returns the names of lines, each `Series` with its colour."""
    entries = [
        tag("li", tag("i", style=f"background:{one.colour}"), one.name)
        for one in series
    ]
    return tag("ul", entries, class_="legend")


def figure(caption, *parts, class_=None):
    """Returns a chart with its caption."""
    return tag("figure", tag("figcaption", caption), *parts, class_=class_)


def picture(width, height, title, parts):
    """Returns an SVG."""
    size = f"0 0 {width:g} {height:g}"
    space = "http://www.w3.org/2000/svg"
    return tag("svg", tag("title", title), parts, xmlns=space, viewBox=size, role="img")


def text(content, x, y, size, anchor, **attributes):
    """Returns a text in a picture; attributes as in `tag`."""
    place = {"x": x, "y": y, "font_size": size, "text_anchor": anchor}
    return tag("text", content, **place, **attributes)


def thinned(count, most):
    """Returns at most `most` positions below `count`, the first and last included."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
