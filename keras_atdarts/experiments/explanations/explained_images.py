"""The images that are explained: from files, or from a data set."""

import pathlib
import sys
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_atdarts.data.decoding import decode
from keras_atdarts.data.decoding import error_reason
from keras_atdarts.data.image_files import READABLE
from keras_atdarts.data.image_files import describe_left_out
from keras_atdarts.data.image_files import list_images
from keras_atdarts.errors import InputError


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
        if not path.is_dir():
            found.append(path)
            continue
        inside, left_out = list_images(path)
        others = describe_left_out(left_out)
        if not inside:
            instead = f", but {others}" if others else ""
            raise InputError(
                f"'{path}' has no images{instead}: expected {READABLE}. Give a folder "
                "that holds some."
            )
        if others:
            print(f"Left out of {path}: {others}.", file=sys.stderr)
        found += inside
    return found


def read_pixels(path, num_channels):
    """Returns the `uint8` array `(height, width, channels)` of an image file."""
    try:
        content = path.read_bytes()
        image = decode(tf.constant(content), (None, None, num_channels))
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be read ({error.strerror}): expected an image file. "
            "Give another one."
        ) from error
    except tf.errors.OpError as error:
        raise InputError(
            f"'{path}' cannot be decoded ({error_reason(error)}): expected "
            f"{READABLE} that are whole. Give another one."
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
