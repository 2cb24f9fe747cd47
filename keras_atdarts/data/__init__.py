"""From files and data sets to batches of images."""

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.batches import search_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.datasets import register_dataset
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.splits import search_split

__all__ = [
    "Augmentation",
    "evaluation_batches",
    "load_dataset",
    "register_dataset",
    "search_batches",
    "search_split",
    "training_batches",
]
