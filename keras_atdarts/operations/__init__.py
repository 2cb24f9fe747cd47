"""The candidate operations of a cell, their registry, and the search spaces.

A new operation is one class in a file of this folder, or anywhere else:

    @register_operation("doubled")
    @keras.saving.register_keras_serializable(package="mine")
    class Doubled(Operation):
        has_weights = False  # One result serves all edges.

        def branches(self, shared, training):
            x = shared.x if self.strides == 1 else subsample_even(shared.x)
            return [2 * x]

It can then be searched, derived, drawn, saved, and the tests that run over the
registry cover it. What stands in a file of this folder is imported below: a
module registers its operations when it is loaded.
"""

from keras_atdarts.operations.attention import AttentionOperation
from keras_atdarts.operations.attention import ChannelAttentionOperation
from keras_atdarts.operations.attention import SpatialAttentionOperation
from keras_atdarts.operations.attention import attention_names
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import operation_class
from keras_atdarts.operations.base import operation_names
from keras_atdarts.operations.base import register_operation
from keras_atdarts.operations.building import AttendedOperation
from keras_atdarts.operations.building import build_operation
from keras_atdarts.operations.convolutions import DilatedConvolution
from keras_atdarts.operations.convolutions import RowColumnConvolution
from keras_atdarts.operations.convolutions import SeparableConvolution
from keras_atdarts.operations.search_spaces import ATTENTION_PLACEMENTS
from keras_atdarts.operations.search_spaces import SEARCH_SPACES
from keras_atdarts.operations.search_spaces import place_attention
from keras_atdarts.operations.search_spaces import resolve_operations
from keras_atdarts.operations.simple import Pooling
from keras_atdarts.operations.simple import Skip
from keras_atdarts.operations.simple import Zero

__all__ = [
    "ATTENTION_PLACEMENTS",
    "AttendedOperation",
    "AttentionOperation",
    "ChannelAttentionOperation",
    "DilatedConvolution",
    "Operation",
    "Pooling",
    "RowColumnConvolution",
    "SEARCH_SPACES",
    "SeparableConvolution",
    "Skip",
    "SpatialAttentionOperation",
    "Zero",
    "attention_names",
    "build_operation",
    "operation_class",
    "operation_names",
    "place_attention",
    "register_operation",
    "resolve_operations",
]
