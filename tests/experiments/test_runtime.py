"""What scripts tell TensorFlow and XLA."""

import os
import subprocess
import sys

import pytest
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs.runtime import prepare_runtime


@pytest.mark.parametrize("tf32", [True, False])
def test_tensorfloat_is_what_is_asked_for(tf32):
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    try:
        prepare_runtime(tf32)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == tf32
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize("keeps", [True, False])
def test_what_xla_compiles_is_kept_unless_it_is_not_to_be(keeps, tmp_path):
    flag = "--jit-cache" if keeps else "--no-jit-cache"
    words = "--filters 2 --num-cells 3 --batch-size 4 --steps-per-epoch 1 --epochs 1"
    words = [*words.split(), "--operations", "none", "skip_connect", "avg_pool_3x3"]
    command = [sys.executable, scripts.FOLDER / "search.py", *words, "--jit", flag]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run(
        [*command, "--workdir", tmp_path / "run"],
        env=environment,
        check=True,
        capture_output=True,
    )
    compiled = list(tmp_path.glob("keras_atdarts/xla/*.pb"))
    assert bool(compiled) == keeps
