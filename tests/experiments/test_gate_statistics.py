"""The values of gates over images, counted batch by batch."""

import numpy as np
import pytest

from keras_atdarts.experiments.explanations.gate_statistics import NUM_BINS
from keras_atdarts.experiments.explanations.gate_statistics import GateStatistics


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(size=(9, 2, 3, 4)).astype("float32")


LABELS = np.array([0, 2, 0, 2, 2, 0, 0, 2, 2])  # No image of class 1.


@pytest.fixture
def statistics(values):
    counted = GateStatistics((2, 3, 4), num_classes=3)
    counted.update(values[:5], LABELS[:5])
    counted.update(values[5:], LABELS[5:])
    return counted


def test_means_are_those_of_all_batches(statistics, values):
    np.testing.assert_allclose(statistics.mean(), values.mean(axis=0), rtol=1e-6)
    means = statistics.class_means()
    assert np.all(np.isnan(means[1]))
    for label in (0, 2):
        expected = values[LABELS == label].mean(axis=(0, 1, 2))
        np.testing.assert_allclose(means[label], expected, rtol=1e-6)


def test_shares_are_histograms(statistics, values):
    shares = statistics.class_histograms()
    assert np.all(np.isnan(shares[1]))
    for label in (0, 2):
        chosen = values[LABELS == label]
        counts, _ = np.histogram(chosen, bins=NUM_BINS, range=(0, 1))
        np.testing.assert_allclose(shares[label], counts / chosen.size)


def test_one_class_holds_all_images(values):
    together = GateStatistics((2, 3, 4), num_classes=1)
    together.update(values, LABELS)
    expected = values.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(together.class_means(), [expected], rtol=1e-6)
    np.testing.assert_allclose(together.class_histograms().sum(), 1)


def test_the_highest_value_is_in_the_last_bin():
    statistics = GateStatistics((1, 1, 2), num_classes=1)
    statistics.update(np.ones((1, 1, 1, 2)), [0])
    assert statistics.histogram[0, -1] == 2


def test_summary_tells_the_image_from_the_place(statistics, values):
    summary = statistics.summary()
    assert summary["mean"] == pytest.approx(values.mean(), rel=1e-6)
    assert summary["std"] == pytest.approx(values.std(), rel=1e-6)
    between = np.sqrt(values.var(axis=0).mean())
    assert summary["std_between_images"] == pytest.approx(between, rel=1e-6)


def test_a_constant_gate_does_not_differ_between_images():
    statistics = GateStatistics((1, 1, 2), num_classes=1)
    statistics.update(np.tile([0.3, 0.7], (6, 1, 1, 1)), np.zeros(6, int))
    summary = statistics.summary()
    assert summary["std"] == pytest.approx(0.2)
    assert summary["std_between_images"] == pytest.approx(0, abs=1e-7)
