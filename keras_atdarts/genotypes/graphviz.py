"""The cells of a genotype in formats that only Graphviz writes."""

import pydot

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes import cell_picture as styles
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import source_name

FORMATS = ("png", "pdf")

FONT = "Arial"
GRAPH_STYLE = {
    "rankdir": "LR",
    "nodesep": 0.55,
    "ranksep": 0.75,
    "dpi": 110,
    "fontname": FONT,
    "fontsize": 18,
    "labelloc": "t",
}
NODE_STYLE = {
    "shape": "box",
    "style": "rounded,filled",
    "penwidth": 1.2,
    "fontname": FONT,
    "fontsize": 18,
}
OPERATION_STYLE = {"color": styles.LINE, "fontname": FONT, "fontsize": 14}
HIGHLIGHT_STYLE = {
    "color": styles.HIGHLIGHT_LINE,
    "fontcolor": styles.HIGHLIGHT_INK,
    "penwidth": 2.6,
    "fontname": f"{FONT} Bold",
    "fontsize": 14,
}
CONCAT_STYLE = {"color": styles.OUTPUT_LINE, "arrowsize": 0.7}


def check_graphviz(picture_format, what, instead):
    """Raises an `InputError` if Graphviz's program `dot` does not run.

    Args:
        picture_format: String, e.g. `"png"`.
        what: String, what is to be drawn.
        instead: String, what to do without Graphviz.
    """
    try:
        pydot.Dot("empty").create(format=picture_format)
    except (OSError, AssertionError) as error:  # pydot asserts that `dot` succeeded.
        raise InputError(
            f"{what} as {picture_format} needs Graphviz's program 'dot', which does "
            f"not run here. Install it with: apt install graphviz. Or {instead}."
        ) from error


def cell_graph(cell, title, highlight):
    """Returns the drawing of one cell.

    Args:
        cell: `CellGenotype`.
        title: String, written above the cell.
        highlight: Names of the operations that are to stand out, see `cell_svg`.

    Returns:
        A `pydot.Dot`: the two inputs, the intermediate nodes and the output from
        left to right. Each operation is an edge with its name.
    """
    graph = pydot.Dot("cell", label=title, **GRAPH_STYLE)
    graph.set_node_defaults(**NODE_STYLE)
    for source in range(NUM_INPUTS):
        # Graphviz sets the label between < and > as HTML, with a subscript.
        label = f"<c<sub>k-{NUM_INPUTS - source}</sub>>"
        graph.add_node(_node(source_name(source), styles.INPUT_STYLE, label=label))
    for node, edges in enumerate(cell.nodes, start=NUM_INPUTS):
        graph.add_node(_node(source_name(node), styles.NODE_STYLE))
        for edge in edges:
            is_highlighted = any(styles.stands_out(edge, highlight))
            style = HIGHLIGHT_STYLE if is_highlighted else OPERATION_STYLE
            ends = source_name(edge.source), source_name(node)
            graph.add_edge(pydot.Edge(*ends, label=edge.operation, **style))
    graph.add_node(_node("c_k", styles.OUTPUT_STYLE, label="<c<sub>k</sub>>"))
    for source in cell.concat:
        graph.add_edge(pydot.Edge(source_name(source), "c_k", **CONCAT_STYLE))
    return graph


def _node(name, style, **attributes):
    colours = {"fillcolor": style["fill"], "color": style["stroke"]}
    return pydot.Node(name, **colours, **attributes)
