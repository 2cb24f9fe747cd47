"""The arms of a study: where the genotypes come from that it compares."""

import dataclasses
import pathlib
import re

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.study.overrides import parse_overrides
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.text_forms import is_text
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.operations import operation_names

# Kinds of arms. Each seed of the first two kinds has a genotype of its own.
SEARCHED = "searched"
DRAWN = "drawn"
GIVEN = "given"

RANDOM = "random"  # The name of the arm whose genotypes are drawn by chance,
DEFAULT_SPACE = "at_darts"  # and the search space they are drawn from.

GIVE_A_NAME = "Give it a name: NAME=GENOTYPE."


@dataclasses.dataclass(frozen=True)
class Arm:
    """One of the ways to genotypes that a study compares.

    Args:
        name: String, also the name of its directory.
        kind: `SEARCHED`: `name` is the search space, or the arm has settings. `DRAWN`:
            by chance, with no search at all. `GIVEN`: always the same genotype.
        genotype: The `Genotype` of a `GIVEN` arm, None of the others.
        settings: Optional dict of settings of its searches that differ from those of
            the others.
    """

    name: str
    kind: str
    genotype: Genotype = None
    settings: dict = None

    @property
    def search_settings(self):
        """The settings of a `SEARCHED` arm that are its own."""
        if self.settings is None:
            return {"operations": (self.name,)}
        return {"operations": (DEFAULT_SPACE,), **self.settings}

    def to_dict(self):
        """Returns the arm as a dict, ready for JSON."""
        cells = {} if self.genotype is None else {"genotype": self.genotype.to_dict()}
        settings = {} if self.settings is None else {"settings": self.settings}
        return {"name": self.name, "kind": self.kind, **cells, **settings}

    @classmethod
    def from_dict(cls, arm):
        """Returns the arm that `to_dict` (through JSON) came from."""
        cells = arm.get("genotype")
        genotype = None if cells is None else Genotype.from_dict(cells)
        settings = arm.get("settings")
        if settings is not None:
            settings = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in settings.items()
            }
        return cls(arm["name"], arm["kind"], genotype, settings)


def parse_arm(word):
    """Returns the arm that a word of the command line stands for.

    Args:
        word: A search space, `random`, a published genotype, the path of a
            genotype file, or one of the last two, or the text of a genotype, as
            `NAME=GENOTYPE`; or `NAME: SETTING=VALUE ...`, a search with settings of its
            own, on the operations of `at_darts` if it names none.

    Raises:
        InputError: It is none of these, or cannot be the name of a directory.

    Example:

    >>> parse_arm("at_darts").kind
    'searched'
    >>> parse_arm("mine=runs/a/genotype.json").name
    'mine'
    >>> parse_arm("beta: operations=darts regularizers=beta_decay=0:25").settings
    {'operations': ('darts',), 'regularizers': ('beta_decay=0:25',)}
    """
    if word == RANDOM:
        return Arm(RANDOM, DRAWN)
    if word in SEARCH_SPACES:
        return Arm(word, SEARCHED)
    if re.match(r"[\w.-]+: ", word):
        return parse_searched(word)
    name, equals, origin = word.partition("=")
    if not equals:
        # The name of a run, or of the genotype's file.
        path, origin = pathlib.Path(word), word
        is_of_run = path.name == "genotype.json"
        name = path.resolve().parent.name if is_of_run else path.stem
    check_own_name(name)
    is_known = origin in published_genotypes() or is_text(origin)
    if not is_known and not pathlib.Path(origin).exists():
        known = (*SEARCH_SPACES, RANDOM, *published_genotypes())
        raise unknown_name("arm or genotype file", origin, known)
    return Arm(name, GIVEN, Genotype.load(origin, operation_names()))


def parse_searched(word):
    """Returns the arm of `NAME: SETTING=VALUE ...`."""
    name, _, words = word.partition(": ")
    check_own_name(name)
    settings = parse_overrides(
        SearchConfig, f"arm {name}", words.split(), free=("operations",)
    )
    return Arm(name, SEARCHED, settings=settings)


def check_own_name(name):
    """Raises `InputError` where an arm of one's own cannot be called `name`."""
    taken = (RANDOM, *SEARCH_SPACES)
    if name in taken or not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(
            f"The arm of a genotype cannot be called '{name}': expected letters, "
            f"digits, '_', '-' and '.', and none of {', '.join(taken)}. {GIVE_A_NAME}"
        )


def check_different(arms):
    """Raises `InputError` where two arms have the same name."""
    names = [arm.name for arm in arms]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two arms are called '{name}'. Leave one out. If it is a genotype, "
                "you may give it another name instead: NAME=GENOTYPE."
            )
