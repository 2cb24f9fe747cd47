"""Signs that a search collapses: its cells are full of operations without weights.

Skip connections help the supernet to train. So their alphas grow, although the
derived network gets worse by them.

Reference:
    Chen, Xie, Wu, Tian, P-DARTS, ICCV 2019, https://arxiv.org/abs/1904.12760,
    section 3.3: the cell found is refined until it has two skip connections;
    Liang et al., DARTS+, 2019, https://arxiv.org/abs/1909.06035: the search stops
    when the normal cell has two or more; Zela et al., Understanding and
    Robustifying DARTS, ICLR 2020, https://arxiv.org/abs/1909.09656: degenerate
    cells are those dominated by operations without parameters.
"""

from keras_atdarts.experiments.reports.records import note
from keras_atdarts.experiments.reports.records import warning
from keras_atdarts.genotypes.statistics import count_edges
from keras_atdarts.genotypes.statistics import count_operation
from keras_atdarts.operations import Pooling
from keras_atdarts.operations import Skip
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import operation_class
from keras_atdarts.operations import operation_names

MOST_SKIPS = 2  # P-DARTS keeps no normal cell with more.
# Operations without weights on a larger part of the edges dominate a normal cell. The
# papers give no number. Reduction cells are not judged: those of DARTS are made of
# such operations, and work.
LARGEST_PART_WITHOUT_WEIGHTS = 0.5

RULE = (
    f"A normal cell counts as collapsing if it has more than {MOST_SKIPS} skip "
    "connections (P-DARTS allows so many; DARTS+ stops a search at the second), or if "
    f"more than {LARGEST_PART_WITHOUT_WEIGHTS:.0%} of its edges are skip connections "
    "and pools, which have no weights."
)


def count_families(cell):
    """Returns how many edges of a `CellGenotype` have skips, pools, attention."""
    classes = {name: operation_class(name) for name in operation_names()}
    families = {
        "skip": [name for name in classes if issubclass(classes[name], Skip)],
        "pool": [name for name in classes if issubclass(classes[name], Pooling)],
        "attention": attention_names(),
    }
    return {
        family: sum(count_operation(cell, name) for name in names)
        for family, names in families.items()
    }


def find_collapse(genotype):
    """Returns a list of notices about the signs of collapse in a `Genotype`.

    The rule is `RULE`.
    """
    counts, edges = count_families(genotype.normal), count_edges(genotype.normal)
    skips, without_weights = counts["skip"], counts["skip"] + counts["pool"]
    found = []
    if skips > MOST_SKIPS:
        text = (
            f"The normal cell is collapsing: {skips} of its {edges} edges are skip "
            f"connections, more than {MOST_SKIPS}. More epochs will hardly help. Take "
            "an earlier epoch's genotype, or search with fewer epochs or another seed."
        )
        found.append(warning(text))
    elif skips == MOST_SKIPS:
        text = (
            f"The normal cell has {MOST_SKIPS} skip connections: as many as P-DARTS "
            "allows, and the number at which DARTS+ would stop the search."
        )
        found.append(note(text))
    if without_weights > LARGEST_PART_WITHOUT_WEIGHTS * edges:
        text = (
            f"The normal cell hardly learns: {without_weights} of its {edges} edges "
            "are skip connections or pools, which have no weights."
        )
        found.append(warning(text))
    return found
