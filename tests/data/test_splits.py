import numpy as np
import pytest

from keras_atdarts.data import splits
from keras_atdarts.errors import InputError


@pytest.mark.parametrize("fraction, num_weight", [(0.5, 50), (0.8, 81), (0.01, 1)])
def test_search_split_is_disjoint_covering_and_sorted(fraction, num_weight):
    weight, alpha = splits.search_split(101, fraction, seed=3)
    assert len(weight) == num_weight
    np.testing.assert_array_equal(np.sort([*weight, *alpha]), np.arange(101))
    assert np.all(np.diff(weight) > 0) and np.all(np.diff(alpha) > 0)


def test_search_split_depends_on_the_seed_only():
    first, again, other = (splits.search_split(50, 0.5, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("fraction", [0, 1, 0.001, -0.5])
def test_search_split_needs_images_on_both_sides(fraction):
    with pytest.raises(InputError, match=f"fraction of {fraction} leaves"):
        splits.search_split(100, fraction, seed=0)


@pytest.mark.parametrize(("fraction", "num_held_out"), [(0.2, 20), (0.005, 1), (0, 0)])
def test_held_out_images_are_apart_from_the_others(fraction, num_held_out):
    kept, held_out = splits.hold_out(101, fraction, seed=3)
    assert len(held_out) == num_held_out
    assert sorted([*kept, *held_out]) == list(range(101))
    again, _ = splits.hold_out(101, fraction, seed=3)
    np.testing.assert_array_equal(kept, again)
    other, _ = splits.hold_out(101, fraction, seed=4)
    assert np.array_equal(kept, other) == (fraction == 0)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_too_few_images_to_hold_out_are_refused(fraction):
    with pytest.raises(InputError, match="of 30 images to judge by"):
        splits.hold_out(30, fraction, seed=0)


def test_steps_per_epoch():
    assert splits.steps_per_epoch(30, 7) == 4
    assert splits.steps_per_epoch(30, 30) == 1
