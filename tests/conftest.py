import gc

import keras
import pytest
import tensorflow as tf
from skips import pytest_make_collect_report as pytest_make_collect_report
from skips import pytest_runtest_makereport as pytest_runtest_makereport
from tensorflow.python.framework.config import disable_op_determinism

from keras_atdarts.data.bucket import without_bucket
from keras_atdarts.experiments.runs import training
from keras_atdarts.kernels.machine import divide_cpu

# Before TensorFlow runs anything: the tests of several devices need them.
divide_cpu(4)
# Grappler takes longer than the few steps of a test. Tests of what it does to a graph
# switch it on, and those of the README run with it.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


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
