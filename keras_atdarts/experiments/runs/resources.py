"""What each epoch of a run costs: seconds and memory."""

import pathlib
import resource
import time

import keras

from keras_atdarts.experiments.runs import atomic
from keras_atdarts.kernels.machine import peak_gpu_memory

COLUMNS = ("epoch", "seconds", "peak_memory", "peak_gpu_memory")


class Resources(keras.callbacks.Callback):
    """Adds a row to a CSV file at the end of each epoch: what it took.

    Beside its number, as in the history, it has the seconds since its beginning,
    those of preparing the first step included, and the most bytes of main memory
    and of all GPUs that the process has held until then. An epoch that was stopped
    counts from where it went on. They are apart from the history, which a repeated
    run repeats to the last bit.

    Args:
        path: Path of the CSV file, which is continued if it is there.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.start = None

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.monotonic() - self.start
        earlier = ",".join(COLUMNS) + "\n"
        if self.path.exists():
            earlier = self.path.read_text(encoding="utf-8")
        row = f"{epoch},{seconds:.3f},{peak_main_memory()},{peak_gpu_memory()}\n"
        atomic.write_text(self.path, earlier + row)


def peak_main_memory():
    """Returns the most bytes of main memory that this process has held so far."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # In kilobytes, on Linux those of the process that started this one too.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
