"""What the derived network and the supernet have in common: which cell stands where.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    sections 2.1 and 3.1.
"""

from typing import NamedTuple

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.layers.stage import FactorizedReduce
from keras_atdarts.layers.stage import ReLUConvBN

STEM_MULTIPLIER = 3  # The stem's filters, in those of the first cell.


class CellPlan(NamedTuple):
    """What a cell's place in the network says of it."""

    filters: int
    reduction: bool
    after_reduction: bool

    @property
    def cell_type(self):
        return CELL_TYPES[self.reduction]


def cell_plan(num_cells, filters, after_reduction=False):
    """Returns the `CellPlan` of each cell; those at one and two thirds reduce.

    Args:
        num_cells: Integer, at least 3.
        filters: Integer, of the first cells; doubled by each reduction.
        after_reduction: Boolean, whether the stem's second output is half the
            size of its first one.

    Raises:
        InputError: There are too few cells for two reductions.
    """
    if filters < 1:
        raise InputError(f"filters must be at least 1. Received: filters={filters}.")
    if num_cells < 3:
        raise InputError(
            "A network needs at least 3 cells, of which two reduce. "
            f"Received: num_cells={num_cells}."
        )
    plans = []
    for index in range(num_cells):
        reduction = index in (num_cells // 3, 2 * num_cells // 3)
        filters = 2 * filters if reduction else filters
        plans.append(CellPlan(filters, reduction, after_reduction))
        after_reduction = reduction
    return plans


def check_image_shape(image_shape, num_reductions=2):
    """Raises `InputError` if images are known to be too small for the reductions."""
    height, width = image_shape[:2]
    smallest = 2**num_reductions
    if any(size is not None and size < smallest for size in (height, width)):
        raise InputError(
            f"Images of {height}x{width} pixels are too small for {num_reductions} "
            f"halvings: each side needs at least {smallest} pixels. Use larger "
            "images, or resize them (--image-size)."
        )


def edge_strides(reduction, source):
    """Returns the strides of an edge: reduction cells halve what enters them.

    Args:
        reduction: Boolean, whether the cell reduces.
        source: Integer, as in `Edge`.
    """
    return 2 if reduction and source < NUM_INPUTS else 1


def input_layer(filters, halve, affine, **kwargs):
    """Returns the layer that brings a cell's input to its size and filters.

    Args:
        filters: Integer, the cell's filters.
        halve: Boolean, whether the input has twice the cell's height and width:
            the output of cell k-2 has, when cell k-1 reduced.
        affine: Boolean, whether the batch norm is affine.
        **kwargs: Of `keras.layers.Layer`.
    """
    block = FactorizedReduce if halve else ReLUConvBN
    return block(filters, affine=affine, **kwargs)
