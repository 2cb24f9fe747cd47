"""One cell of a genotype: its nodes, their edges, and its output."""

import dataclasses
from typing import NamedTuple

from keras_atdarts.errors import InputError
from keras_atdarts.errors import check_integer
from keras_atdarts.errors import check_keys
from keras_atdarts.errors import check_list
from keras_atdarts.errors import check_name
from keras_atdarts.errors import located
from keras_atdarts.genotypes.cell_picture import cell_svg
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.names import name_parts
from keras_atdarts.genotypes.names import source_name


class Edge(NamedTuple):
    """One operation of a node, and where its input comes from.

    Args:
        operation: String, the name of the operation; followed by attention,
            both names, as in `"sep_conv_3x3+channel_attention"`.
        source: Integer. 0 is the output of the cell before the previous one,
            1 that of the previous cell, 2 and above are node 0, node 1, ...
    """

    operation: str
    source: int

    @property
    def parts(self):
        """The names of the operation and, if one follows, of the attention."""
        return name_parts(self.operation)


@dataclasses.dataclass(frozen=True)
class CellGenotype:
    """The edges of every intermediate node of a cell, and the cell's output.

    Args:
        nodes: For each intermediate node its edges, each an `Edge` or an
            `(operation, source)` pair. The node is the sum of its edges.
        concat: The sources whose tensors, concatenated along the channels, are
            the output of the cell. Only intermediate nodes (2 and above) can be.

    Raises:
        InputError: If the edges and the output do not make a cell.
    """

    nodes: tuple
    concat: tuple

    def __post_init__(self):
        nodes = _validated_nodes(self.nodes)
        concat = _validated_concat(self.concat, len(nodes))
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "concat", concat)

    def __str__(self):
        width = max(len(edge.operation) for edges in self.nodes for edge in edges)
        lines = []
        for node, edges in enumerate(self.nodes):
            terms = [
                f"{edge.operation:<{width}} <- {source_name(edge.source):<7}"
                for edge in edges
            ]
            lines.append(f"node {node}   {'   '.join(terms)}".rstrip())
        output = ", ".join(source_name(source) for source in self.concat)
        return "\n".join([*lines, f"c_k      {output}"])

    def _repr_svg_(self):
        """Returns the picture that a notebook shows, see `cell_svg`."""
        return cell_svg(self, "cell")

    def to_dict(self):
        """Returns the cell as lists and dictionaries."""
        nodes = [[edge._asdict() for edge in edges] for edges in self.nodes]
        return {"nodes": nodes, "concat": list(self.concat)}

    @classmethod
    def from_dict(cls, cell):
        """Returns the cell that `to_dict()` described."""
        check_keys(cell, required=("nodes", "concat"))
        nodes = []
        for index, edges in enumerate(check_list(cell["nodes"], "nodes")):
            with located(f"node {index}"):
                edges = check_list(edges, "edges")
                nodes.append([_edge_from_dict(edge) for edge in edges])
        return cls(nodes, cell["concat"])


def _edge_from_dict(edge):
    check_keys(edge, required=("operation", "source"))
    return Edge(edge["operation"], edge["source"])


def _validated_nodes(nodes):
    validated = []
    for index, edges in enumerate(check_list(nodes, "nodes")):
        with located(f"node {index}"):
            if not check_list(edges, "edges"):
                raise InputError("has no edges; give it at least one.")
            validated.append(tuple(_validated_edge(edge, index) for edge in edges))
    if not validated:
        raise InputError("has no nodes; give it at least one.")
    return tuple(validated)


def _validated_edge(edge, node):
    if len(check_list(edge, "operation and source")) != 2:
        raise InputError(f"expected an operation and a source; received {edge}.")
    operation, source = edge
    check_name(operation, "an operation")
    with located(f"'{operation}'"):
        _check_source(source, range(NUM_INPUTS + node), "before this node")
    return Edge(operation, source)


def _validated_concat(concat, num_nodes):
    nodes = range(NUM_INPUTS, NUM_INPUTS + num_nodes)
    with located("concat"):
        concat = tuple(check_list(concat, "sources"))
        for source in concat:
            _check_source(source, nodes, "a node of this cell")
        if not concat:
            raise InputError("is empty; name the nodes that make the output.")
        if len(set(concat)) != len(concat):
            raise InputError(f"names a node twice: {list(concat)}.")
    return concat


def _check_source(source, allowed, role):
    check_integer(source)
    if source not in allowed:
        first, last = allowed[0], allowed[-1]
        raise InputError(
            f"source {source} is not {role}; expected {first} "
            f"({source_name(first)}) to {last} ({source_name(last)})."
        )
