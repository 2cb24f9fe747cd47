"""Random genotypes are uniform, different, and the same for the same seed."""

import collections
import itertools

import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.sampling import edge_candidates
from keras_atdarts.genotypes.sampling import node_choices
from keras_atdarts.genotypes.sampling import random_genotypes

SPACE = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "channel_attention")
DRAWS = 5000


@pytest.fixture(scope="module")
def many():
    return random_genotypes(SPACE, DRAWS, seed=0)


def chi_square(counts, categories):
    """Returns Pearson's statistic against the uniform distribution."""
    assert counts.keys() <= set(categories)
    expected = sum(counts.values()) / len(categories)
    return sum((counts[each] - expected) ** 2 / expected for each in categories)


def quantile(freedom):
    """Returns about the 99.9 % quantile of chi-square (Wilson and Hilferty, 1931)."""
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + 3.09 * spread**0.5) ** 3


@pytest.mark.parametrize("cell_type", ["normal", "reduction"])
@pytest.mark.parametrize("node", range(4))
def test_pairs_of_edges_are_uniform(many, cell_type, node):
    """Over sources and operations together, which makes them independent too."""
    edges = [getattr(genotype, cell_type).nodes[node] for genotype in many]
    pairs = list(itertools.combinations(range(2 + node), 2))
    names = [name for name in SPACE if name != "none"]
    categories = [
        (Edge(first, low), Edge(second, high))
        for low, high in pairs
        for first in names
        for second in names
    ]
    counts = collections.Counter(edges)
    assert chi_square(counts, categories) < quantile(len(categories) - 1)
    sources = collections.Counter(tuple(edge.source for edge in two) for two in edges)
    if len(pairs) > 1:
        assert chi_square(sources, pairs) < quantile(len(pairs) - 1)


def test_operations_are_uniform_over_all_edges(many):
    names = [name for name in SPACE if name != "none"]
    counts = collections.Counter(
        edge.operation for genotype in many for _, _, edge in genotype.operations()
    )
    assert sum(counts.values()) == 16 * DRAWS
    assert chi_square(counts, names) < quantile(len(names) - 1)


def test_the_cells_are_drawn_independently(many):
    names = [name for name in SPACE if name != "none"]
    first, second = (
        [getattr(genotype, cell).nodes[0][0].operation for genotype in many]
        for cell in ("normal", "reduction")
    )
    pairs = list(itertools.product(names, repeat=2))
    counts = collections.Counter(zip(first, second, strict=True))
    assert chi_square(counts, pairs) < quantile(len(pairs) - 1)


def test_chi_square_finds_a_crooked_draw():
    counts = collections.Counter({"a": 1400, "b": 1200, "c": 1200, "d": 1200})
    assert chi_square(counts, "abcd") > quantile(3)
    assert quantile(3) == pytest.approx(16.27, rel=0.02)  # From tables.
    assert quantile(100) == pytest.approx(149.45, rel=0.02)


def test_genotypes_are_valid_and_different(many):
    assert len(set(many)) == DRAWS
    for genotype in many[:100]:
        genotype.check_operations(SPACE)
        for _, cell in genotype.cells():
            assert cell.concat == (2, 3, 4, 5)
            for first, second in cell.nodes:
                assert first.source < second.source


def test_seed_decides_and_more_of_them_begin_alike(many):
    assert random_genotypes(SPACE, 20, seed=0) == many[:20]
    assert not set(random_genotypes(SPACE, 20, seed=1)) & set(many[:20])


def test_whole_space_can_be_drawn_and_nothing_beyond():
    names = ("none", "skip_connect", "max_pool_3x3")
    size = (1 * 2**2) ** 2 * (3 * 2**2) ** 2  # Of two nodes, in both cells.
    everything = random_genotypes(names, size, seed=0, num_nodes=2)
    assert len(set(everything)) == size == 2304
    with pytest.raises(InputError, match="2,304 different.* received 2,305 "):
        random_genotypes(names, size + 1, seed=0, num_nodes=2)


def test_attention_follows_as_often_as_nothing():
    candidates = edge_candidates(("none", "a", "b"), ("x", "y"))
    assert candidates == ("a", "a+x", "a+y", "b", "b+x", "b+y")
    drawn = random_genotypes(("none", "a", "b"), 2000, 0, attentions=("x", "y"))
    counts = collections.Counter(
        edge.operation for genotype in drawn for _, _, edge in genotype.operations()
    )
    assert chi_square(counts, candidates) < quantile(len(candidates) - 1)


def test_choices_of_a_node_are_all_there_are():
    choices = node_choices(1, ("a", "b"))
    assert len(choices) == len(set(choices)) == 3 * 2 * 2
    assert (Edge("b", 0), Edge("a", 2)) in choices


@pytest.mark.parametrize("names", [(), ("none",)])
def test_space_without_operation_is_refused(names):
    with pytest.raises(InputError, match="other than 'none'"):
        random_genotypes(names, 1, seed=0)
