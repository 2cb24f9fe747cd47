"""What devices this machine has, and how TensorFlow is to use them."""

import contextlib
import functools
import os
import sys

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.kernels.native.library import native_library


def use_all_cores():
    """Lets a CPU run many small operations side by side, each on one core.

    The graphs of cells are wide: this beats splitting each operation. Call it before
    TensorFlow runs anything; later the threads stay as they are. With a GPU,
    TensorFlow keeps its own threads.
    """
    if _gpus():
        return
    # TensorFlow raises where it runs already.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(os.cpu_count())
        tf.config.threading.set_intra_op_parallelism_threads(1)


def note_missing_kernels():
    """Says on stderr, before a long training, how it would be faster on this CPU."""
    if _gpus() or native_library() is not None:
        return
    print(
        "Note: the kernels for CPUs are not compiled, and TensorFlow's are slower. "
        "With a C++ compiler (Debian, Ubuntu: apt install g++), install again: "
        "pip install --force-reinstall --no-deps -e .",
        file=sys.stderr,
    )


def make_strategy(num_devices):
    """Returns the strategy under which a model is built, to train on devices.

    Args:
        num_devices: Integer. More than one mirrors the model on so many GPUs or,
            on a machine without, on so many logical CPU devices.

    Raises:
        InputError: There are not so many GPUs, or TensorFlow runs already and
            its CPU is not divided so.
    """
    if num_devices == 1:
        return tf.distribute.get_strategy()
    num_gpus = count_gpus(num_devices)
    if not num_gpus:
        divide_cpu(num_devices)
    kind = "GPU" if num_gpus else "CPU"
    return mirrored_strategy(*(f"{kind}:{number}" for number in range(num_devices)))


def choose_gpus(num_devices):
    """Leaves TensorFlow so many GPUs: a worker uses all that it sees.

    Args:
        num_devices: Integer, the devices of this of several machines.

    Raises:
        InputError: There are not so many; without a GPU there is one device.
    """
    if count_gpus(num_devices):
        tf.config.set_visible_devices(_gpus()[:num_devices], "GPU")
    elif num_devices > 1:
        raise InputError(
            f"A machine without GPUs is one device where several train together; "
            f"received {num_devices} devices. Give --devices 1."
        )


def hide_gpus():
    """Leaves the memory of GPUs to other processes, if TensorFlow does not run yet."""
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def count_gpus(num_devices):
    """Returns how many GPUs there are, which must be none or enough."""
    num_gpus = len(_gpus())
    if 0 < num_gpus < num_devices:
        raise InputError(
            f"There are {num_gpus} GPUs; received {num_devices} devices. Give "
            f"--devices {num_gpus} or fewer."
        )
    return num_gpus


def peak_gpu_memory():
    """Returns the most bytes that TensorFlow has held so far, summed over GPUs."""
    gpus = range(len(tf.config.list_logical_devices("GPU")))
    of_each = (tf.config.experimental.get_memory_info(f"GPU:{gpu}") for gpu in gpus)
    return sum(memory["peak"] for memory in of_each)


@functools.cache
def mirrored_strategy(*devices):
    """Returns the one `MirroredStrategy` of the process for these devices.

    A second one would number its collective operations anew, and TensorFlow
    would take them for those of the first.
    """
    return tf.distribute.MirroredStrategy(devices)


def divide_cpu(num_devices):
    """Makes logical devices of the CPU, unless there are enough of them."""
    [cpu] = tf.config.list_physical_devices("CPU")
    existing = tf.config.get_logical_device_configuration(cpu) or ()
    if len(existing) >= num_devices:
        return
    parts = [tf.config.LogicalDeviceConfiguration()] * num_devices
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise InputError(
            f"The CPU cannot be divided into {num_devices} devices: TensorFlow runs "
            "already. Call make_strategy before anything else of TensorFlow."
        ) from error


def _gpus():
    return tf.config.list_physical_devices("GPU")
