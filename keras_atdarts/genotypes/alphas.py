"""The alphas of a search, by name."""

from typing import NamedTuple

from keras_atdarts.errors import check_keys

CELL_TYPES = ("normal", "reduction")


class CellAlphas(NamedTuple):
    """What is learned about one type of cell, for each choice on each edge.

    In a supernet the values are variables or tensors `(num_edges, num_choices)`. In
    `Supernet.labelled_alphas` they are dictionaries from the edge `(node, source)` to
    a dictionary from the choice to its alpha, before the softmax; those of the edges
    are numbers.

    Args:
        operations: Of the operations on each edge.
        attention: Of the attention that follows them, `identity` for none; `None`
            where attention stands among the operations or is not searched.
        edges: Of the edges that enter a node among each other, the betas of PC-DARTS;
            `None` without edge normalization.

    Reference:
        Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055;
        Xu et al., PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737, section 3.3
    """

    operations: object
    attention: object = None
    edges: object = None

    def map(self, function):
        """Returns the results of a function of each kind of alphas that there is."""
        return CellAlphas(*(None if x is None else function(x) for x in self))

    def present(self):
        """Returns `{kind: values}` of the kinds of alphas that there are."""
        return {kind: x for kind, x in self._asdict().items() if x is not None}


def edge_text(edge):
    """Returns an edge `(node, source)` as a key of JSON, e.g. `"0<-1"`."""
    node, source = edge
    return f"{node}<-{source}"


def edge_of_text(text):
    """Returns the edge that `edge_text` made text of."""
    node, source = map(int, text.split("<-"))
    return node, source


def alphas_to_dict(alphas):
    """Returns labelled alphas ready for JSON: an edge is text, `"0<-1"`.

    Args:
        alphas: Dict from the cell type to `CellAlphas` of dictionaries.
    """

    def text(edges):
        return {
            edge_text(edge): (
                {name: float(alpha) for name, alpha in value.items()}
                if isinstance(value, dict)
                else float(value)
            )
            for edge, value in edges.items()
        }

    return {cell: each.map(text).present() for cell, each in alphas.items()}


def alphas_from_dict(alphas):
    """Returns the labelled alphas that `alphas_to_dict` made ready for JSON.

    Also those of version 0.3, which has `"normal_attention"` beside `"normal"`.
    """

    def edges(texts):
        return {edge_of_text(edge): value for edge, value in texts.items()}

    if "operations" not in alphas["normal"]:
        alphas = {cell: _of_version_0_3(alphas, cell) for cell in CELL_TYPES}
    for cell in alphas.values():
        check_keys(cell, ("operations",), optional=("attention", "edges"))
    return {cell: CellAlphas(**each).map(edges) for cell, each in alphas.items()}


def _of_version_0_3(alphas, cell_type):
    of_edges = alphas.get(f"{cell_type}_edges")
    if of_edges is not None:
        of_edges = {edge: values["beta"] for edge, values in of_edges.items()}
    attention = alphas.get(f"{cell_type}_attention")
    return CellAlphas(alphas[cell_type], attention, of_edges).present()
