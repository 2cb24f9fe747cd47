import types

import pytest
import tensorflow as tf

from keras_atdarts.search import monitors
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.samplers import GumbelSoftmax
from keras_atdarts.search.samplers import Softmax
from keras_atdarts.training.schedules import EpochLinear


def logs_of(monitor, sampler=None, perturbation=None, iterations=1):
    """Returns what a monitor adds for a model that has taken so many steps."""
    optimizer = types.SimpleNamespace(iterations=tf.constant(iterations, tf.int64))
    monitor.set_model(
        types.SimpleNamespace(
            sampler=sampler or Softmax(), perturbation=perturbation, optimizer=optimizer
        )
    )
    logs = {"loss": 1.0}
    monitor.on_epoch_end(0, logs)
    return {name: value for name, value in logs.items() if name != "loss"}


def test_the_eigenvalue_is_added(monkeypatch):
    monkeypatch.setattr(monitors, "Curvature", lambda model: lambda batch: 0.5)
    added = logs_of(monitors.EigenvalueMonitor(("images", "labels")))
    assert added == {monitors.EIGENVALUE: 0.5}


@pytest.mark.parametrize(
    ("iterations", "temperature", "epsilon"), [(4, 10, 0.1), (8, 6, 0.2), (12, 2, 0.3)]
)
def test_annealed_values_are_those_of_the_epoch(iterations, temperature, epsilon):
    """Of epochs of four steps: not those that the next epoch begins with."""
    added = logs_of(
        monitors.AnnealingMonitor(),
        GumbelSoftmax(EpochLinear(10.0, 2.0, epochs=3, steps_per_epoch=4)),
        RandomPerturbation(EpochLinear(0.1, 0.3, epochs=3, steps_per_epoch=4)),
        iterations,
    )
    expected = {"temperature": temperature, "perturbation": epsilon}
    assert added == pytest.approx(expected)


def test_only_what_a_search_anneals_is_added():
    monitor = monitors.AnnealingMonitor()
    assert logs_of(monitor) == {}
    assert logs_of(monitor, GumbelSoftmax(2.0)) == {"temperature": 2.0}
    added = logs_of(monitor, perturbation=RandomPerturbation(0.25))
    assert added == {"perturbation": 0.25}
