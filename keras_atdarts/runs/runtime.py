"""How TensorFlow runs a script's graphs; a library user keeps TensorFlow's own."""

import os

import tensorflow as tf


def prepare_runtime():
    """Sets threads and graph optimisation to what suits networks of many cells.

    Their graphs are wide and made of small operations: without a GPU, running
    operations side by side beats splitting each of them. Grappler, TensorFlow's
    graph optimiser, takes longer to read a supernet than it saves in a search.
    To be called before TensorFlow runs anything.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if not tf.config.list_physical_devices("GPU"):
        tf.config.threading.set_inter_op_parallelism_threads(os.cpu_count())
        tf.config.threading.set_intra_op_parallelism_threads(1)
