"""Small line charts as SVG, without a library."""

import html
import pathlib
from typing import NamedTuple

WIDTH, HEIGHT = 210, 160  # Of a panel, in pixels.
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 26, 38  # Its margins around the lines.
STYLE = (
    "text { font: 11px sans-serif; fill: #333 } .title { font-weight: bold }"
    " polyline { fill: none; stroke: #1f6fb2; stroke-width: 2 }"
    " circle { fill: #1f6fb2 } line { stroke: #ccc }"
)


class Panel(NamedTuple):
    """One chart: a title, the name of the horizontal axis, points `(x, y)`."""

    title: str
    axis: str
    points: list


def write_svg(path, rows):
    """Writes charts in rows; both axes of each start at 0.

    Args:
        path: Path of the file.
        rows: List of lists of `Panel`.
    """
    width = WIDTH * max(map(len, rows))
    height = HEIGHT * len(rows)
    panels = "\n".join(
        f'<g transform="translate({WIDTH * column},{HEIGHT * row})">{draw(panel)}</g>'
        for row, panels in enumerate(rows)
        for column, panel in enumerate(panels)
    )
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<style>{STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{panels}\n</svg>\n'
    )
    pathlib.Path(path).write_text(text, encoding="utf-8")


def draw(panel):
    """Returns the SVG elements of a panel."""
    largest = [max(values) or 1 for values in zip(*panel.points, strict=True)]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        return (
            LEFT + (right - LEFT) * x / largest[0],
            bottom - (bottom - TOP) * y / largest[1],
        )

    places = [place(*point) for point in panel.points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    elements = [
        write(panel.title, LEFT, TOP - 10, "start", "title"),
        f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{bottom}"/>',
        f'<line x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{bottom}"/>',
        write("0", LEFT - 4, bottom + 4, "end"),
        write(f"{largest[1]:.3g}", LEFT - 4, TOP + 4, "end"),
        write(panel.axis, (LEFT + right) / 2, bottom + 30, "middle"),
        f'<polyline points="{line}"/>',
    ]
    for (value, _), (x, y) in zip(panel.points, places, strict=True):
        elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        elements.append(write(f"{value:g}", x, bottom + 15, "middle"))
    return "\n".join(elements)


def write(text, x, y, anchor, style=""):
    """Returns a text element at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">'
        f"{html.escape(text)}</text>"
    )
