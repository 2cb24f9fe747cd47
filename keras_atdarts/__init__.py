"""AT-DARTS: differentiable architecture search with attention, for Keras."""

from keras_atdarts.architect import FirstOrder
from keras_atdarts.attention import ChannelAttention
from keras_atdarts.attention import SpatialAttention
from keras_atdarts.cells import SearchCell
from keras_atdarts.data import load_dataset
from keras_atdarts.derive import derive_genotype
from keras_atdarts.drop_path import DropPath
from keras_atdarts.drop_path import DropPathSchedule
from keras_atdarts.errors import InputError
from keras_atdarts.export import export_saved_model
from keras_atdarts.genotype import CellGenotype
from keras_atdarts.genotype import Genotype
from keras_atdarts.genotype import published_genotypes
from keras_atdarts.losses import SmoothedCrossentropy
from keras_atdarts.mixing import MixedAttention
from keras_atdarts.mixing import MixedOperation
from keras_atdarts.network import build_network
from keras_atdarts.network import without_auxiliary_head
from keras_atdarts.operations import Operation
from keras_atdarts.operations import operation_names
from keras_atdarts.operations import register_operation
from keras_atdarts.optimizers import SGD
from keras_atdarts.optimizers import Adam
from keras_atdarts.optimizers import EpochCosineDecay
from keras_atdarts.optimizers import EpochExponentialDecay
from keras_atdarts.pipeline import Augmentation
from keras_atdarts.pipeline import evaluation_batches
from keras_atdarts.pipeline import search_batches
from keras_atdarts.pipeline import search_split
from keras_atdarts.pipeline import training_batches
from keras_atdarts.plots import plot_genotype
from keras_atdarts.random_genotype import random_genotypes
from keras_atdarts.supernet import Supernet
from keras_atdarts.version import __version__
from keras_atdarts.warm_up import AlphaWarmUp

__all__ = [
    "SGD",
    "Adam",
    "AlphaWarmUp",
    "Augmentation",
    "CellGenotype",
    "ChannelAttention",
    "DropPath",
    "DropPathSchedule",
    "EpochCosineDecay",
    "EpochExponentialDecay",
    "FirstOrder",
    "Genotype",
    "InputError",
    "MixedAttention",
    "MixedOperation",
    "Operation",
    "SearchCell",
    "SmoothedCrossentropy",
    "SpatialAttention",
    "Supernet",
    "__version__",
    "build_network",
    "derive_genotype",
    "evaluation_batches",
    "export_saved_model",
    "load_dataset",
    "operation_names",
    "plot_genotype",
    "published_genotypes",
    "random_genotypes",
    "register_operation",
    "search_batches",
    "search_split",
    "training_batches",
    "without_auxiliary_head",
]
