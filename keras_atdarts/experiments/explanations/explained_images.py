"""The images that are explained: from files, or from a data set."""

import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_atdarts.data.images import IMAGE_SUFFIXES
from keras_atdarts.data.images import error_reason
from keras_atdarts.errors import InputError

SUFFIXES = ", ".join(IMAGE_SUFFIXES)


class ExplainedImage(NamedTuple):
    """An image, before it is normalised.

    Args:
        name: String, its path, or its place in the data set.
        pixels: `uint8` array `(height, width, channels)`.
        label: Integer, its class, or None where that is not known.
    """

    name: str
    pixels: np.ndarray
    label: int = None


def read_images(names, num_channels):
    """Returns the images of files, and of all files in folders.

    Args:
        names: List of paths.
        num_channels: Integer; colour becomes grey, or grey colour, where needed.

    Returns:
        List of `ExplainedImage`, of the sizes that the files have.

    Raises:
        InputError: There is no such file, or it is not an image.
    """
    paths = find_files(names)
    return [
        ExplainedImage(str(path), read_pixels(path, num_channels)) for path in paths
    ]


def find_files(names):
    """Returns the paths of files as given, and of the images in folders, sorted."""
    found = []
    for path in map(pathlib.Path, names):
        inside = [path]
        if path.is_dir():
            files = sorted(path.iterdir())
            inside = [each for each in files if each.suffix.lower() in IMAGE_SUFFIXES]
        if not inside:
            raise InputError(
                f"'{path}' has no images: expected {SUFFIXES} files. Give a folder "
                "that holds some."
            )
        found += inside
    return found


def read_pixels(path, num_channels):
    """Returns the `uint8` array `(height, width, channels)` of an image file."""
    try:
        content = path.read_bytes()
        image = tf.io.decode_image(content, num_channels, expand_animations=False)
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be read ({error.strerror}): expected an image file. "
            "Give another one."
        ) from error
    except tf.errors.OpError as error:
        raise InputError(
            f"'{path}' cannot be decoded ({error_reason(error)}): expected a whole "
            f"{SUFFIXES} file. Give another one."
        ) from error
    return image.numpy()


def examples_of(dataset, split, positions):
    """Returns the `ExplainedImage`s at sorted positions of a split of a data set."""
    examples = dataset.read(split, positions).as_numpy_iterator()
    return [
        ExplainedImage(f"{split} image {position}", pixels, int(label))
        for position, (pixels, label) in zip(positions, examples, strict=True)
    ]


def sample(positions, count):
    """Returns `count` of an array's elements, drawn by chance, sorted; at most all."""
    count = min(count, len(positions))
    chosen = np.random.default_rng(0).choice(positions, count, replace=False)
    return np.sort(chosen)
