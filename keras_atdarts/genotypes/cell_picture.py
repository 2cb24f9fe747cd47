"""Cells as SVG: pictures that need no program and no library.

Colours and fills are chosen to be legible on light and on dark pages.
"""

import xml.etree.ElementTree as ElementTree

from keras_atdarts.genotypes.cell_layout import lay_out
from keras_atdarts.genotypes.names import FOLLOWED_BY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import source_name

# The attention operations that come with this package. They stand out by default.
ATTENTION = ("channel_attention", "spatial_attention")

MARGIN = 12
NODE_SIZE = (74, 36)
TITLE_HEIGHT = 40
LINE_HEIGHT = 17
# The characters of such a font are all of one width, at most so much of its size.
OPERATION_FONT = "DejaVu Sans Mono, Menlo, Consolas, Liberation Mono, monospace"
OPERATION_FONT_SIZE = 13
CHARACTER_WIDTH = 0.62 * OPERATION_FONT_SIZE
FONT = "system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif"

INK = "#1d2330"  # On the fills below.
TITLE_INK = "#748091"  # On any page.
INPUT_STYLE = {"fill": "#c7e9c0", "stroke": "#41ab5d"}
NODE_STYLE = {"fill": "#c6dbef", "stroke": "#4292c6"}
OUTPUT_STYLE = {"fill": "#fee391", "stroke": "#d9a400"}
OPERATION_STYLE = {"fill": "#f1f3f5", "stroke": "#adb5bd"}
HIGHLIGHT_STYLE = {"fill": "#fff1e6", "stroke": "#e8590c"}
HIGHLIGHT_INK = "#b53b00"
LINE, HIGHLIGHT_LINE, OUTPUT_LINE = "#868e96", "#e8590c", "#adb5bd"


def cell_svg(cell, title, highlight=ATTENTION):
    """Returns the picture of one cell.

    Args:
        cell: `CellGenotype`.
        title: String, written above the cell.
        highlight: Names of the operations that are to stand out. What follows an
            operation is attention and stands out always.

    Returns:
        String, an SVG document: the two inputs, the nodes and the output from left
        to right, and on each edge its operation.

    Example:

    >>> svg = cell_svg(Genotype.load("DARTS_V2").normal, "normal cell")
    """
    return _svg([(title, cell)], highlight)


def genotype_svg(genotype, highlight=ATTENTION):
    """Returns the picture of both cells of a `Genotype`, see `cell_svg`."""
    cells = [(f"{cell_type} cell", cell) for cell_type, cell in genotype.cells()]
    return _svg(cells, highlight)


def _svg(cells, highlight):
    root = ElementTree.Element("svg")
    ElementTree.SubElement(root, "title").text = ", ".join(title for title, _ in cells)
    right = bottom = 0
    for title, cell in cells:
        layout = _draw_cell(root, cell, title, highlight, bottom)
        right, bottom = max(right, layout.right), layout.bottom + MARGIN
    width, height = round(right + MARGIN), round(bottom)
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width} {height}",
        "width": str(width),
        "height": str(height),
        "class": "cell",
        "role": "img",
        "font-family": FONT,
    }
    return ElementTree.tostring(root, encoding="unicode")


def _draw_cell(root, cell, title, highlight, top):
    """Draws a cell below `top`, and returns its `Layout`."""
    edges = [
        (source_name(edge.source), source_name(node), edge)
        for node, of_node in enumerate(cell.nodes, start=NUM_INPUTS)
        for edge in of_node
    ]
    sizes = [_operation_size(edge) for _, _, edge in edges]
    layout = lay_out(cell, NODE_SIZE, sizes, MARGIN, top + TITLE_HEIGHT)
    style = {"font-size": "16", "font-weight": "600", "fill": TITLE_INK}
    _text(root, title, MARGIN, top + 25, "start", **{"class": "title"}, **style)
    for source, line in zip(cell.concat, layout.outputs, strict=True):
        group = _group(root, "output-edge", f"{source_name(source)} → c_k")
        _draw_line(group, line, OUTPUT_LINE, 1.4)
    for (source, node, edge), box, line in zip(
        edges, layout.operations, layout.edges, strict=True
    ):
        meaning = f"{edge.operation}: {source} → {node}"
        _draw_edge(_group(root, "edge", meaning), edge, box, line, highlight)
    for source, box in enumerate(layout.sources):
        is_input = source < NUM_INPUTS
        style = INPUT_STYLE if is_input else NODE_STYLE
        name = source_name(source)
        subscript = f"k-{NUM_INPUTS - source}" if is_input else None
        _draw_node(_group(root, "node", name), name, subscript, box, style)
    _draw_node(_group(root, "node", "c_k"), "c_k", "k", layout.output, OUTPUT_STYLE)
    return layout


