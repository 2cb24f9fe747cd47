"""A genotype: the two cells that a search finds, as a validated value."""

import dataclasses
import json
import os
import pathlib
from importlib import resources
from typing import NamedTuple

from keras_atdarts.checks import (
    check_integer,
    check_keys,
    check_list,
    check_name,
    located,
)
from keras_atdarts.errors import InputError, unknown_name

NUM_INPUTS = 2


class Edge(NamedTuple):
    """One operation of a node, and where its input comes from.

    Args:
        operation: String, the name of the operation.
        source: Integer. 0 is the output of the cell before the previous one,
            1 that of the previous cell, 2 and above are node 0, node 1, ...
    """

    operation: str
    source: int


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


@dataclasses.dataclass(frozen=True)
class Genotype:
    """The normal and the reduction cell of a network, equal by value.

    A genotype always makes two usable cells: whatever does not is refused when
    it is made. Whether the operations exist is for `check_operations()` to say.

    Args:
        normal: `CellGenotype` of the cells that keep height and width.
        reduction: `CellGenotype` of the cells that halve them. It has as many
            nodes as the normal cell.

    Raises:
        InputError: If the cells do not fit together.

    Example:

    >>> cell = CellGenotype(
    ...     nodes=[[("sep_conv_3x3", 0), ("channel_attention", 1)]], concat=[2]
    ... )
    >>> Genotype(normal=cell, reduction=cell).save("genotype.json")
    >>> Genotype.load("DARTS_V2").normal.nodes[0]
    (Edge(operation='sep_conv_3x3', source=0), Edge(operation='sep_conv_3x3', source=1))

    Reference:
        [DARTS: Differentiable Architecture Search](https://arxiv.org/abs/1806.09055)
    """

    normal: CellGenotype
    reduction: CellGenotype

    def __post_init__(self):
        for cell_type, cell in self.cells():
            if not isinstance(cell, CellGenotype):
                raise InputError(
                    f"{cell_type} cell: expected a CellGenotype; "
                    f"received a {type(cell).__name__}."
                )
        if len(self.normal.nodes) != len(self.reduction.nodes):
            raise InputError(
                "the cells differ in their number of nodes: "
                f"normal {len(self.normal.nodes)}, "
                f"reduction {len(self.reduction.nodes)}; give both the same."
            )

    def cells(self):
        """Returns `(cell type, CellGenotype)` of both cells, normal first."""
        return (("normal", self.normal), ("reduction", self.reduction))

    def operations(self):
        """Yields `(cell type, node, Edge)` for every edge of both cells."""
        for cell_type, cell in self.cells():
            for node, edges in enumerate(cell.nodes):
                for edge in edges:
                    yield cell_type, node, edge

    def check_operations(self, known):
        """Raises an `InputError` for an operation that is not among `known`."""
        for cell_type, node, edge in self.operations():
            if edge.operation not in known:
                with located(f"{cell_type} cell: node {node}"):
                    raise unknown_name("operation", edge.operation, known)

    def __str__(self):
        return "\n".join(
            line
            for cell_type, cell in self.cells()
            for line in (f"{cell_type} cell", *_cell_lines(cell))
        )

    def to_dict(self):
        """Returns the genotype as lists and dictionaries."""
        return {cell_type: cell.to_dict() for cell_type, cell in self.cells()}

    @classmethod
    def from_dict(cls, genotype):
        """Returns the genotype that `to_dict()` described.

        The free texts `"name"` and `"source"` may stand beside the cells; they
        are for the reader of a file and are not part of the value.
        """
        check_keys(
            genotype, required=("normal", "reduction"), optional=("name", "source")
        )
        cells = {}
        for cell_type in ("normal", "reduction"):
            with located(f"{cell_type} cell"):
                cells[cell_type] = CellGenotype.from_dict(genotype[cell_type])
        return cls(**cells)

    def to_json(self):
        """Returns the genotype as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """Returns the genotype that a JSON text describes."""
        try:
            genotype = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"is not JSON ({error}).") from error
        return cls.from_dict(genotype)

    def save(self, path):
        """Writes the genotype as a JSON file, whole or not at all."""
        path = pathlib.Path(path)
        partial = path.with_name(path.name + ".partial")
        try:
            partial.write_text(self.to_json(), encoding="utf-8")
            os.replace(partial, path)
        except OSError as error:
            reason = error.strerror
            raise InputError(f"{path}: cannot be written ({reason}).") from error

    @classmethod
    def load(cls, path_or_name):
        """Returns the genotype of a JSON file, or a published one by its name."""
        if str(path_or_name) in published_genotypes():
            return cls.published(str(path_or_name))
        path = pathlib.Path(path_or_name)
        text = _read_text(path)
        with located(path):
            return cls.from_json(text)

    @classmethod
    def published(cls, name):
        """Returns a genotype of the literature, see `published_genotypes()`."""
        if name not in published_genotypes():
            raise unknown_name("published genotype", name, published_genotypes())
        file = _published_directory() / f"{name}.json"
        return cls.from_json(file.read_text(encoding="utf-8"))


def published_genotypes():
    """Returns the sorted names of the genotypes that come with the package."""
    files = [pathlib.PurePath(file.name) for file in _published_directory().iterdir()]
    return tuple(sorted(file.stem for file in files if file.suffix == ".json"))


def source_name(source):
    """Returns what a source is called: `"c_{k-2}"`, `"c_{k-1}"`, `"node 0"`, ..."""
    if source < NUM_INPUTS:
        return f"c_{{k-{NUM_INPUTS - source}}}"
    return f"node {source - NUM_INPUTS}"


def _cell_lines(cell):
    edges = [edge for edges in cell.nodes for edge in edges]
    width = max(len(edge.operation) for edge in edges)
    for node, edges in enumerate(cell.nodes):
        terms = [
            f"{edge.operation:<{width}} <- {source_name(edge.source):<7}"
            for edge in edges
        ]
        yield f"  node {node}   {'   '.join(terms)}".rstrip()
    yield f"  c_k      {', '.join(source_name(source) for source in cell.concat)}"


def _published_directory():
    return resources.files("keras_atdarts") / "published"


def _read_text(path):
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        known = published_genotypes()
        raise unknown_name("genotype file or published name", path, known) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(
            f"{path}: cannot be read ({reason}); expected a genotype in JSON."
        ) from error


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
