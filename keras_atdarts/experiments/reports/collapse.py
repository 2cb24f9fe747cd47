"""Whether a search collapses: cells that end in operations that learn nothing.

Skip connections help the supernet to train, so their alphas grow although the
network that is derived of them is worse.

Reference:
    Chen, Xie, Wu, Tian, P-DARTS, ICCV 2019, https://arxiv.org/abs/1904.12760,
    section 3.3: the cell found is refined until it has two skip connections;
    Liang et al., DARTS+, 2019, https://arxiv.org/abs/1909.06035: the search stops
    when the normal cell has two or more; Zela et al., Understanding and
    Robustifying DARTS, ICLR 2020, https://arxiv.org/abs/1909.09656: degenerate
    cells are those dominated by operations without parameters.
"""

from keras_atdarts.experiments.reports.notices import note
from keras_atdarts.experiments.reports.notices import warning
from keras_atdarts.genotypes.statistics import count_edges
from keras_atdarts.genotypes.statistics import count_operation
from keras_atdarts.operations import Pooling
from keras_atdarts.operations import Skip
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import operation_class
from keras_atdarts.operations import operation_names

# More of them in a normal cell, and P-DARTS would not keep it.
MOST_SKIPS = 2
# Where those without parameters are more than this part, they dominate. The papers
# give no number; the reduction cells of DARTS are made of them and work.
LARGEST_FREE_SHARE = 0.5

RULE = (
    f"A normal cell is called collapsing when it has more than {MOST_SKIPS} skip "
    "connections (the number P-DARTS allows; DARTS+ stops a search at the second), "
    f"or when more than {LARGEST_FREE_SHARE:.0%} of its edges are skip connections "
    "and pools, which learn nothing."
)


def families():
    """Returns the names of the registered operations that are counted together."""
    return {
        "skip": names_of(Skip),
        "pool": names_of(Pooling),
        "attention": attention_names(),
    }


def names_of(kind):
    """Returns the names of the registered operations of a class."""
    return tuple(
        name for name in operation_names() if issubclass(operation_class(name), kind)
    )


def count_families(cell):
    """Returns how many edges of a `CellGenotype` have skips, pools, attention."""
    return {
        family: sum(count_operation(cell, name) for name in names)
        for family, names in families().items()
    }


def find_collapse(genotype):
    """Returns plain words for the signs of collapse in a genotype.

    Args:
        genotype: `Genotype`.

    Returns:
        List of notices; empty where there is no sign. The rule is `RULE`.
    """
    cell = genotype.normal
    counts, edges = count_families(cell), count_edges(cell)
    found = []
    if counts["skip"] > MOST_SKIPS:
        found.append(
            warning(
                f"The normal cell is collapsing: {counts['skip']} of its {edges} edges "
                f"are skip connections, more than {MOST_SKIPS}. Searched on, it will "
                "hardly get better: take an earlier epoch's genotype, or search with "
                "fewer epochs or another seed."
            )
        )
    elif counts["skip"] == MOST_SKIPS:
        found.append(
            note(
                f"The normal cell has {MOST_SKIPS} skip connections: as many as "
                "P-DARTS allows, and the number at which DARTS+ would stop the search."
            )
        )
    free = counts["skip"] + counts["pool"]
    if free > LARGEST_FREE_SHARE * edges:
        found.append(
            warning(
                f"The normal cell hardly learns: {free} of its {edges} edges are skip "
                "connections or pools, which have no weights."
            )
        )
    return found