def stands_out(edge, highlight):
    """Returns for each of an edge's `parts` whether it stands out, see `cell_svg`."""
    first, *attention = edge.parts
    return [first in highlight, *(True for _ in attention)]


def _operation_lines(edge):
    """Returns the lines of the text of an operation."""
    operation, *attention = edge.parts
    return [operation, *(f"{FOLLOWED_BY}{name}" for name in attention)]


def _operation_size(edge):
    lines = _operation_lines(edge)
    width = max(map(len, lines)) * CHARACTER_WIDTH + 16
    return width, len(lines) * LINE_HEIGHT + 9


def _draw_edge(group, edge, box, line, highlight):
    is_bold = stands_out(edge, highlight)
    style, stroke, width = OPERATION_STYLE, LINE, 1.6
    if any(is_bold):
        style, stroke, width = HIGHLIGHT_STYLE, HIGHLIGHT_LINE, 2.6
    _draw_line(group, line, stroke, width)
    _box(group, box, 6, style)
    lines = _operation_lines(edge)
    y = box.y - (len(lines) - 1) * LINE_HEIGHT / 2 + 4.5
    for text, bold in zip(lines, is_bold, strict=True):
        ink = {"fill": HIGHLIGHT_INK, "font-weight": "700"} if bold else {}
        style = {"font-family": OPERATION_FONT, "font-size": str(OPERATION_FONT_SIZE)}
        _text(group, text, box.x, y, "middle", **{"fill": INK} | style | ink)
        y += LINE_HEIGHT


def _draw_node(group, name, subscript, box, style):
    _box(group, box, 9, style)
    font = {"font-size": "15", "fill": INK}
    if subscript is None:
        _text(group, name, box.x, box.y + 5, "middle", **font)
        return
    text = _text(group, "c", box.x, box.y + 4, "middle", **font)
    lowered = ElementTree.SubElement(text, "tspan", {"dy": "4", "font-size": "11"})
    lowered.text = subscript


def _draw_line(group, points, stroke, width):
    """Draws a line, see `Layout`, with an arrow at its end."""
    size = 4 + 1.6 * width
    *points, (x, y) = points
    points.append((x - size, y))  # The arrow covers the rest.
    path = [f"M{_point(points[0])}"]
    for index in range(1, len(points), 2):
        path.append(f"L{_point(points[index])}")
        if index + 1 < len(points):
            (start, from_y), (end, to_y) = points[index : index + 2]
            middle = (start + end) / 2
            bends = ((middle, from_y), (middle, to_y), (end, to_y))
            path.append(f"C{' '.join(map(_point, bends))}")
    style = {"fill": "none", "stroke": stroke, "stroke-width": str(width)}
    ElementTree.SubElement(group, "path", {"d": " ".join(path), **style})
    corners = ((x, y), (x - size, y - size / 2), (x - size, y + size / 2))
    arrow = {"points": " ".join(map(_point, corners)), "fill": stroke}
    ElementTree.SubElement(group, "polygon", arrow)


def _group(root, kind, meaning):
    """Returns a group, which says what it is to who points at it."""
    group = ElementTree.SubElement(root, "g", {"class": kind})
    ElementTree.SubElement(group, "title").text = meaning
    return group


def _box(group, box, radius, style):
    place = {"x": box.left, "y": box.top, "width": box.width, "height": box.height}
    place = {name: _number(value) for name, value in place.items()}
    shape = {"rx": str(radius), "stroke-width": "1.2"}
    ElementTree.SubElement(group, "rect", {**place, **shape, **style})


def _text(parent, content, x, y, anchor, **style):
    place = {"x": _number(x), "y": _number(y), "text-anchor": anchor}
    element = ElementTree.SubElement(parent, "text", {**place, **style})
    element.text = content
    return element


def _point(point):
    return ",".join(map(_number, point))


def _number(value):
    return f"{round(value, 1):g}"
