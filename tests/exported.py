"""A small network and its data, for the tests that export it."""

import functools

import keras
import numpy as np

from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network

IMAGE_SHAPE = (12, 10, 3)
DATASET = {
    "image_shape": list(IMAGE_SHAPE),
    "central_fraction": 1.0,
    "class_names": ["bag", "T-shirt/top", "Stiefel für Kinder"],
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.1],
}
# Half of the cells of DARTS_V2, with its kinds of operations.
GENOTYPE = Genotype(
    normal=CellGenotype(
        [
            [("sep_conv_3x3", 0), ("skip_connect", 1)],
            [("sep_conv_3x3", 1), ("dil_conv_3x3", 2)],
        ],
        [2, 3],
    ),
    reduction=CellGenotype(
        [
            [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
            [("skip_connect", 2), ("max_pool_3x3", 1)],
        ],
        [2, 3],
    ),
)


@functools.cache
def shared_network():
    """Returns a network with drop path, after a step so that no statistic is 0."""
    keras.utils.set_random_seed(0)
    network = build_network(
        GENOTYPE, IMAGE_SHAPE, 3, filters=4, num_cells=3, drop_path=True
    )
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = keras.random.normal((8, *IMAGE_SHAPE), seed=1)
    network.fit(images, np.arange(8) % 3, verbose=0)
    return network


def raw_images(*shape):
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


def expected_probabilities(network, images, dataset=DATASET):
    normalised = (images / 255 - dataset["mean"]) / dataset["std"]
    return keras.ops.softmax(network(normalised.astype("float32"), training=False))
