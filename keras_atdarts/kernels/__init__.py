"""The arithmetic of cells: one reference, and backends that compute it faster.

`reference` has the equations. `Joined` and `Native` override of it what they do
faster; `choice` has the one table that chooses among them.
"""

from keras_atdarts.kernels.choice import choose_backend
from keras_atdarts.kernels.joined import Joined
from keras_atdarts.kernels.native.backend import Native
from keras_atdarts.kernels.nodes import Node
from keras_atdarts.kernels.nodes import Source
from keras_atdarts.kernels.reference import Reference
from keras_atdarts.kernels.reference import Synchronized

__all__ = [
    "Joined",
    "Native",
    "Node",
    "Reference",
    "Source",
    "Synchronized",
    "choose_backend",
]
