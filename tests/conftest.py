import gc
import pathlib

import keras
import pytest
import tensorflow as tf
from skips import pytest_make_collect_report as pytest_make_collect_report
from skips import pytest_runtest_makereport as pytest_runtest_makereport
from tensorflow.python.framework.config import disable_op_determinism

from keras_atdarts.data.bucket import without_bucket
from keras_atdarts.experiments.runs import training
from keras_atdarts.kernels.machine import divide_cpu

FOLDER = pathlib.Path(__file__).parent
# Before TensorFlow runs anything: the tests of several devices need them.
divide_cpu(4)
# Grappler takes longer than the few steps of a test. Tests of what it does to a graph
# switch it on, and those of the README run with it.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

# What takes longest begins first: so all processes end at about the same time.
LONGEST = ("test_wheel.py", "train/", "search/", "networks/", "training/", "test_", "")


def pytest_collection_modifyitems(items):
    """Sorts the files, and leaves the tests of each in their order."""

    def rank(item):
        path = item.path.relative_to(FOLDER).as_posix()
        return next(i for i, start in enumerate(LONGEST) if path.startswith(start))

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, whichever tests run before it."""
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def without_notes(monkeypatch):
    """Scripts say the same whether the kernels for CPUs could be compiled or not."""
    monkeypatch.setattr(training, "note_missing_kernels", lambda: None)


@pytest.fixture(autouse=True, scope="session")
def bucketless():
    """Builders that tests make themselves leave no temporary folders either."""
    with without_bucket():
        yield


@pytest.fixture(autouse=True, scope="module")
def freed():
    """Graphs refer to each other: memory would grow from file to file."""
    yield
    gc.collect()


@pytest.fixture(autouse=True, scope="module")
def undetermined():
    """TensorFlow stays deterministic until told otherwise, and then refuses XLA."""
    yield
    disable_op_determinism()
