"""How TensorFlow runs in a script; a library user keeps TensorFlow's own ways."""

import contextlib
import logging
import os

import tensorflow as tf


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
