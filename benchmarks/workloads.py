"""The models that the benchmarks run: compiled, with random weights and images."""

import os
import time

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.kernels.choice import BACKENDS
from keras_atdarts.kernels.choice import VARIABLE
from keras_atdarts.networks.derived import build_network
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam

NUM_CLASSES = 10
ARCHITECTS = {1: FirstOrder, 2: SecondOrder}


def make_supernet(
    arguments, image_size=32, partial_channels=1, sampler="softmax", **options
):
    """Returns a compiled supernet that learns as that of DARTS.

    Args:
        arguments: Those of `flags.add_supernet_flags`.
        image_size: Integer, the side of the images in pixels.
        partial_channels: Integer; above 1 also with edge normalization.
        sampler: Of `Supernet`.
        **options: Of `Supernet.compile`.
    """
    supernet = Supernet(
        NUM_CLASSES,
        arguments.filters,
        arguments.num_cells,
        arguments.operations,
        arguments.num_nodes,
        partial_channels=partial_channels,
        edge_normalization=partial_channels > 1,
        sampler=sampler,
    )
    supernet.build((None, image_size, image_size, 3))
    options.setdefault("architect", ARCHITECTS[arguments.order]())
    supernet.compile(
        weight_optimizer(), Adam(3e-4, coupled_weight_decay=1e-3), **options
    )
    return supernet


def add_backend_flag(parser):
    """Adds the flag that `use_backend` reads."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="that computes the cells: reference is plain TensorFlow, native our own "
        "kernels for CPUs, joined what GPUs run (that of this machine)",
    )


def use_backend(name):
    """Makes this process compute cells by a backend, if one is named."""
    if name is not None:
        os.environ[VARIABLE] = name


def make_network(genotype, filters, num_cells, image_size=32, **options):
    """Returns the compiled network of a published genotype.

    Args:
        genotype: String, its name.
        filters: Integer.
        num_cells: Integer.
        image_size: Integer, the side of the images in pixels.
        **options: Of `DerivedNetwork.compile`.
    """
    network = build_network(
        Genotype.load(genotype),
        (image_size, image_size, 3),
        NUM_CLASSES,
        filters,
        num_cells,
    )
    network.compile(
        weight_optimizer(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **options,
    )
    return network


def randomize_statistics(network):
    """Gives a network's batch norms statistics as if it had been trained.

    New ones shift by zero, an addition that TensorFlow leaves out.
    """
    for variable in network.non_trainable_variables:
        if variable.name == "moving_statistics":
            variable.assign(np.random.uniform(0.5, 1.5, variable.shape))


def weight_optimizer():
    """Returns the optimizer of the weights."""
    return SGD(0.025, momentum=0.9, clip_norm=5.0, coupled_weight_decay=3e-4)


def count_values(variables):
    """Returns how many numbers variables hold."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def random_batch(batch_size, image_size=32):
    """Returns noise as images, and labels."""
    shape = (batch_size, image_size, image_size, 3)
    images = np.random.normal(size=shape).astype("float32")
    return images, np.arange(batch_size, dtype="int32") % NUM_CLASSES


def time_fit(model, element, num_steps, callbacks=()):
    """Trains as a user does; returns when each step ended, on a GPU too.

    Args:
        model: A compiled `keras.Model`.
        element: What `fit` takes for one step.
        num_steps: Integer, the first one included.
        callbacks: List of further Keras callbacks.

    Returns:
        List of `time.perf_counter()` at the ends of the steps.
    """
    ends = []

    def note_end(batch, logs):
        float(logs["loss"])  # Waits for the device.
        ends.append(time.perf_counter())

    clock = keras.callbacks.LambdaCallback(on_train_batch_end=note_end)
    elements = tf.data.Dataset.from_tensors(element).repeat()
    model.fit(
        elements,
        steps_per_epoch=num_steps,
        callbacks=[clock, *callbacks],
        shuffle=False,
        verbose=0,
    )
    return ends
