"""The supernet, and how its alphas learn."""

from keras_atdarts.search.architect import Architect
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixed_attention import MixedAttention
from keras_atdarts.search.mixed_operation import MixedOperation
from keras_atdarts.search.regularizers import register_regularizer
from keras_atdarts.search.supernet import Supernet

__all__ = [
    "Architect",
    "FirstOrder",
    "MixedAttention",
    "MixedOperation",
    "SearchCell",
    "SecondOrder",
    "Supernet",
    "register_regularizer",
]
