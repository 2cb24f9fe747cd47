"""What a training's bar says, with a clock that the test holds."""

import re
import time

from keras_atdarts.experiments.runs.records import ProgressBar


def run_bar(monkeypatch, capsys, step_seconds, epochs=1):
    """Returns what is printed by trainings whose steps take so many seconds."""
    clock = [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    bar = ProgressBar()
    bar.set_params({"verbose": 1, "epochs": 8, "steps": 100})
    bar.on_train_begin()
    for epoch in range(epochs):
        bar.on_epoch_begin(epoch)
        for step, seconds in enumerate(step_seconds):
            clock[0] += seconds
            bar.on_train_batch_end(step, {"loss": 2.0 + step})
    return re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)


def test_the_first_estimate_is_that_of_the_later_steps(monkeypatch, capsys):
    printed = run_bar(monkeypatch, capsys, [40, 2])
    first, *bars = printed.split("Prepared in 40 s.\n")
    assert first == (
        "Epoch 1/8\nPreparing the first step: TensorFlow traces the network.\n"
    )
    [shown] = bars
    assert re.findall(r"(\d+)/100", shown) == ["2"]
    assert "3:16" in shown  # 98 steps of 2 s.
    assert "loss: 3.0" in shown  # What `fit` reports is the mean already.


def test_later_epochs_are_prepared_already(monkeypatch, capsys):
    printed = run_bar(monkeypatch, capsys, [40, 2], epochs=2)
    _, second = printed.split("Epoch 2/8\n")
    assert "repar" not in second
    assert re.findall(r"(\d+)/100", second) == ["1", "2"]
