"""Operations counted by hand."""

import collections

import pytest

from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.genotypes.statistics import ASPECTS
from keras_atdarts.genotypes.statistics import SOURCE_KINDS
from keras_atdarts.genotypes.statistics import Choice
from keras_atdarts.genotypes.statistics import choices_of
from keras_atdarts.genotypes.statistics import count_by
from keras_atdarts.genotypes.statistics import count_edges
from keras_atdarts.genotypes.statistics import count_operation
from keras_atdarts.genotypes.statistics import source_depths
from keras_atdarts.genotypes.statistics import source_kinds_by_chance

NORMAL = CellGenotype(
    [
        [("sep_conv_3x3", 0), ("channel_attention", 1)],
        [("skip_connect", 1), ("skip_connect+channel_attention", 2)],
        [("max_pool_3x3", 0), ("channel_attention", 3)],
    ],
    [2, 3, 4],
)
REDUCTION = CellGenotype([[("max_pool_3x3", 0), ("max_pool_3x3", 1)]] * 3, [4])
GENOTYPE = Genotype(NORMAL, REDUCTION)


def test_every_operation_is_one_choice_in_its_place():
    choices = choices_of([GENOTYPE])
    assert len(choices) == 6 + 1 + 6  # One edge has two operations.
    assert choices[:2] == [
        Choice("normal", 0, 0, 1, "sep_conv_3x3"),
        Choice("normal", 0, 1, 1, "channel_attention"),
    ]
    assert choices[3:5] == [
        Choice("normal", 1, 2, 2, "skip_connect"),
        Choice("normal", 1, 2, 2, "channel_attention"),
    ]
    assert choices[6] == Choice("normal", 2, 3, 3, "channel_attention")
    assert {choice.cell_type for choice in choices[7:]} == {"reduction"}
    assert {choice.depth for choice in choices[7:]} == {1}


def test_counts_by_one_and_by_several_aspects():
    choices = choices_of([GENOTYPE])
    attention = [each for each in choices if each.operation == "channel_attention"]
    assert count_by(attention, "source_kind") == {"c_{k-1}": 1, "node": 2}
    assert count_by(attention, "cell_type") == {"normal": 3}
    assert count_by(choices, "cell_type", "operation") == {
        ("normal", "sep_conv_3x3"): 1,
        ("normal", "channel_attention"): 3,
        ("normal", "skip_connect"): 2,
        ("normal", "max_pool_3x3"): 1,
        ("reduction", "max_pool_3x3"): 6,
    }
    assert count_by(choices, "cell_type", "node")["normal", 1] == 3
    assert count_by(choices, "depth")[3] == 1


@pytest.mark.parametrize("aspect", ASPECTS)
def test_counts_by_every_aspect_are_complete(aspect):
    genotypes = [Genotype.load("DARTS_V1"), Genotype.load("DARTS_V2")]
    counts = count_by(choices_of(genotypes), aspect)
    assert counts.total() == 2 * 16 and len(counts) > 1


def test_counts_of_published_cells():
    darts_v1 = Genotype.load("DARTS_V1")
    assert count_operation(darts_v1.normal, "skip_connect") == 3
    assert count_operation(darts_v1.reduction, "max_pool_3x3") == 4
    assert count_operation(NORMAL, "skip_connect") == 2
    assert count_edges(darts_v1.normal) == 8


def test_depth_is_that_of_the_longest_way():
    assert source_depths(NORMAL) == [1, 1, 2, 3, 4]
    assert source_depths(REDUCTION) == [1, 1, 2, 2, 2]


def test_chance_is_that_of_many_random_cells():
    expected = source_kinds_by_chance(num_nodes=4)
    assert sum(expected.values()) == pytest.approx(8)
    assert expected["c_{k-1}"] == pytest.approx(1 + 2 / 3 + 2 / 4 + 2 / 5)
    genotypes = random_genotypes(["skip_connect", "max_pool_3x3"], 2000, seed=0)
    counts = count_by(choices_of(genotypes), "source_kind")
    for kind in SOURCE_KINDS:
        assert counts[kind] / 4000 == pytest.approx(expected[kind], abs=0.05)


def test_no_genotypes_give_no_choices():
    assert count_by(choices_of([]), "operation") == collections.Counter()
