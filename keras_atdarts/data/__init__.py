"""From files and data sets to batches of images."""

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.pipeline import evaluation_batches
from keras_atdarts.data.pipeline import search_batches
from keras_atdarts.data.pipeline import search_split
from keras_atdarts.data.pipeline import training_batches

__all__ = [
    "Augmentation",
    "evaluation_batches",
    "load_dataset",
    "search_batches",
    "search_split",
    "training_batches",
]
