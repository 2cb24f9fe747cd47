"""What a run records of every epoch, and how the records are cut back.

A run that goes on from a checkpoint drops what it has recorded of later epochs.
"""

import contextlib
import csv
import io
import math
import pathlib
import resource
import time

import keras
import tensorflow as tf

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.workdir import remove
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.kernels.machine import peak_gpu_memory

# Of the costs.
COLUMNS = ("epoch", "seconds", "core_seconds", "peak_memory", "peak_gpu_memory")


def record_callbacks(run):
    """Returns the callbacks that every run has: bar, history, costs, TensorBoard.

    The progress bar comes first, so that whatever later callbacks print at the
    end of an epoch follows the finished bar.
    """
    return [
        ProgressBar(),
        History(run.file(workdir.HISTORY)),
        Resources(run.file(workdir.RESOURCES)),
        TensorBoard(run.file(workdir.TENSORBOARD)),
    ]


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' progress bar, but it does not take the first step for one like the others.

    TensorFlow traces the network in it, which takes longer than many steps. So the bar
    of a training first shows with the second step, and estimates by those after the
    first. Two lines say what is going on until then, and how long it took.
    """

    def __init__(self):
        super().__init__()
        self.is_prepared = False

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.start = time.monotonic()
        if not self.is_prepared:
            print(
                "Preparing the first step: TensorFlow traces the network.", flush=True
            )

    def on_train_batch_end(self, batch, logs=None):
        if self.is_prepared:
            super().on_train_batch_end(batch, logs)
            return
        self.is_prepared = True
        print(f"Prepared in {time.monotonic() - self.start:.0f} s.", flush=True)
        # Keras' bar must have seen it: it estimates by the time since then.
        with contextlib.redirect_stdout(io.StringIO()):
            super().on_train_batch_end(batch, logs)


class Rows(keras.callbacks.Callback):
    """Adds a row to a CSV file at the end of each epoch, first its number.

    The file is replaced as a whole, so that it never ends in half a row. One that is
    there already is continued, in the order of its columns.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **self.values(logs)}
        if self.path.exists():
            earlier = self.path.read_text(encoding="utf-8")
        else:
            earlier = ",".join(row) + "\n"
        columns = earlier.split("\n", 1)[0].split(",")
        line = ",".join(str(row[name]) for name in columns)
        atomic.write_text(self.path, f"{earlier}{line}\n")


class History(Rows):
    """Writes the metrics of each epoch."""

    def values(self, logs):
        return logs


class Resources(Rows):
    """Writes what each epoch cost.

    That are its seconds, with those of preparing the first step; the seconds that all
    its threads were on a core, which other work on the machine changes little; and the
    most bytes of main memory and of all GPUs that the process has held until then. An
    epoch that was stopped counts from where it went on. The costs are not in the
    history, which a repeated run repeats to the last bit.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.monotonic(), time.process_time()

    def values(self, logs):
        ends = time.monotonic(), time.process_time()
        times = [end - start for end, start in zip(ends, self.start, strict=True)]
        costs = (*(f"{each:.3f}" for each in times), peak_main_memory())
        return dict(zip(COLUMNS[1:], (*costs, peak_gpu_memory()), strict=True))


class TensorBoard(keras.callbacks.Callback):
    """Shows each epoch's metrics and the weights' learning rate in TensorBoard.

    They are on the disk when an epoch has ended; Keras' callback keeps them back
    for up to two minutes, and a killed run would have gaps. As with Keras, they are
    in the sub-folder `train`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs=None):
        self.writer = tf.summary.create_file_writer(str(self.folder / "train"))

    def on_epoch_end(self, epoch, logs=None):
        values = {**logs, "learning_rate": self.model.optimizer.learning_rate}
        with self.writer.as_default(epoch):
            for name, value in values.items():
                tf.summary.scalar(f"epoch_{name}", float(value))
        self.writer.flush()

    def on_train_end(self, logs=None):
        self.writer.close()


def read_columns(path):
    """Returns the columns of a CSV file with a line for each epoch.

    They are a dict from name to list of floats; None stands for a number that is not
    finite. Without a file, it is empty. `"epoch"` counts from 1.
    """
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        columns = {
            name: [finite(row[place]) for row in rows]
            for place, name in enumerate(header)
        }
        columns["epoch"] = [int(epoch) + 1 for epoch in columns["epoch"]]
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise InputError(
            f"Cannot read '{path}': expected a column 'epoch' and a line of numbers "
            f"for each epoch ({error})."
        ) from error
    return columns


def finite(text):
    """Returns the number that a text stands for; None if it is not finite."""
    if text == "NA":  # The CSVLogger of Keras writes this for a missing number.
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def peak_main_memory():
    """Returns the most bytes of main memory that this process has held so far."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # In kilobytes, on Linux those of the process that started this one too.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def drop_epochs_from(run, epoch):
    """Removes what a run has recorded of an epoch, counted from 0, and of later ones.

    Training writes it again. What a killed process left half written goes too.
    """
    for partial in run.path.rglob(f"{atomic.PARTIAL}*"):
        remove(partial)
    if drop_rows(run.file(workdir.HISTORY), epoch):
        # Written after the row: it may be of an epoch that is trained again.
        remove(run.file(workdir.NETWORK))
    drop_rows(run.file(workdir.RESOURCES), epoch)
    drop_alphas(run, epoch)
    for path in run.file(workdir.TENSORBOARD).rglob("events.out.tfevents.*"):
        drop_events(path, epoch)


def drop_rows(path, epoch):
    """Removes the rows of a CSV file from `epoch` on; returns their number."""
    if not path.exists():
        return 0
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if int(row.split(",")[0]) < epoch]
    atomic.write_text(path, "\n".join([header, *kept]) + "\n")
    return len(rows) - len(kept)


def drop_alphas(run, epoch):
    """Removes the alphas from `epoch` on; the last ones left give the genotype."""
    entries = run.read_optional_json(workdir.ALPHAS)
    if entries is None:
        return
    kept = [entry for entry in entries if entry["epoch"] < epoch]
    run.write_json(workdir.ALPHAS, kept)
    if kept:
        genotype = Genotype.from_dict(kept[-1]["genotype"])
        genotype.save(run.file(workdir.GENOTYPE))
    else:
        remove(run.file(workdir.GENOTYPE))


def drop_events(path, epoch):
    """Removes the values from `epoch` on out of a file of TensorBoard's."""
    kept = [
        event.SerializeToString()
        for event in read_events(path)
        if not event.HasField("summary") or event.step < epoch
    ]
    with atomic.replacing(path) as partial:
        with tf.io.TFRecordWriter(str(partial)) as writer:
            for event in kept:
                writer.write(event)


def read_events(path):
    """Yields the events of a file, up to where the writing process was killed."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record)
    except tf.errors.DataLossError:
        return
