"""What scripts tell TensorFlow and XLA."""

import ast
import os
import subprocess
import sys

import pytest
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs.runtime import prepare_runtime

QUIET = "keras_atdarts.experiments.runs.quiet"
SCRIPTS = sorted(scripts.FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_silence_tensorflow_before_they_load_it(path):
    first = next(
        statement
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if not isinstance(statement, (ast.Import, ast.ImportFrom))
        or name_of(statement).split(".")[0] not in sys.stdlib_module_names
        if not is_docstring(statement)
    )
    if path.name == "predict.py":  # It stands alone.
        assert "TF_CPP_MIN_LOG_LEVEL" in ast.unparse(first)
    else:
        assert f"{first.module}.{first.names[0].name}" == QUIET


def is_docstring(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def name_of(statement):
    return getattr(statement, "module", None) or statement.names[0].name


@pytest.mark.parametrize("chosen", [None, "0"])
def test_whoever_sets_the_level_decides(chosen):
    others = {name: os.environ[name] for name in os.environ if "TF_CPP" not in name}
    environment = (
        others if chosen is None else {**others, "TF_CPP_MIN_LOG_LEVEL": chosen}
    )
    program = "import os, sys; level = os.environ['TF_CPP_MIN_LOG_LEVEL']"
    program += "; print(level, 'tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import {QUIET}; {program}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    level, loaded = done.stdout.split()
    assert level in ([chosen] if chosen else ["1", "3"]) and loaded == "False"


@pytest.mark.parametrize("tf32", [True, False])
def test_tensorfloat_is_what_is_asked_for(tf32):
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    try:
        prepare_runtime(tf32)
        assert tf.config.experimental.tensor_float_32_execution_enabled() == tf32
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize("chosen", ["", "--xla_gpu_enable_triton_gemm=true"])
def test_flags_of_xla_that_the_user_has_set_come_last(chosen, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", chosen)
    prepare_runtime()
    *_, last = os.environ["XLA_FLAGS"].split()
    assert last == (chosen or "--xla_gpu_enable_triton_gemm=false")


@pytest.mark.parametrize("keeps", [True, False])
def test_what_xla_compiles_is_kept_unless_it_is_not_to_be(keeps, tmp_path):
    flag = "--jit-cache" if keeps else "--no-jit-cache"
    words = "--filters 2 --num-cells 3 --batch-size 4 --steps-per-epoch 1 --epochs 1"
    words = [*words.split(), "--operations", "none", "skip_connect", "avg_pool_3x3"]
    words += ["--jit", flag, "--workdir", tmp_path / "run"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run(
        scripts.command("search.py", *words),
        env=environment,
        check=True,
        capture_output=True,
    )
    compiled = list(tmp_path.glob("keras_atdarts/xla/*.pb"))
    assert bool(compiled) == keeps
