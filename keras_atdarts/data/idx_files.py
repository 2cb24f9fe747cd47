"""Reads MNIST-style IDX files, plain or gzipped."""

import gzip
import hashlib
import pathlib
import struct
import zlib

import numpy as np

from keras_atdarts.errors import InputError

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
FILE_NAMES = tuple(name for pair in IDX_FILES.values() for name in pair)
UNSIGNED_BYTE = 0x08


def has_idx_files(data_dir):
    """Returns whether a folder holds any of the four IDX files."""
    return any(_find(data_dir, name) for name in FILE_NAMES)


def read_idx_folder(data_dir, num_classes):
    """Reads the four IDX files of a folder, plain or gzipped.

    Args:
        data_dir: Folder with the files under their usual names
            (`train-images-idx3-ubyte`, ..., with or without `.gz`).
        num_classes: Integer; every label must be below it.

    Returns:
        Dict from `"train"` and `"test"` to `(images, labels)`: `uint8` arrays
        of shapes `(count, height, width, 1)` and `(count,)`.

    Raises:
        InputError: A file is missing or damaged, or does not fit the others.
    """
    splits = {}
    for split, (images_name, labels_name) in IDX_FILES.items():
        images_path = _existing(data_dir, images_name)
        images = read_idx(images_path, num_axes=3)
        labels_path = _existing(data_dir, labels_name)
        labels = read_idx(labels_path, num_axes=1)
        if len(images) != len(labels):
            raise InputError(
                f"{images_path} holds {len(images)} images but {labels_path} "
                f"{len(labels)} labels. The two files do not belong together: get "
                "both from one source."
            )
        if labels.max() >= num_classes:
            raise InputError(
                f"{labels_path} has the label {labels.max()}, expected labels below "
                f"{num_classes}. Use the data set that the files belong to."
            )
        splits[split] = (images[..., np.newaxis], labels)
    return splits


def content_hash(data_dir):
    """Returns a string that changes whenever one of the four files does."""
    digest = hashlib.sha256()
    for name in FILE_NAMES:
        digest.update(_existing(data_dir, name).read_bytes())
    return digest.hexdigest()[:16]


def read_idx(path, num_axes):
    """Reads one IDX file of unsigned bytes.

    Args:
        path: The file, gzipped if its name ends in `.gz`.
        num_axes: Integer, the number of axes the array must have.

    Returns:
        A `uint8` array.

    Raises:
        InputError: The file cannot be read, is damaged, or is no such file.
    """
    try:
        opened = gzip.open(path) if path.suffix == ".gz" else open(path, "rb")
        with opened as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}. Get it again.") from error
    header_size = 4 + 4 * num_axes
    magic = bytes([0, 0, UNSIGNED_BYTE, num_axes])
    if len(content) < header_size or content[:4] != magic:
        raise InputError(
            f"{path} is not an IDX file of bytes with {num_axes} axes: it begins "
            f"with {content[:4].hex() or 'nothing'}, expected {magic.hex()}. Get it "
            "again."
        )
    shape = struct.unpack(f">{num_axes}I", content[4:header_size])
    expected, received = int(np.prod(shape)), len(content) - header_size
    if expected != received or expected == 0:
        raise InputError(
            f"{path} is damaged: it has {received} bytes of data, its header says "
            f"{expected}. Get it again."
        )
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def _find(data_dir, name):
    for path in (pathlib.Path(data_dir, name), pathlib.Path(data_dir, name + ".gz")):
        if path.is_file():
            return path
    return None


def _existing(data_dir, name):
    path = _find(data_dir, name)
    if path is None:
        raise InputError(
            f"The folder {data_dir} has no file {name} or {name}.gz; all four IDX "
            "files of the data set are needed."
        )
    return path
