"""What attention is worth: pairs of answers, counted."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from keras_atdarts.experiments.explanations.attention_worth import compare_answers
from keras_atdarts.experiments.explanations.attention_worth import mcnemar
from keras_atdarts.experiments.explanations.attention_worth import measure_worth
from keras_atdarts.experiments.explanations.attention_worth import replacement_groups
from keras_atdarts.experiments.explanations.attention_worth import standard_error


class Gate(NamedTuple):
    name: str
    attention: str


def test_gates_are_replaced_alone_and_together():
    gates = [Gate("a", "channel"), Gate("b", "spatial"), Gate("c", "channel")]
    groups = {name: list(chosen) for name, chosen in replacement_groups(gates)}
    assert groups == {
        "a": [True, False, False],
        "b": [False, True, False],
        "c": [False, False, True],
        "all 2 channel": [True, False, True],
        "all 3 gates": [True, True, True],
    }
    assert len(replacement_groups(gates[:1])) == 1


def test_answers_are_counted_in_pairs():
    right, wrong = True, False
    result = compare_answers(
        np.array([right, right, right, right, wrong, wrong, wrong, right]),
        np.array([right, wrong, wrong, wrong, right, wrong, wrong, right]),
    )
    assert result["num_examples"] == 8
    assert (result["only_with"], result["only_without"]) == (3, 1)
    assert result["accuracy_with"] == 5 / 8 and result["accuracy_without"] == 3 / 8
    assert result["difference"] == 2 / 8
    assert result["p_value"] == 2 * (1 + 4) / 2**4
    assert result["standard_error"] == pytest.approx(math.sqrt(5 - 2**2 / 10) / 10)


def test_standard_error_is_that_of_the_difference_and_never_zero():
    shares = (0.03, 0.02, 0.95)  # Only with, only without, the same.
    random = np.random.default_rng(0)
    drawn = random.multinomial(2000, shares, size=4000)
    differences = (drawn[:, 0] - drawn[:, 1]) / 2000
    assert standard_error(60, 40, 2000) == pytest.approx(differences.std(), rel=0.03)
    assert standard_error(0, 0, 2000) == pytest.approx(1 / 2002)


def test_mcnemar_is_exact():
    assert mcnemar(0, 0) == 1
    assert mcnemar(7, 7) == 1
    assert mcnemar(10, 2) == mcnemar(2, 10) == 2 * (1 + 12 + 66) / 2**12
    many = mcnemar(5100, 4900)  # Near the normal distribution, with continuity.
    expected = math.erfc(199 / math.sqrt(10000) / math.sqrt(2))
    assert many == pytest.approx(expected, rel=0.01)


def test_each_group_is_measured_on_the_same_images():
    """Two gates of which one decides: without it all are taken for class 0."""

    def classify(images, replaced):
        classes = np.zeros(len(images), int) if replaced[1] else images
        return np.eye(3)[classes]

    batches = [(np.array([0, 1, 2]), np.array([0, 1, 1])), (np.array([1]), [1])]
    groups = replacement_groups([Gate("idle", "x"), Gate("needed", "x")])
    idle, needed, both = measure_worth(classify, groups, batches)
    assert [one["name"] for one in (idle, needed, both)] == [
        "idle",
        "needed",
        "all 2 x",
    ]
    assert idle["num_examples"] == needed["num_examples"] == 4
    assert idle["difference"] == 0 and idle["accuracy_with"] == 3 / 4
    assert (needed["only_with"], needed["only_without"]) == (2, 0)
    assert needed["accuracy_without"] == both["accuracy_without"] == 1 / 4
