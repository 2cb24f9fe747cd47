"""How TensorFlow runs in a script; a library user keeps TensorFlow's own ways."""

import contextlib
import functools
import logging
import os
import sys

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.kernels.native.library import native_library


def prepare_runtime():
    """Sets TensorFlow to what suits a script that trains networks of many cells.

    Their graphs are wide and made of small operations: without a GPU, running
    operations side by side beats splitting each of them. Grappler, TensorFlow's
    graph optimiser, takes longer to read a supernet than it saves in a search.
    Of the libraries' own messages, only errors are shown.

    To be called before TensorFlow runs anything: later its threads stay as they
    are.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if tf.config.list_physical_devices("GPU"):
        return
    # TensorFlow raises where it runs already.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(os.cpu_count())
        tf.config.threading.set_intra_op_parallelism_threads(1)


def note_missing_kernels():
    """Says on stderr, before a long training, how it would be faster on this CPU."""
    if tf.config.list_physical_devices("GPU") or native_library() is not None:
        return
    print(
        "Note: the kernels for CPUs are not compiled, and TensorFlow's are slower. "
        "With a C++ compiler (Debian, Ubuntu: apt install g++), install again: "
        "pip install --force-reinstall --no-deps -e .",
        file=sys.stderr,
    )


def fix_randomness(seed, deterministic):
    """Makes a run repeatable: its random numbers, or all its results too.

    Args:
        seed: Integer, of the random numbers of Python, NumPy and TensorFlow.
        deterministic: Boolean, whether TensorFlow may only add up in an order that
            does not depend on its threads. It stays so until the process ends, and
            an operation that has no such kernel on a GPU raises
            `UnimplementedError`.
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def set_precision(name):
    """Sets the precision of the layers that are made from now on.

    Args:
        name: String, the name of a Keras dtype policy: `"float32"`,
            `"mixed_bfloat16"` or `"mixed_float16"`.
    """
    keras.config.set_dtype_policy(name)


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
    """Leaves TensorFlow so many GPUs: all it sees are those of a worker.

    Args:
        num_devices: Integer, the devices of this of several machines.

    Raises:
        InputError: There are not so many; without a GPU there is one device.
    """
    if count_gpus(num_devices):
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[:num_devices], "GPU")
    elif num_devices > 1:
        raise InputError(
            f"Of several machines, one without GPUs is one device; received "
            f"{num_devices} devices. Give --devices 1."
        )


def count_gpus(num_devices):
    """Returns how many GPUs there are, which must be none or enough."""
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if 0 < num_gpus < num_devices:
        raise InputError(
            f"There are {num_gpus} GPUs; received {num_devices} devices. Give "
            f"--devices {num_gpus} or fewer."
        )
    return num_gpus


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
