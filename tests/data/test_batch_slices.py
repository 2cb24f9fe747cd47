"""The slices of all workers are the batches, image for image."""

import numpy as np
import pytest
import tensorflow as tf
from batch_checks import add_noise
from sample_data import write_image_folder

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batch_slices import BatchSlice
from keras_atdarts.data.batches import search_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.experiments.runs.loop import divide

BATCH_SIZE = 8

EVERYTHING = Augmentation(
    crop_padding=2, flip=True, cutout=3, brightness=0.4, hue=0.1, extra=(add_noise,)
)
CROPPED = Augmentation(resized_crop=True, cutout=3, contrast=0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 training images, of which an epoch leaves out six."""
    root = tmp_path_factory.mktemp("images")
    write_image_folder(root / "train", (8, 6, 3), images_per_class=10)
    return write_image_folder(root / "test", (8, 6, 3), images_per_class=1).parent


@pytest.fixture(params=["in memory", "streamed", "cropped"])
def source(folder, request):
    """A data set, and how its images are augmented."""
    dataset = load_dataset("folder", folder, image_size=(8, 6))
    if request.param == "streamed":
        dataset.memory_limit = 0
    return dataset, CROPPED if request.param == "cropped" else EVERYTHING


def assert_slices(batches, count):
    """Checks a function from a `BatchSlice` to a `tf.data.Dataset` of batches."""
    streams = [batches(BatchSlice(number, count)) for number in range(count)]
    # Seven batches are two epochs and the begin of a third.
    for whole, *parts in tf.data.Dataset.zip(batches(BatchSlice()), *streams).take(7):
        joined = tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)
        tf.nest.map_structure(np.testing.assert_array_equal, joined, whole)
    for stream in streams:
        for spec in tf.nest.flatten(stream.element_spec):
            assert spec.shape[0] == BATCH_SIZE // count


def test_slices_of_training_batches(source):
    dataset, augmentation = source
    assert_slices(
        lambda batch_slice: training_batches(
            dataset, BATCH_SIZE, augmentation, 3, None, 2, batch_slice
        ),
        count=2,
    )


def test_slices_of_search_batches(folder):
    dataset = load_dataset("folder", folder)
    halves = np.arange(18), np.arange(18, 30)
    assert_slices(
        lambda batch_slice: search_batches(
            dataset, BATCH_SIZE, Augmentation(), 3, *halves, 0, batch_slice
        ),
        count=4,
    )


def test_devices_of_a_worker_divide_its_slice():
    batch = (tf.range(6), tf.range(6, 12))
    batches = tf.data.Dataset.from_tensors((batch, batch)).repeat()
    parts = list(divide(batches, 3).take(4).as_numpy_iterator())
    assert len(parts) == 4
    for (values, others), again in parts:
        np.testing.assert_array_equal(others, values + 6)
        np.testing.assert_array_equal(again[0], values)
    first = [values.tolist() for (values, _), _ in parts]
    assert first == [[0, 1], [2, 3], [4, 5], [0, 1]]
