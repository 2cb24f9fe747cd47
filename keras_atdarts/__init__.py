"""AT-DARTS: differentiable architecture search with attention, for Keras."""

from keras_atdarts.version import __version__

__all__ = ["__version__"]
