"""Opens image classification data sets by name."""

import difflib
import os
import pathlib

import numpy as np
import tensorflow_datasets as tfds

from keras_atdarts.data import datasets
from keras_atdarts.data.image_dataset import PUBLISHED_NORMALISATION
from keras_atdarts.data.image_dataset import ImageDataset
from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name

DEFAULT_DATASET = "fashion_mnist_small"
DEFAULT_IMAGE_SIZES = {"imagenet2012": (224, 224)}
# In this order. Some data sets keep the labels of their test images secret: all -1.
TEST_SPLITS = ("test", "validation")


def load_dataset(
    name=DEFAULT_DATASET,
    data_dir=None,
    image_size=None,
    test_fraction=0.1,
    seed=0,
    central_fraction=1.0,
):
    """Opens a data set by name.

    Example:

    ```python
    dataset = load_dataset("cifar10")
    dataset = load_dataset("fashion_mnist", "/usr/share/datasets/fashion-mnist")
    dataset = load_dataset("my_photos/", image_size=(64, 96))
    ```

    Args:
        name: `"fashion_mnist_small"` (inside the package), a name given to
            `register_dataset`, the name of any image classification set of TFDS,
            or the path of a folder with one sub-folder of images per class.
        data_dir: Path of the folder in which TFDS keeps its data. For
            `"fashion_mnist"` and `"mnist"` it can be a folder of IDX files; for
            `"folder"` it is the folder of images.
        image_size: Pair `(height, width)` in pixels. Images are resized without
            distortion, and their centre is cropped. `None` keeps their size, which
            must be the same for all.
        test_fraction: Float between 0 and 1, the fraction of the images to keep for
            testing if the data set has no test images.
        seed: Integer, decides which images of a folder those are.
        central_fraction: Float above 0, at most 1: the fraction of the height and
            width that the crop of the centre keeps. With 224 x 224 and 0.875 the
            shorter side is resized to 256 pixels, then cropped to 224.

    Returns:
        An `ImageDataset`.

    Raises:
        InputError: The name is unknown, the data set cannot be found, downloaded or
            used, or an argument is out of range.
    """
    if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
        raise InputError(
            "The image size must be two positive numbers, height and width. "
            f"Received: {image_size}"
        )
    if not 0 < test_fraction < 1:
        raise InputError(
            f"The test fraction must be between 0 and 1. Received: {test_fraction}"
        )
    if not 0 < central_fraction <= 1:
        raise InputError(
            "The central fraction must be above 0 and at most 1. "
            f"Received: {central_fraction}"
        )
    request = _request(name, data_dir, test_fraction, seed)
    builder = datasets.open_builder(request)
    _check_features(request.name, builder.info.features)
    image_shape = _image_shape(request.name, builder, image_size)
    datasets.prepare(builder)
    splits = _find_splits(builder, test_fraction)
    return ImageDataset(request.name, builder, splits, image_shape, central_fraction)


def _request(name, data_dir, test_fraction, seed):
    """Returns the request for a name or a path; nothing is opened."""
    own_names = datasets.registered_datasets()
    catalogue = tfds.list_builders(with_community_datasets=False)
    catalogue_name = str(name).split("/")[0].split(":")[0]
    if name in own_names or catalogue_name in catalogue:
        return datasets.Request(name, data_dir, test_fraction, seed)
    if not pathlib.Path(name).is_dir() and os.sep not in str(name):
        nearest = difflib.get_close_matches(str(name), catalogue, n=1)
        known = {*own_names, *PUBLISHED_NORMALISATION, *nearest}
        raise unknown_name("data set", name, known)
    if data_dir is not None:
        raise InputError(
            f"Received two folders, '{name}' and the data directory '{data_dir}': "
            "give only one."
        )
    return datasets.Request("folder", name, test_fraction, seed)


def _check_features(name, features):
    found = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = found.get("image"), found.get("label")
    if not isinstance(image, tfds.features.Image) or image.np_dtype != np.uint8:
        raise InputError(
            f"The data set '{name}' has no feature 'image' of 8-bit pixels, expected "
            "an image classification set: choose another one."
        )
    if not isinstance(label, tfds.features.ClassLabel):
        raise InputError(
            f"The data set '{name}' has no feature 'label' with one class per image, "
            "expected an image classification set: choose another one."
        )


def _image_shape(name, builder, image_size):
    *stored_size, channels = builder.info.features["image"].shape
    image_size = image_size or DEFAULT_IMAGE_SIZES.get(builder.name)
    height, width = image_size or stored_size
    if height is None or width is None:
        raise InputError(
            f"The images of '{name}' differ in size: give the size to resize them to, "
            "as image_size or as --image-size HEIGHT WIDTH."
        )
    return int(height), int(width), int(channels)


def _find_splits(builder, test_fraction):
    """Returns the TFDS splits to read as `"train"` and `"test"`."""
    splits = builder.info.splits
    if "train" not in splits:
        raise InputError(
            f"The data set '{builder.name}' has no split 'train', expected one. Its "
            f"splits: {', '.join(splits)}. Choose another data set."
        )
    for name in TEST_SPLITS:
        if name in splits and _is_labelled(builder, name):
            return {"train": "train", "test": name}
    num_test = max(1, round(splits["train"].num_examples * test_fraction))
    return {"train": f"train[{num_test}:]", "test": f"train[:{num_test}]"}


def _is_labelled(builder, split):
    decoders = {"image": tfds.decode.SkipDecoding()}
    examples = builder.as_dataset(split=split, decoders=decoders).take(1)
    return all(example["label"] >= 0 for example in examples.as_numpy_iterator())
