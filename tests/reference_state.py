"""The state dict of a tiny network of DARTS' reference, named by hand."""

import numpy as np

from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

GENOTYPE = Genotype(
    normal=CellGenotype(
        [
            [("sep_conv_3x3", 0), ("skip_connect", 1)],
            [("conv_7x1_1x7", 1), ("avg_pool_3x3", 2)],
        ],
        concat=[2, 3],
    ),
    reduction=CellGenotype(
        [
            [("max_pool_3x3", 0), ("dil_conv_5x5", 1)],
            [("skip_connect", 1), ("sep_conv_3x3", 2)],
        ],
        concat=[2, 3],
    ),
)
SIZE = {"input_shape": (9, 8, 3), "num_classes": 3, "filters": 4, "num_cells": 3}


def norm(name, channels):
    """Returns the shapes of a batch norm by name."""
    parts = ("weight", "bias", "running_mean", "running_var")
    shapes = {f"{name}.{part}": (channels,) for part in parts}
    return {**shapes, f"{name}.num_batches_tracked": ()}


def depthwise(name, first, channels, size):
    """Returns the shapes of depthwise and pointwise convolution and batch norm."""
    return {
        f"{name}.op.{first}.weight": (channels, 1, size, size),
        f"{name}.op.{first + 1}.weight": (channels, channels, 1, 1),
        **norm(f"{name}.op.{first + 2}", channels),
    }


def pointwise(name, channels_in, channels):
    """Returns the shapes of a 1x1 convolution and batch norm."""
    return {
        f"{name}.op.1.weight": (channels, channels_in, 1, 1),
        **norm(f"{name}.op.2", channels),
    }


def reduce(name, channels_in, channels):
    """Returns the shapes of a FactorizedReduce."""
    return {
        f"{name}.conv_1.weight": (channels // 2, channels_in, 1, 1),
        f"{name}.conv_2.weight": (channels // 2, channels_in, 1, 1),
        **norm(f"{name}.bn", channels),
    }


SHAPES = {
    "stem.0.weight": (12, 3, 3, 3),
    **norm("stem.1", 12),
    # A normal cell. Its edge 1 is an identity, and its edge 3 a pool.
    **pointwise("cells.0.preprocess0", 12, 4),
    **pointwise("cells.0.preprocess1", 12, 4),
    **depthwise("cells.0._ops.0", 1, 4, 3),
    **depthwise("cells.0._ops.0", 5, 4, 3),
    "cells.0._ops.2.1.weight": (4, 4, 1, 7),
    "cells.0._ops.2.2.weight": (4, 4, 7, 1),
    **norm("cells.0._ops.2.3", 4),
    # A reduction cell. Its edge 0 is a pool.
    **pointwise("cells.1.preprocess0", 12, 8),
    **pointwise("cells.1.preprocess1", 8, 8),
    **depthwise("cells.1._ops.1", 1, 8, 5),
    **reduce("cells.1._ops.2", 8, 8),
    **depthwise("cells.1._ops.3", 1, 8, 3),
    **depthwise("cells.1._ops.3", 5, 8, 3),
    # A reduction cell after one.
    **reduce("cells.2.preprocess0", 8, 16),
    **pointwise("cells.2.preprocess1", 16, 16),
    **depthwise("cells.2._ops.1", 1, 16, 5),
    **reduce("cells.2._ops.2", 16, 16),
    **depthwise("cells.2._ops.3", 1, 16, 3),
    **depthwise("cells.2._ops.3", 5, 16, 3),
    "classifier.weight": (3, 32),
    "classifier.bias": (3,),
}


def numbered_state():
    """Returns tensors all of whose values differ: 0, 1, 2, ..."""
    tensors, start = {}, 0
    for name, shape in SHAPES.items():
        size = int(np.prod(shape))
        tensors[name] = np.arange(start, start + size, dtype="float32").reshape(shape)
        start += size
    return tensors


def random_state(seed=0):
    """Returns tensors of random values, as a training could leave them."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.uniform(0.1, 0.5, shape).astype("float32")
        for name, shape in SHAPES.items()
    }
