"""Seconds and memory of epochs, as a run records them."""

import itertools
import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.experiments.runs import records
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import Resources
from keras_atdarts.experiments.runs.records import drop_epochs_from
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.kernels import machine


class Wait(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.2)


def train(path, epochs, first=0):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse")
    callbacks = [Resources(path), Wait()]
    model.fit(
        np.zeros((2, 1)),
        np.zeros((2, 1)),
        initial_epoch=first,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )


def rows(path):
    header, *lines = path.read_text().splitlines()
    names = header.split(",")
    return [
        dict(zip(names, map(float, line.split(",")), strict=True)) for line in lines
    ]


def test_every_epoch_has_its_seconds_and_memory(tmp_path):
    run = RunDirectory(tmp_path).make()
    path = run.file(workdir.RESOURCES)
    before = records.peak_main_memory()
    train(path, epochs=2)
    train(path, epochs=3, first=2)  # Goes on.
    found = rows(path)
    assert [row["epoch"] for row in found] == [0, 1, 2]
    assert all(0.2 <= row["seconds"] < 30 for row in found)
    # The wait of the callback is on no core.
    cores = os.cpu_count()
    assert all(0 < row["core_seconds"] < cores * row["seconds"] for row in found)
    assert sum(row["core_seconds"] for row in found) < time.process_time()
    memory = [row["peak_memory"] for row in found]
    # The kernel counts pages for each processor, and adds them up late.
    late = 2**22
    peaks = [before, *memory]
    assert all(y >= x - late for x, y in itertools.pairwise(peaks))
    assert not any(row["peak_gpu_memory"] for row in found)
    drop_epochs_from(run, 1)
    assert [row["epoch"] for row in rows(path)] == [0]


def test_peak_is_that_of_the_process_itself():
    """Not that of the larger one that started it, which the system passes on."""
    code = (
        "import keras_atdarts.experiments.runs.records as r;"
        "before = r.peak_main_memory();"
        "held = b'x' * 300_000_000; print(before, r.peak_main_memory())"
    )
    larger = b"x" * 400_000_000
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert after - before == pytest.approx(300_000_000, rel=0.2)
    assert records.peak_main_memory() > len(larger)


def test_memory_of_gpus_is_summed(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["a", "b"])
    peaks = {"GPU:0": {"peak": 3}, "GPU:1": {"peak": 4}}
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", peaks.get)
    assert machine.peak_gpu_memory() == 7
