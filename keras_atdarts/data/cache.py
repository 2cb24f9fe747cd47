"""Converts images to TFDS directories once, and keeps them for later runs."""

import contextlib
import io
import os
import pathlib
import tempfile

import tensorflow_datasets as tfds

from keras_atdarts.errors import InputError

VERSION = "1.0.0"


def store_arrays(name, splits, class_names, folder, description, homepage=None):
    """Writes images as a prepared TFDS directory of PNG files, in mixed order.

    Args:
        name: String, the TFDS name of the data set.
        splits: Dict from split name to `(images, labels)` arrays of shapes
            `(count, height, width, channels)` and `(count,)`.
        class_names: Sequence of strings, one per label.
        folder: Path of the folder in which `<name>/<version>/` is written.
        description: String that is stored with the data.
        homepage: Link that is stored with the data, or `None`.

    Returns:
        Path of the written directory, for `tfds.builder_from_directory`.
    """
    image_shape = splits["train"][0].shape[1:]
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=image_shape, encoding_format="png"),
            "label": tfds.features.ClassLabel(names=list(class_names)),
        }
    )
    # TFDS prints that it downloads, which it does not.
    with contextlib.redirect_stdout(io.StringIO()):
        builder = tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version=VERSION,
            features=features,
            split_datasets={
                split: _keyed_examples(*arrays) for split, arrays in splits.items()
            },
            data_dir=folder,
            description=description,
            homepage=homepage,
        )
    return pathlib.Path(builder.data_dir)


def cached_builder(name, key, read_splits, class_names):
    """Returns the TFDS builder of images that are converted only once.

    Args:
        name: String, the TFDS name of the data set.
        key: String that differs wherever the images differ.
        read_splits: Function without arguments that returns the `splits` of
            `store_arrays`. It is called if the cache does not have the images.
        class_names: Sequence of strings, one per label.

    Raises:
        InputError: The cache folder cannot be written.
    """
    target = cache_folder() / f"{name}-{key}"
    if not target.is_dir():
        _store_atomically(name, read_splits(), class_names, target)
    return tfds.builder_from_directory(target / VERSION)


def cache_folder():
    """Returns the user's cache folder of this package."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "keras_atdarts"


def _store_atomically(name, splits, class_names, target):
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            stored = store_arrays(
                name, splits, class_names, scratch, f"{name}, converted from files."
            )
            # A rename happens as a whole or not at all. Half a data set never gets
            # the final name, even if a conversion is interrupted.
            if not target.is_dir():
                os.rename(stored.parent, target)
    except OSError as error:
        raise InputError(
            f"The cache folder {target.parent} cannot be written: {error}. "
            "Set XDG_CACHE_HOME to a folder that can be."
        ) from error


def _keyed_examples(images, labels):
    return [
        (index, {"image": image, "label": int(label)})
        for index, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
