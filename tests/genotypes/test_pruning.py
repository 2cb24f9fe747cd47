"""Which operations stay on an edge, by hand."""

import json

import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.mixing import LOG_WEIGHTS
from keras_atdarts.genotypes.pruning import kept_from_dict
from keras_atdarts.genotypes.pruning import kept_to_dict
from keras_atdarts.genotypes.pruning import strongest_operations

FIRST = {"sep_conv_3x3": 0.3, "none": 0.9, "skip_connect": -0.2, "max_pool_3x3": 0.1}
# Of equals, the first in the alphabet stays.
SECOND = {"skip_connect": 0.0, "none": -1.0, "max_pool_3x3": 0.0, "sep_conv_3x3": 0.5}
# The weights of edges do not count.
ALPHAS = {
    "normal": CellAlphas({(0, 0): FIRST, (0, 1): SECOND}, edges={(0, 0): 9, (0, 1): 0}),
    "reduction": CellAlphas({(0, 0): SECOND, (0, 1): FIRST}),
}


@pytest.mark.parametrize("sampler", LOG_WEIGHTS)
@pytest.mark.parametrize(
    ("count", "first", "second"),
    [
        (
            3,
            ("sep_conv_3x3", "none", "max_pool_3x3"),
            ("skip_connect", "max_pool_3x3", "sep_conv_3x3"),
        ),
        (2, ("sep_conv_3x3", "none"), ("max_pool_3x3", "sep_conv_3x3")),
        (1, ("sep_conv_3x3",), ("sep_conv_3x3",)),  # Not none alone.
    ],
)
def test_the_heaviest_operations_stay(count, first, second, sampler):
    assert strongest_operations(ALPHAS, count, sampler) == {
        "normal": {(0, 0): first, (0, 1): second},
        "reduction": {(0, 0): second, (0, 1): first},
    }


def test_kept_operations_survive_json():
    kept = strongest_operations(ALPHAS, 2)
    written = json.loads(json.dumps(kept_to_dict(kept)))
    assert written["normal"]["0<-1"] == ["max_pool_3x3", "sep_conv_3x3"]
    assert kept_from_dict(written) == kept


def test_a_search_that_diverged_is_told():
    edges = {(0, 0): FIRST, (0, 1): {**SECOND, "none": float("nan")}}
    expected = "alphas of the normal cell, edge 0<-1: the alpha of 'none' is nan"
    with pytest.raises(InputError, match=expected):
        strongest_operations({"normal": CellAlphas(edges)}, 2)
