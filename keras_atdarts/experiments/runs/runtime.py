"""How TensorFlow runs in a script; a library user keeps TensorFlow's own ways."""

import logging

import keras
import tensorflow as tf

from keras_atdarts.kernels.machine import use_all_cores


def prepare_runtime():
    """Sets TensorFlow to what suits a script that trains networks of many cells.

    Grappler, TensorFlow's graph optimiser, takes longer to read a supernet than it
    saves in a search. Of the libraries' own messages, only errors are shown. Call it
    before TensorFlow runs anything.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    use_all_cores()


def fix_randomness(seed, deterministic):
    """Makes a run repeatable: its random numbers, or all its results too.

    If `deterministic`, TensorFlow only adds up in an order that does not depend on its
    threads. It stays so until the process ends, and an operation that has no such
    kernel on a GPU raises `UnimplementedError`.
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
