"""How scripts end, and what they say is next."""

import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.script import WorkerLost
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import resume_command
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.script import saying_when_interrupted
from keras_atdarts.experiments.runs.search_config import SearchConfig

CONFIGS = (SearchConfig, RetrainConfig)


def test_run_script_passes_the_code_of_main():
    assert run_script(lambda argv: None) == 0
    assert run_script(lambda argv: 1) == 1


def test_unexpected_errors_keep_their_traceback():
    def main(argv):
        raise ValueError("a fault of the program")

    with pytest.raises(ValueError, match="fault"):
        run_script(main)


def test_lost_worker_has_a_line_and_a_code_of_its_own(capsys):
    def main(argv):
        raise WorkerLost("another worker is gone.")

    assert run_script(main) == 75
    assert capsys.readouterr().err.endswith(": error: another worker is gone.\n")


def test_interruption_says_what_was_finished():
    program = (
        "import sys, time\n"
        "from keras_atdarts.experiments.runs.script import run_script\n"
        "from keras_atdarts.experiments.runs.script import saying_when_interrupted\n"
        "def main(argv):\n"
        "    with saying_when_interrupted(lambda: '3 epochs are in runs/a.'):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "sys.exit(run_script(main))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: 3 epochs are in runs/a." in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_exhausted_memory_names_the_ways_out(error, capsys):
    def main(argv):
        with saying_when_interrupted(lambda: "3 finished epochs are in runs/a."):
            raise error

    assert run_script(main) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "Memory ran out; 3 finished epochs are in runs/a. " in message
    options = {option for config in CONFIGS for option in vars(config())}
    named = re.findall(r"--([a-z-]+)", message)
    assert len(named) == 5
    assert {name.replace("-", "_") for name in named} <= options


def test_interruption_message_does_not_hide_errors():
    with pytest.raises(InputError), saying_when_interrupted(lambda: "much"):
        raise InputError("bad")


def test_command_line_is_that_of_the_running_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train/search.py", "--seed", "1"])
    python, *words = shlex.split(command_line("retrain.py", "--workdir", "my runs/a"))
    assert pathlib.Path(shutil.which(python)).samefile(sys.executable)
    assert words == ["train/retrain.py", "--workdir", "my runs/a"]


def test_command_line_of_a_module_names_a_module(monkeypatch):
    """As of `python -m keras_atdarts.train.search`, where a wheel is installed."""
    origin = "/site-packages/keras_atdarts/train/search.py"
    spec = ModuleSpec("keras_atdarts.train.search", None, origin=origin)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    monkeypatch.setattr(sys, "argv", [origin, "--seed", "1"])
    _, *words = shlex.split(command_line("retrain.py", "--workdir", "a"))
    assert words == ["-m", "keras_atdarts.train.retrain", "--workdir", "a"]
    _, *words = shlex.split(resume_command("b"))
    expected = "-m keras_atdarts.train.search --seed 1 --workdir b --resume"
    assert words == expected.split()


@pytest.mark.parametrize(
    "words, expected",
    [
        ("--seed 1", "--seed 1 --workdir runs/a --resume"),
        ("--overwrite --workdir b", "--workdir b --resume"),
        ("--workdir=b --resume", "--workdir=b --resume"),
    ],
)
def test_resume_command_is_the_same_with_resume(monkeypatch, words, expected):
    monkeypatch.setattr(sys, "argv", ["train/search.py", *words.split()])
    _, *found = shlex.split(resume_command("runs/a"))
    assert found == ["train/search.py", *expected.split()]


def test_command_line_names_python_as_short_as_it_can(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["train/search.py"])
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert command_line("a.py") == f"{python} train/a.py"
    monkeypatch.chdir(tmp_path)
    assert command_line("a.py") == ".venv/bin/python train/a.py"
    monkeypatch.setenv("PATH", str(python.parent))
    assert command_line("a.py") == "python train/a.py"
