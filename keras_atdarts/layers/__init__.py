"""Plain Keras layers: attention, stages, batch norm, heads, drop path."""

from keras_atdarts.layers.attention import ChannelAttention
from keras_atdarts.layers.attention import SpatialAttention
from keras_atdarts.layers.drop_path import DropPath

__all__ = [
    "ChannelAttention",
    "DropPath",
    "SpatialAttention",
]
