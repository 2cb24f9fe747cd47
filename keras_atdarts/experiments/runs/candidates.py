"""The genotypes that a selection chooses among."""

import pathlib
import re
from typing import NamedTuple

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.text_forms import is_text
from keras_atdarts.genotypes.text_forms import shown

FEWEST = 2


class Candidate(NamedTuple):
    """A genotype to choose.

    Args:
        name: String that can name a file and differs from those of the others.
        origin: String, where it comes from.
        genotype: `Genotype`.
    """

    name: str
    origin: str
    genotype: Genotype


def read_candidates(words, operations):
    """Returns a list of the `Candidate`s that the words of a command line name.

    Args:
        words: List of directories of searches, which stand for what they found (of
            a random search, for all that it drew), of files with a genotype, and of
            names of published genotypes.
        operations: Names of the operations that exist.

    Raises:
        InputError: A genotype cannot be read or stands there twice, a search is
            unfinished, or there are fewer than two.
    """
    origins = [origin for word in words for origin in find_origins(word)]
    check_once([str(origin) for origin in origins], "was given twice")
    genotypes = [Genotype.load(origin, operations) for origin in origins]
    if len(genotypes) < FEWEST:
        raise InputError(
            f"To choose, there must be at least {FEWEST} genotypes; received "
            f"{len(genotypes)}. Name more searches or files of genotypes."
        )
    check_different(genotypes, origins)
    return [
        Candidate(f"{number:02}-{short_name(origin)}", str(origin), genotype)
        for number, (origin, genotype) in enumerate(
            zip(origins, genotypes, strict=True)
        )
    ]


def find_origins(word):
    """Returns what a word stands for: paths of genotypes, or a published name."""
    if word in published_genotypes():
        return [word]
    if is_text(word):
        raise InputError(
            f"'{shown(word)}' is the text of a genotype: to choose, put it in a file, "
            "which has a name, and give that."
        )
    path = pathlib.Path(word)
    if not path.is_dir():
        return [path.resolve() if path.exists() else path]
    run = RunDirectory(path.resolve())
    if run.is_unfinished():
        raise InputError(
            f"The run in '{word}' is unfinished: end it with --resume, or give its "
            f"genotype of now, '{path / workdir.GENOTYPE}'."
        )
    drawn = sorted(run.file(workdir.GENOTYPES).glob("*.json"))
    found = drawn or [run.file(workdir.GENOTYPE)]
    if not found[0].exists():
        raise InputError(
            f"There is no genotype in '{word}': expected the directory of a search, a "
            f"genotype.json, or one of {', '.join(published_genotypes())}."
        )
    return found


def check_once(names, what):
    """Raises `InputError` for a name that stands in a list twice."""
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"'{name}' {what}: name it once.")


def check_different(genotypes, origins):
    """Raises `InputError` where two genotypes are the same."""
    for later, genotype in enumerate(genotypes):
        earlier = genotypes.index(genotype)
        if earlier < later:
            raise InputError(
                f"'{origins[later]}' is the same genotype as '{origins[earlier]}': "
                "leave one of them out."
            )


def short_name(origin):
    """Returns what a candidate is called: its run, file or published name."""
    path = pathlib.Path(origin)
    name = path.stem
    if path.name == workdir.GENOTYPE:
        name = path.parent.name
    elif path.parent.name == workdir.GENOTYPES:
        name = f"{path.parent.parent.name}-{path.stem}"
    return re.sub(r"[^\w.-]+", "_", name) or "genotype"
