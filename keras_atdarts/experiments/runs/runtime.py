"""How TensorFlow runs in a script; a library user keeps TensorFlow's own ways."""

import logging
import os

import keras
import tensorflow as tf

from keras_atdarts.data.cache import cache_folder
from keras_atdarts.kernels.machine import use_all_cores

# On GPUs, XLA would look among Triton's programs for the fastest for each product: a
# good part of its compilation, see "On a GPU" in docs/performance.md.
XLA_FLAGS = "--xla_gpu_enable_triton_gemm=false"


def prepare_runtime(tf32=False, jit_cache=False):
    """Sets TensorFlow to what suits a script that trains networks of many cells.

    Grappler, TensorFlow's graph optimiser, takes longer to read a supernet than it
    saves in a search. Of the libraries' own messages, only errors are shown. Call it
    before TensorFlow runs anything.

    Args:
        tf32: Boolean, whether GPUs from Ampere on may round what convolutions and
            matrix products read to TensorFloat-32, as TensorFlow does by default.
        jit_cache: Boolean, whether what XLA compiles is kept for later processes, in
            `jit_cache_folder()`.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)
    # XLA reads it when it first compiles; what the user has set counts.
    given = os.environ.get("XLA_FLAGS", "")
    if XLA_FLAGS not in given:
        os.environ["XLA_FLAGS"] = f"{XLA_FLAGS} {given}".strip()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    if jit_cache:
        folder = jit_cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        # XLA reads them when it first compiles.
        words = (
            os.environ.get("TF_XLA_FLAGS", ""),
            f"--tf_xla_persistent_cache_directory={folder}",
            "--tf_xla_persistent_cache_device_types=CPU,GPU",
        )
        os.environ["TF_XLA_FLAGS"] = " ".join(words).strip()
    use_all_cores()


def jit_cache_folder():
    """Returns the folder of what XLA has compiled: nothing in it is ever needed."""
    return cache_folder() / "xla"


def fix_randomness(seed, deterministic):
    """Makes a run repeatable: its random numbers, or all its results too.

    If `deterministic`, TensorFlow only adds up in an order that does not depend on its
    threads. It stays so until the process ends, and an operation that has no such
    kernel on a GPU raises `UnimplementedError`.
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
