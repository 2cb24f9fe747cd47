"""The cells of a genotype as SVG that is part of a page."""

import xml.etree.ElementTree as ElementTree

from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.drawing import cell_graph
from keras_atdarts.genotypes.drawing import cell_picture
from keras_atdarts.operations import attention_names

GRAPHVIZ_HINT = (
    "The cells are text, not drawings: Graphviz's program 'dot' does not run here. "
    "Install it with: apt install graphviz"
)
SVG = "http://www.w3.org/2000/svg"


def draw_cell(cell, title):
    """Returns the drawing of a cell.

    Args:
        cell: `CellGenotype`.
        title: String, written above it.

    Returns:
        `Markup` of an SVG, or None where Graphviz's program `dot` does not run.
    """
    graph = cell_graph(cell, title, attention_names())
    graph.set("dpi", 72)  # Of others, Graphviz writes an SVG whose edges are cut off.
    drawn = cell_picture(graph, "svg")
    return None if drawn is None else Markup(inline(drawn))


def is_drawable():
    """Returns whether cells can be drawn: Graphviz's program `dot` runs."""
    return draw_cell(CellGenotype([[("none", 0)]], [2]), "cell") is not None


def inline(document):
    """Returns an SVG file as text that can stand more than once in a page.

    Args:
        document: Bytes of the file that Graphviz writes.

    Returns:
        String without declarations and comments. Elements lose their ids, which
        must differ in a page, and the picture shrinks where there is less space.
    """
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.attrib.pop("id", None)
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    del root.attrib["height"]
    root.set("style", f"max-width: {root.attrib.pop('width')}")
    root.set("xmlns", SVG)
    root.set("class", "cell")
    root.set("role", "img")
    return ElementTree.tostring(root, encoding="unicode")
