"""Runs the scripts of train/ as a user would, but inside the test's process."""

import contextlib
import dataclasses
import functools
import importlib.util
import pathlib
import sys
from unittest import mock

import keras

from keras_atdarts.experiments.runs import cost_targets
from keras_atdarts.experiments.runs import perturbation_selection
from keras_atdarts.experiments.runs import search_parts
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.search.operation_costs import operation_costs
from keras_atdarts.search.supernet import Supernet

HELPERS = pathlib.Path(__file__).parent
FOLDER = HELPERS.parent / "train"
ALONE = f"""
import sys
sys.path.append({str(HELPERS)!r})
import scripts
sys.exit(scripts.run(*sys.argv[1:]))
"""

# The smallest networks and shortest trainings there are.
SMALL = "--filters 4 --num-cells 3 --batch-size 4 --steps-per-epoch 2".split()
SMALL_SPACE = "--operations none skip_connect sep_conv_3x3 channel_attention".split()
SMALLEST_SPACE = "--operations none sep_conv_3x3".split()


@functools.cache
def load(name):
    """Returns the script as a module."""
    path = FOLDER / name
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def cells_of(num_nodes):
    """Gives searches within the block cells of fewer nodes: there is less to trace."""
    supernet = functools.partial(Supernet, num_nodes=num_nodes)
    costs = functools.partial(operation_costs, num_nodes=num_nodes)
    with (
        mock.patch.object(search_parts, "Supernet", supernet),
        mock.patch.object(cost_targets, "operation_costs", costs),
        mock.patch.object(perturbation_selection, "NUM_NODES", num_nodes),
    ):
        yield


def run(name, *words, num_nodes=1):
    """Returns the exit code of `python train/NAME WORDS`, see `cells_of`."""
    argv = [str(word) for word in words]
    told = mock.patch.object(sys, "argv", [str(FOLDER / name), *argv])
    with told, cells_of(num_nodes):
        try:
            return run_script(load(name).main, argv)
        except SystemExit as end:
            return end.code
        finally:
            keras.config.set_dtype_policy("float32")


def command(name, *words):
    """Returns the command that does the same as `run` in a process of its own."""
    return [sys.executable, "-c", ALONE, name, *map(str, words)]


class Watch:
    """What a script was told, and which of its settings it has read.

    What the configuration reads of itself, to check or to write itself, does not
    count.
    """

    def __init__(self):
        self.config = None
        self.read = set()

    def stand_in(self, config):
        """Returns an object that acts as `config` and notes what is read."""
        self.config = config
        note = self.read.add

        class StandIn:
            def __getattr__(self, name):
                note(name)
                return getattr(config, name)

        StandIn.__name__ = type(config).__name__
        return StandIn()

    def counting(self):
        """Returns the names of the settings that decide something in this run."""
        fields = dataclasses.fields(self.config)
        return {field.name for field in fields if self.config.counts(field.name)}


@contextlib.contextmanager
def watching(name):
    """Yields the `Watch` of the script's run in the block."""
    watch = Watch()

    def make_stand_in(*arguments):
        return watch.stand_in(config_from_arguments(*arguments))

    with mock.patch.object(load(name), "config_from_arguments", make_stand_in):
        yield watch
