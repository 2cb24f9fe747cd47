"""The candidate operations of a cell, their registry, and the search spaces.

A new operation is one Keras layer, in a file of this folder or of your own:

    @register_operation("my_gate")
    class MyGate(keras.layers.Layer):
        def call(self, inputs):
            return inputs * keras.ops.sigmoid(inputs)

It can then be searched, derived, drawn, saved, and the tests that run over the
registry cover it. The scripts find a file of your own by `--import my_file.py`; a
file of this folder is imported below. A sub-class of `Operation` can do more: share
its result between edges, and end in a batch norm of its own.
"""

from keras_atdarts.operations import convolutions  # noqa: F401  It registers them.
from keras_atdarts.operations.attention import AttentionOperation
from keras_atdarts.operations.attention import attention_names
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import is_none
from keras_atdarts.operations.base import operation_class
from keras_atdarts.operations.base import operation_names
from keras_atdarts.operations.base import register_operation
from keras_atdarts.operations.building import AttendedOperation
from keras_atdarts.operations.building import build_operation
from keras_atdarts.operations.search_spaces import ATTENTION_PLACEMENTS
from keras_atdarts.operations.search_spaces import SEARCH_SPACES
from keras_atdarts.operations.search_spaces import place_attention
from keras_atdarts.operations.search_spaces import resolve_operations
from keras_atdarts.operations.simple import Pooling
from keras_atdarts.operations.simple import Skip

__all__ = [
    "ATTENTION_PLACEMENTS",
    "AttendedOperation",
    "AttentionOperation",
    "Operation",
    "Pooling",
    "SEARCH_SPACES",
    "Skip",
    "attention_names",
    "build_operation",
    "is_none",
    "operation_class",
    "operation_names",
    "place_attention",
    "register_operation",
    "resolve_operations",
]
