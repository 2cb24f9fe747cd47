"""The parts of a page that show cells: their drawings, and where operations stand."""

import xml.etree.ElementTree as ElementTree

from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.page import details
from keras_atdarts.experiments.reports.page import section
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.drawing import cell_graph
from keras_atdarts.genotypes.drawing import cell_picture
from keras_atdarts.genotypes.statistics import SOURCE_KINDS
from keras_atdarts.operations import attention_names

GRAPHVIZ_HINT = (
    "The cells are shown as text: Graphviz's program 'dot', which draws them, does "
    "not run here. Install it with: apt install graphviz"
)
SVG = "http://www.w3.org/2000/svg"
CELL_NAMES = {"normal": "Normal cell", "reduction": "Reduction cell"}
SOURCE_NAMES = dict(
    zip(SOURCE_KINDS, ("the previous cell", "the one before", "a node"), strict=True)
)


def cells_section(genotype, title="Cells"):
    """Returns the drawings of both cells of a `Genotype` or None, and their text."""
    if genotype is None:
        return section(title, tag("p", "No epoch has ended: there are none yet."))
    drawn = [draw_cell(cell, f"{kind} cell") for kind, cell in genotype.cells()]
    text = tag("pre", genotype)
    if None in drawn:
        return section(title, text)  # A notice says how to get drawings.
    pictures = [tag("div", picture, class_="scroll") for picture in drawn]
    return section(title, pictures, details("The cells as text", text))


def draw_cell(cell, title):
    """Returns the drawing of a `CellGenotype` under a title as `Markup`.

    Where Graphviz's program `dot` does not run, it is None.
    """
    graph = cell_graph(cell, title, attention_names())
    graph.set("dpi", 72)  # With others, Graphviz writes an SVG whose edges are cut.
    drawn = cell_picture(graph, "svg")
    return None if drawn is None else Markup(svg_for_page(drawn))


def is_drawable():
    """Returns whether cells can be drawn: Graphviz's program `dot` runs."""
    return draw_cell(CellGenotype([[("none", 0)]], [2]), "cell") is not None


def svg_for_page(document):
    """Returns the SVG file that Graphviz writes as text that can stand in a page.

    Ids are removed, as each may be only once in a page. The picture shrinks where
    there is less space.
    """
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.attrib.pop("id", None)
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    del root.attrib["height"]
    style = f"max-width: {root.attrib.pop('width')}"
    root.attrib |= {"style": style, "xmlns": SVG, "class": "cell", "role": "img"}
    return ElementTree.tostring(root, encoding="unicode")


def operations_section(numbers):
    """Returns the tables of both cell types; None where there is no genotype."""
    counts = numbers.get("operations")
    if counts is None:
        return None
    count = counts["genotypes"]
    of_all = f" of all {count} genotypes" if count > 1 else ""
    chance = ", ".join(
        f"{SOURCE_NAMES[kind]} {expected:.1f}"
        for kind, expected in counts["sources_by_chance"].items()
    )
    return section(
        f"Operations{of_all}: which, and where",
        tag("p", f"By chance, the edges of a cell would come from: {chance}."),
        [
            [tag("h3", name), counts_table(counts[cell_type])]
            for cell_type, name in CELL_NAMES.items()
        ],
    )


def counts_table(operations):
    """Returns the table of a cell type: operations by node and by source."""
    num_nodes = len(next(iter(operations.values()))["nodes"])
    header = ["operation", "count", *[f"node {node}" for node in range(num_nodes)]]
    header += [f"from {SOURCE_NAMES[kind]}" for kind in SOURCE_KINDS]
    rows = [
        [name, count["total"], *count["nodes"], *count["sources"].values()]
        for name, count in operations.items()
    ]
    rows.sort(key=lambda row: -row[1])
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    rows = [[name, *[number or "" for number in counts]] for name, *counts in rows]
    return table(header, [*rows, ["all", *totals]])
