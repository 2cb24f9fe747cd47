"""Checkpoints: whole or reported, and complete whatever the devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.checkpoints import Checkpoint
from keras_atdarts.experiments.runs.checkpoints import Checkpoints
from keras_atdarts.experiments.runs.fitting import parts_of_training
from keras_atdarts.experiments.runs.training_state import TrainingState
from keras_atdarts.kernels.machine import make_strategy
from keras_atdarts.layers.drop_path import DropPath
from keras_atdarts.training.optimizers import Adam

ARRAYS = {
    "weights/0": np.array([0.1, np.nan, -0.0, np.inf], np.float32),
    "weights/1": np.array(7, np.int64),
    "weights/2": np.arange(400, dtype=np.uint32).reshape(20, 20),
}


def save(folder, *steps, keep=2):
    checkpoints = Checkpoints(folder, keep)
    for step in steps:
        checkpoints.save(Checkpoint(step, ARRAYS))
    return checkpoints


def assert_whole(checkpoint):
    assert checkpoint.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert checkpoint.arrays[name].dtype == array.dtype
        assert checkpoint.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("keep", [1, 3])
def test_the_last_checkpoints_are_kept(tmp_path, keep):
    checkpoints = save(tmp_path, 8, 9, 10, 11, keep=keep)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{step:09}.npz" for step in (8, 9, 10, 11)][-keep:]
    assert checkpoints.newest().step == 11
    assert_whole(checkpoints.newest())


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert Checkpoints(tmp_path / "absent").newest() is None
    (tmp_path / ".partial-000000003.npz").write_bytes(b"half")
    assert Checkpoints(tmp_path).newest() is None


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.7, 0.97, 0.999])
def test_truncated_checkpoint_is_passed_over(tmp_path, capsys, share):
    checkpoints = save(tmp_path, 3, 4)
    newest = tmp_path / "000000004.npz"
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    assert checkpoints.newest().step == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert str(newest) in line
    save(tmp_path, 4, 5)
    assert checkpoints.newest().step == 5
    assert capsys.readouterr().err == ""


def test_no_changed_bit_reaches_the_training(tmp_path):
    checkpoints = save(tmp_path, 3, 4)
    newest = tmp_path / "000000004.npz"
    content = newest.read_bytes()
    random = np.random.default_rng(0)
    found = []
    for place in random.integers(len(content), size=300):
        changed = bytearray(content)
        changed[place] ^= 1 << random.integers(8)
        newest.write_bytes(changed)
        checkpoint = checkpoints.newest()
        # A bit that nothing reads, such as one of the archive's date, may change.
        assert_whole(checkpoint)
        found.append(checkpoint.step)
    assert found.count(3) > 200


def test_later_damaged_checkpoints_go_when_the_run_has_gone_on(tmp_path):
    checkpoints = save(tmp_path, 3, 4)
    (tmp_path / "000000009.npz").write_bytes(b"")
    checkpoints.save(Checkpoint(5, ARRAYS))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["000000004.npz", "000000005.npz"]


def test_parts_of_training_end_the_epoch_first():
    assert parts_of_training(0, 10, 8) == [(0, 8, 10)]
    assert parts_of_training(20, 10, 8) == [(2, 8, 10)]
    assert parts_of_training(29, 10, 8) == [(2, 3, 1), (3, 8, 10)]
    assert parts_of_training(71, 10, 8) == [(7, 8, 9)]
    assert parts_of_training(80, 10, 8) == []


@pytest.mark.parametrize("devices", [1, 2])
def test_training_goes_on_as_if_nothing_had_been(devices):
    with make_strategy(devices).scope():
        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(4),
                DropPath(0.5, seed=1),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(1),
            ]
        )
        optimizer = Adam(0.1)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, "mse")
    state = TrainingState(model, [optimizer])
    values = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")

    def losses(first, last):
        """The running loss of steps on batches of their own, one epoch's."""
        batches = tf.data.Dataset.from_tensor_slices((values[:, :3], values[:, 3:]))
        batches = batches.batch(6).skip(first).repeat()
        found = []
        note = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: state.restore_metrics(metrics),
            on_train_batch_end=lambda batch, logs: found.append(float(logs["loss"])),
        )
        model.fit(
            batches,
            steps_per_epoch=last - first,
            callbacks=[note],
            verbose=0,
            shuffle=False,
        )
        return found

    metrics = {}
    losses(0, 4)
    arrays = metrics = state.arrays(with_metrics=True)
    expected, after = losses(4, 9), state.arrays(with_metrics=True)
    assert any(np.any(after[name] != arrays[name]) for name in arrays)
    state.restore(arrays)
    assert losses(4, 9) == expected
    again = state.arrays(with_metrics=True)
    assert all(again[name].tobytes() == after[name].tobytes() for name in after)


def test_state_of_another_model_is_refused():
    def make(units):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return TrainingState(model, [])

    with pytest.raises(InputError, match="does not fit the model: expected 2"):
        make(4).restore(make(5).arrays())


def test_weights_in_bfloat16_come_back(tmp_path):
    dense = keras.layers.Dense(3, dtype="bfloat16")
    model = keras.Sequential([keras.Input((2,)), dense])
    state = TrainingState(model, [])
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Checkpoint(1, state.arrays()))
    kernel = dense.kernel.numpy()
    dense.kernel.assign(0 * kernel)
    state.restore(checkpoints.newest().arrays)
    assert dense.kernel.numpy().tobytes() == kernel.tobytes()
