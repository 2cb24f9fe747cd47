"""A small network with every kind of gate, for the tests that explain it."""

import functools

import keras
import numpy as np

from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network

IMAGE_SHAPE = (12, 10, 1)
NUM_CLASSES = 3
GENOTYPE = Genotype(
    normal=CellGenotype(
        [
            [("channel_attention", 1), ("skip_connect", 0)],
            [("spatial_attention", 1), ("skip_connect+channel_attention", 2)],
        ],
        [2, 3],
    ),
    reduction=CellGenotype(
        [
            [("channel_attention", 0), ("max_pool_3x3", 1)],
            [("channel_attention+spatial_attention", 1), ("skip_connect", 2)],
        ],
        [2, 3],
    ),
)
# Of three cells the last two reduce.
NAMES = [
    "cell_0 node_0 edge_0 channel_attention",
    "cell_0 node_1 edge_0 spatial_attention",
    "cell_0 node_1 edge_1 skip_connect+channel_attention",
    *(
        f"cell_{cell} {gate}"
        for cell in (1, 2)
        for gate in (
            "node_0 edge_0 channel_attention",
            "node_1 edge_0 channel_attention",
            "node_1 edge_0 channel_attention+spatial_attention",
        )
    ),
]


def build(genotype=GENOTYPE):
    """Returns an untrained network whose answers depend on the image."""
    keras.utils.set_random_seed(7)
    return build_network(genotype, IMAGE_SHAPE, NUM_CLASSES, filters=4, num_cells=3)


# For tests that do not change it.
shared_network = functools.cache(build)


def images(count=5):
    """Returns normalised images, float32."""
    random = np.random.default_rng(4)
    return random.normal(size=(count, *IMAGE_SHAPE)).astype("float32")
