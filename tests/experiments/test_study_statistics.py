"""The numbers of a study, held to published ones and to counting by hand."""

import itertools
import math

import numpy as np
import pytest

from keras_atdarts.experiments.study import comparison
from keras_atdarts.experiments.study.comparison import compare_pairs
from keras_atdarts.experiments.study.comparison import lowest_p_value
from keras_atdarts.experiments.study.comparison import sample_deviation
from keras_atdarts.experiments.study.comparison import sign_flip_test
from keras_atdarts.experiments.study.results import summarize

# The differences of Darwin's maize, in eighths of an inch, which Fisher took for the
# first such test. He counted 863 sums of 32,768 that are at least as far on one side.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_mean_and_deviation_of_a_sample():
    values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]
    assert sample_deviation(values) == pytest.approx(math.sqrt(32 / 7))
    assert summarize([0.9, None]) == {"mean": 0.9, "standard_deviation": None}
    assert summarize(values)["mean"] == 5.0
    assert summarize([]) is None and summarize([None]) is None


def test_p_value_of_fisher():
    assert sign_flip_test(DARWIN) == pytest.approx(2 * 863 / 2**15)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        # Counted by hand among the 2^n choices of signs.
        ([0.3, 0.1, 0.2], 0.25),
        ([0.3, -0.1, 0.2], 0.5),
        ([0.3, -0.1, -0.2], 1.0),
        ([-0.01, -0.02, -0.03, -0.04, -0.05], 0.0625),
        ([0.1], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
    ],
)
def test_p_values_of_few_pairs(differences, p_value):
    assert sign_flip_test(differences) == p_value
    assert sign_flip_test([-each for each in differences]) == p_value


def test_p_value_is_that_of_trying_all_signs():
    differences = np.random.default_rng(1).normal(0.3, 1, 9).round(2).tolist()
    found = abs(sum(differences))
    as_far = sum(
        abs(np.dot(signs, differences)) >= found - 1e-9
        for signs in itertools.product((-1, 1), repeat=9)
    )
    assert sign_flip_test(differences) == as_far / 2**9


def test_lowest_p_value_is_that_of_equal_signs():
    for count in range(1, 8):
        assert sign_flip_test([0.5] * count) == lowest_p_value(count)
    assert lowest_p_value(3) == 0.25


def test_many_pairs_are_drawn_near_the_exact_value(monkeypatch):
    exact = sign_flip_test(DARWIN)
    monkeypatch.setattr(comparison, "EXACT_UP_TO", 14)
    monkeypatch.setattr(comparison, "NUM_DRAWS", 10_000)
    # Four standard deviations of a share of 0.05 in so many draws.
    assert sign_flip_test(DARWIN) == pytest.approx(exact, abs=0.009)
    assert lowest_p_value(15) == 1 / 10_001


def test_pairs_are_those_of_common_seeds():
    pairs = compare_pairs({0: 0.9, 1: 0.8, 2: 0.7}, {2: 0.6, 0: 0.7, 3: 0.1})
    assert pairs["seeds"] == [0, 2]
    assert pairs["mean_difference"] == pytest.approx(0.15)
    assert pairs["standard_deviation"] == pytest.approx(math.sqrt(0.005))
    assert (pairs["p_value"], pairs["lowest_p_value"]) == (0.5, 0.5)
    assert compare_pairs({0: 0.9}, {1: 0.9}) is None
