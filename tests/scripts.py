"""Runs the scripts of train/ as a user would, but inside the test's process."""

import functools
import importlib.util
import pathlib
import sys
from unittest import mock

from keras_atdarts.runs.script import run_script

FOLDER = pathlib.Path(__file__).parents[1] / "train"

# The smallest networks and shortest trainings there are.
SMALL = "--filters 4 --num-cells 3 --batch-size 4 --steps-per-epoch 2".split()
SMALL_SPACE = "--operations none skip_connect sep_conv_3x3 channel_attention".split()


@functools.cache
def load(name):
    """Returns the script as a module."""
    path = FOLDER / name
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, *words):
    """Returns the exit code of `python train/NAME WORDS`."""
    argv = [str(word) for word in words]
    with mock.patch.object(sys, "argv", [str(FOLDER / name), *argv]):
        try:
            return run_script(load(name).main, argv)
        except SystemExit as end:
            return end.code
