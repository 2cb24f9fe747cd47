"""What scripts tell TensorFlow and XLA."""

import ast
import os
import signal
import subprocess
import sys

import pytest
import scripts
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import training
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

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


FAKE = """
import os, sys
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\n")
os.write(2, b"I0000 00:00:1795.234 1 cudart_stub.cc:31] Could not find drivers\\n")
os.write(2, b"W0000 00:00:1795.234 1 gpu.cc:31] Cannot use the GPU\\n")
os.write(2, b"E0000 00:00:1795.234 1 gpu.cc:31] An error\\n")
os.write(2, b"Our own line\\nA half one")
"""
OURS = ["Our own line", "A half one"]


@pytest.mark.parametrize(
    ("level", "hidden"), [(None, None), ("0", 0), ("1", 2), ("2", 3), ("3", 4)]
)
def test_first_lines_of_tensorflow_are_hidden_by_its_level(level, hidden, tmp_path):
    """By a stand-in for TensorFlow, whose lines depend on the machine."""
    (tmp_path / "tensorflow.py").write_text(FAKE, encoding="utf-8")
    done = load_quiet(tmp_path, level)
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and lines[-2:] == OURS
    if level is None:
        hidden = {"1": 2, "3": 4}[done.stdout.strip()]
    assert len(lines) == 6 - hidden


def test_last_words_of_a_crash_are_shown(tmp_path):
    crash = "os.write(2, b'F0000 00:00 1 cpu.cc:1] No AVX\\n'); os.abort()"
    (tmp_path / "tensorflow.py").write_text(FAKE + crash, encoding="utf-8")
    done = load_quiet(tmp_path, "3")
    assert done.returncode == -signal.SIGABRT
    assert "No AVX" in done.stderr and "cudart" not in done.stderr


def load_quiet(path, level):
    others = {name: os.environ[name] for name in os.environ if "TF_CPP" not in name}
    chosen = {} if level is None else {"TF_CPP_MIN_LOG_LEVEL": level}
    places = os.pathsep.join([str(path), *filter(None, sys.path)])
    program = f"import os, {QUIET}; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    program += "; import tensorflow"
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**others, **chosen, "PYTHONPATH": places},
        capture_output=True,
        text=True,
    )


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


def test_what_xla_compiles_is_kept(tmp_path):
    cell = CellGenotype([[("skip_connect", 0), ("avg_pool_3x3", 1)]], [2])
    Genotype(cell, cell).save(tmp_path / "small.json")
    words = "--filters 2 --num-cells 3 --batch-size 4 --steps-per-epoch 1 --epochs 1"
    words = [*words.split(), "--genotype", tmp_path / "small.json", "--jit"]
    subprocess.run(
        scripts.command("retrain.py", *words, "--workdir", tmp_path / "run"),
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert list(tmp_path.glob("keras_atdarts/xla/*.pb"))


@pytest.mark.parametrize(
    ("words", "keeps"),
    [(["--jit"], True), (["--jit", "--no-jit-cache"], False), ([], False)],
)
def test_it_is_kept_only_where_it_is_to_be(words, keeps, tmp_path, monkeypatch):
    asked = []

    def note(tf32, jit_cache):
        asked.append(jit_cache)
        raise InputError("Enough.")

    monkeypatch.setattr(training, "prepare_runtime", note)
    words = [*words, "--workdir", tmp_path / "run"]
    assert scripts.run("search.py", *words) == 2
    assert asked == [keeps]
