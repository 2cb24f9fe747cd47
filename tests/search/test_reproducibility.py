"""The same seed gives the same search to the last bit, another one another."""

import subprocess
from unittest import mock

import pytest
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.runtime import fix_randomness

SHORT = "--filters 4 --num-cells 3 --batch-size 8 --steps-per-epoch 4 --epochs 2"
SPACE = "--operations none max_pool_3x3 dil_conv_3x3"
RESULTS = (workdir.ALPHAS, workdir.HISTORY, workdir.GENOTYPE)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Returns the contents of the results of three searches, run side by side."""
    place = tmp_path_factory.mktemp("reproducibility")
    seeds = {"first": 1, "again": 1, "other": 2}
    words = ["--deterministic", *SHORT.split(), *SPACE.split()]
    processes = [
        subprocess.Popen(
            scripts.command(
                "search.py", *words, "--seed", seed, "--workdir", place / name
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, seed in seeds.items()
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-2000:]
    return {
        run: {name: (place / run / name).read_bytes() for name in RESULTS}
        for run in seeds
    }


@pytest.mark.parametrize("name", RESULTS)
def test_seed_decides_every_bit(results, name):
    assert results["first"][name] == results["again"][name]
    assert results["first"][name] != results["other"][name]


@pytest.mark.parametrize("deterministic", [True, False])
def test_determinism_is_asked_of_tensorflow(deterministic):
    with mock.patch.object(tf.config.experimental, "enable_op_determinism") as enable:
        fix_randomness(7, deterministic)
    assert enable.called == deterministic
    first = tf.random.normal(())
    with mock.patch.object(tf.config.experimental, "enable_op_determinism"):
        fix_randomness(7, deterministic)
    assert tf.random.normal(()) == first
