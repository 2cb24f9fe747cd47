"""The derived network, what it is worth, and its export."""

from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.export import export_saved_model

__all__ = [
    "build_network",
    "export_saved_model",
    "without_auxiliary_head",
]
