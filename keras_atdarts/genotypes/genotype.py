"""A genotype: the two cells that a search finds, as a validated value."""

import dataclasses
import json
import pathlib
import textwrap
from importlib import resources

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.errors import check_keys
from keras_atdarts.errors import located
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes import text_forms
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.cell_picture import genotype_svg


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
            for name in edge.parts:
                if name not in known:
                    with located(f"{cell_type} cell: node {node}"):
                        raise unknown_name("operation", name, known)

    def __str__(self):
        return "\n".join(
            f"{cell_type} cell\n{textwrap.indent(str(cell), '  ')}"
            for cell_type, cell in self.cells()
        )

    def _repr_svg_(self):
        """Returns the picture that a notebook shows, see `genotype_svg`."""
        return genotype_svg(self)

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
    def from_text(cls, text):
        """Returns the genotype in a text: JSON, or what DARTS or NNI write.

        Example:

        >>> genotype = Genotype.load("DARTS_V2")
        >>> Genotype.from_text(genotype.to_json()) == genotype
        True
        >>> Genotype.from_text(darts_text(genotype)) == genotype
        True

        See `keras_atdarts.genotypes.text_forms`.
        """
        return cls.from_dict(text_forms.from_text(text))

    def save(self, path):
        """Writes the genotype as a JSON file, whole or not at all."""
        try:
            atomic.write_text(path, self.to_json())
        except OSError as error:
            reason = error.strerror
            raise InputError(f"{path}: cannot be written ({reason}).") from error

    @classmethod
    def load(cls, path_or_name, operations=None):
        """Returns the genotype of a file or a text, or a published one by its name.

        Args:
            path_or_name: Path of a file, or one of `published_genotypes()`, or the
                text of a genotype. Texts are those of `from_text`.
            operations: Names of the operations that exist; any other one is
                refused. Defaults to None: all are accepted.
        """
        text = _read_text(path_or_name)
        with located(text_forms.shown(path_or_name)):
            genotype = cls.from_text(text)
            if operations is not None:
                genotype.check_operations(operations)
        return genotype

    @classmethod
    def published(cls, name):
        """Returns a genotype of the literature, see `published_genotypes()`."""
        if name not in published_genotypes():
            raise unknown_name("published genotype", name, published_genotypes())
        return cls.load(name)


def published_genotypes():
    """Returns the sorted names of the genotypes that come with the package."""
    files = (file.name for file in _published_directory().iterdir())
    return tuple(
        sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))
    )


def _published_directory():
    return resources.files("keras_atdarts.genotypes") / "published"


def _read_text(path_or_name):
    if text_forms.is_text(path_or_name):
        return str(path_or_name)
    known = published_genotypes()
    path = pathlib.Path(path_or_name)
    if str(path_or_name) in known:
        path = _published_directory() / f"{path_or_name}.json"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise unknown_name("genotype file or published name", path, known) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(
            f"{path}: cannot be read ({reason}); expected a genotype."
        ) from error
