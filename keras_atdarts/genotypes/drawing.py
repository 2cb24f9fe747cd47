"""The cells of a genotype as files of pictures."""

import pathlib

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes import graphviz
from keras_atdarts.genotypes.cell_picture import ATTENTION
from keras_atdarts.genotypes.cell_picture import cell_svg

FORMATS = ("svg", *graphviz.FORMATS)


def plot_genotype(genotype, output, formats=("svg",), highlight=ATTENTION):
    """Writes both cells as pictures.

    Args:
        genotype: `Genotype`.
        output: Path of the directory to write to, made if need be.
        formats: Names of picture formats: `"svg"`, which needs nothing, or `"png"`
            and `"pdf"`, which Graphviz draws.
        highlight: Names of the operations that are to stand out, e.g. those
            that are attention. What follows an operation stands out always.

    Returns:
        The list of the paths written: `normal.svg`, ..., `reduction.svg`, ...

    Raises:
        InputError: If a format is unknown, Graphviz is needed and does not run, or
            the directory cannot be written.

    Example:

    >>> genotype = Genotype.load("DARTS_V2")
    >>> plot_genotype(genotype, "cells")
    """
    for name in formats:
        check_format(name)
    files = {
        f"{cell_type}.{name}": _picture(cell, f"{cell_type} cell", name, highlight)
        for cell_type, cell in genotype.cells()
        for name in formats
    }
    return _write_files(pathlib.Path(output), files)


def check_format(name):
    """Raises an `InputError` for a format in which cells cannot be drawn here."""
    if name not in FORMATS:
        raise unknown_name("picture format", name, FORMATS)
    if name in graphviz.FORMATS:
        instead = "draw it as svg, which needs nothing"
        graphviz.check_graphviz(name, "A cell", instead)


def _picture(cell, title, picture_format, highlight):
    """Returns the bytes of a picture."""
    if picture_format in graphviz.FORMATS:
        graph = graphviz.cell_graph(cell, title, highlight)
        return graph.create(format=picture_format)
    return cell_svg(cell, title, highlight).encode()


def _write_files(directory, files):
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{directory}: the cells cannot be written there ({error.strerror})."
        ) from error
    return [directory / name for name in files]
