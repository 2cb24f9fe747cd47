"""The workers of a run: one process, or one on each of several machines."""

import contextlib
import time
import zlib

import tensorflow as tf

from keras_atdarts.data.batch_slices import BatchSlice
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.cluster import read_cluster
from keras_atdarts.experiments.runs.loop import sum_over_devices
from keras_atdarts.experiments.runs.meeting import meet
from keras_atdarts.experiments.runs.provenance import library_versions
from keras_atdarts.experiments.runs.script import WorkerLost
from keras_atdarts.experiments.runs.training_config import check_divisible
from keras_atdarts.kernels.machine import choose_gpus
from keras_atdarts.kernels.machine import make_strategy

PATIENCE = 60  # Seconds in which a file must reach all machines.
RETRY = 0.2

# What TensorFlow raises when it cannot talk to another worker any more.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def start_workers(training, **plan):
    """Returns the `Workers` of a run, after all of them have come.

    To be called before TensorFlow runs anything. Several machines are those of
    the environment variable TF_CONFIG (see `cluster.read_cluster`).

    Args:
        training: The `Training`.
        **plan: What else, ready for JSON, must be the same on all workers.

    Raises:
        InputError: TF_CONFIG cannot be used, the workers do not find each other
            or were not started alike, or a batch cannot be shared equally.
    """
    config, cluster = training.config, read_cluster()
    if cluster is None:
        return Workers(make_strategy(config.devices))
    check_settings(config, cluster.size)
    choose_gpus(config.devices)
    token = meet(cluster, {**training.plan(), **library_versions(), **plan})
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Workers(strategy, cluster.index, cluster.size, token)


def check_settings(config, count):
    """Raises `InputError` for settings that so many workers cannot have."""
    devices = config.devices * count
    check_divisible(config.batch_size, devices, config.gradient_accumulation)
    for words, given in (
        ("--jit", config.jit),
        ("--precision mixed_float16", config.precision == "mixed_float16"),
    ):
        if given:
            raise InputError(
                f"{words} is for one device; received {count} machines. Leave it out, "
                "or unset TF_CONFIG."
            )


def refuse_workers(reason):
    """Raises `InputError`, with a reason, where TF_CONFIG names several machines."""
    if read_cluster() is not None:
        raise InputError(f"{reason}: run it on a single machine, without TF_CONFIG.")


class Workers:
    """All workers of a run, as one of them sees them.

    The first is the chief, which alone writes the run. A run on a single machine
    is one whose chief has no others.

    Args:
        strategy: The `tf.distribute.Strategy` to build models under.
        index: Integer, which of the workers this is.
        count: Integer, how many there are.
        token: String, a word that all workers of the run know.
    """

    def __init__(self, strategy=None, index=0, count=1, token=""):
        self.strategy = strategy
        self.index = index
        self.count = count
        self.token = token

    @property
    def is_chief(self):
        return self.index == 0

    @property
    def batch_slice(self):
        """The `BatchSlice` of each batch that this worker feeds to its devices."""
        return BatchSlice(self.index, self.count)

    def open_run(self, run, create):
        """Returns when the chief has made, by `create`, the directory that all share.

        Raises:
            InputError: The directory of the chief is not seen here.
        """
        sign = run.file(f".workers-{self.token}")
        if self.is_chief:
            create()
        if self.count == 1:
            return
        if not self.is_chief:
            await_file(sign, self.index, PATIENCE)
            return self.wait_for_all()
        sign.touch()
        try:
            self.wait_for_all()
        finally:
            sign.unlink()

    def gather(self, number):
        """Returns the integers of all workers, in their order; waits for all."""
        if self.count == 1:
            return [number]
        own = tf.one_hot(self.index, self.count, tf.cast(number, tf.int64))
        devices = self.strategy.num_replicas_in_sync // self.count
        return (sum_over_devices(self.strategy, own) // devices).tolist()

    def wait_for_all(self):
        """Returns when all workers have come to the same place."""
        self.gather(0)

    def check_same(self, text, what):
        """Raises `RuntimeError` unless `text` is the same on all workers."""
        if len(set(self.gather(zlib.crc32(text.encode())))) > 1:
            raise RuntimeError(
                f"The workers ended with different {what}; here it is {text}."
            )

    def farewell(self, run):
        """Returns what a worker says at the end that is not the chief."""
        return f"Worker {self.index} of {self.count}: the chief wrote it to {run.path}."

    @contextlib.contextmanager
    def together(self, finished):
        """Makes `WorkerLost` of what TensorFlow raises when another worker dies.

        TensorFlow misses a worker ten seconds after its last sign of life. `finished`
        is as in `saying_when_interrupted`.
        """
        try:
            yield
        except LOST as error:
            if self.count == 1:
                raise
            raise WorkerLost(
                f"worker {self.index} of {self.count} lost another worker, which "
                f"says why on its machine: {finished()}"
            ) from error


def await_file(path, index, patience):
    """Returns when `path` is there, or raises `InputError`."""
    deadline = time.monotonic() + patience
    while not path.exists():
        if time.monotonic() > deadline:
            raise InputError(
                f"Worker {index} does not see what the chief has written to "
                f"'{path.parent}'. Give --workdir a directory that all machines share."
            )
        time.sleep(RETRY)
