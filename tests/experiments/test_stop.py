"""A callback may stop any training: on one machine and on several."""

import cluster_runs
import keras
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.checkpoints import Checkpoints
from keras_atdarts.experiments.runs.fitting import Checkpointing
from keras_atdarts.experiments.runs.fitting import fit
from keras_atdarts.experiments.runs.training_state import TrainingState
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

STEPS, EPOCHS = 4, 5

# Worker 1 of two stops in the first step of the second epoch.
STOPPING = """
import json
import os

from keras_atdarts.training.callbacks import DropPathSchedule


def stop(self, step, logs=None):
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    self.model.stop_training = index == 1 and self.epoch == 1


def note(self, epoch, logs=None):
    self.epoch = epoch
    begin(self, epoch, logs)


begin = DropPathSchedule.on_epoch_begin
DropPathSchedule.on_epoch_begin = note
DropPathSchedule.on_train_batch_end = stop
"""


class Stop(keras.callbacks.Callback):
    """Stops after a step, counted from 1 in this process, and notes the epochs."""

    def __init__(self, last):
        super().__init__()
        self.left = last
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(epoch)

    def on_train_batch_end(self, step, logs=None):
        self.left -= 1
        self.model.stop_training = self.left == 0


def train(folder, stop, step=0):
    """Trains a small model from a step on; returns its `Checkpointing`."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    checkpoints = Checkpoints(folder)
    state = TrainingState(model, [model.optimizer])
    checkpointing = Checkpointing(checkpoints, state, STEPS)
    checkpointing.step = step
    images = tf.data.Dataset.from_tensors((np.ones((2, 1)), np.ones((2, 1)))).repeat()
    fit(model, lambda first: images, EPOCHS, [stop], checkpointing)
    return checkpointing


@pytest.mark.parametrize(
    ("step", "last", "epochs", "end"),
    [(1, 2, [0], 3), (1, 3, [0], 4), (1, 5, [0, 1], 6), (0, 8, [0, 1], 8)],
)
def test_nothing_follows_the_stop(step, last, epochs, end, tmp_path, capsys):
    """From the middle of an epoch on, `fit` is called twice."""
    stop = Stop(last)
    checkpointing = train(tmp_path, stop, step)
    assert stop.epochs == epochs
    assert checkpointing.step == checkpointing.checkpoints.newest().step == end
    printed = capsys.readouterr().out
    assert f"A callback stopped the training after step {end} of 20." in printed


def test_checkpoint_of_a_stop_within_an_epoch_has_the_metrics(tmp_path):
    for last, expected in ((2, True), (STEPS, False)):
        arrays = train(tmp_path, Stop(last)).checkpoints.newest().arrays
        assert any(name.startswith("metrics/") for name in arrays) == expected


def test_training_that_is_not_stopped_says_nothing(tmp_path, capsys):
    assert train(tmp_path, Stop(0)).step == STEPS * EPOCHS
    assert "stopped" not in capsys.readouterr().out


def test_stopped_run_is_finished(tmp_path, monkeypatch, capsys):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    script = scripts.load("search.py")
    monkeypatch.setattr(script, "AlphaWarmUp", lambda epochs: Stop(3))
    words = ["--dataset", images, *scripts.SMALL, "--operations", "skip_connect"]
    words += ["--epochs", EPOCHS, "--workdir", tmp_path / "run"]
    assert scripts.run("search.py", *words) == 0
    assert "after step 3 of 10. It counts as finished." in capsys.readouterr().out
    run = RunDirectory(tmp_path / "run")
    assert len(run.read_json(workdir.ALPHAS)) == 2 and not run.is_unfinished()
    assert run.file(workdir.SUPERNET).exists()
    assert scripts.run("search.py", *words, "--resume") == 0
    assert "is finished: nothing to resume" in capsys.readouterr().out


def test_all_workers_stop_after_the_epoch_in_which_one_does(tmp_path):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    (tmp_path / "stopping.py").write_text(STOPPING)
    cell = CellGenotype([[("skip_connect", 0), ("max_pool_3x3", 1)]], [2])
    Genotype(cell, cell).save(tmp_path / "small.json")
    words = ["--dataset", images, *scripts.SMALL, "--genotype", tmp_path / "small.json"]
    words += ["--epochs", EPOCHS, "--import", tmp_path / "stopping.py"]
    words += ["--workdir", tmp_path / "run"]
    processes = cluster_runs.start_workers(2, "retrain.py", *words)
    for output in cluster_runs.finish(processes):
        assert "A callback stopped the training after step 4 of 10." in output
    run = RunDirectory(tmp_path / "run")
    history = run.file(workdir.HISTORY).read_text().splitlines()
    assert len(history) == 3 and not run.is_unfinished()
