"""Small data sets for tests: image folders, IDX files, mocked TFDS sets."""

import base64
import contextlib
import gzip
import pathlib
import struct

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_image(path, pixels):
    encode = tf.io.encode_jpeg if path.suffix == ".jpg" else tf.io.encode_png
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels).numpy())


def with_orientation(content, orientation, byte_order="<", before=b""):
    """Returns a JPEG with Exif metadata, in which a maker comes first.

    `byte_order` is that of `struct`; `before` are segments that precede Exif.
    """
    mark = {"<": b"II", ">": b"MM"}[byte_order]
    tiff = mark + struct.pack(f"{byte_order}HIH", 42, 8, 2)
    tiff += struct.pack(f"{byte_order}HHI4s", 271, 2, 4, b"Eye")
    tiff += struct.pack(f"{byte_order}HHIHxx", 274, 3, 1, orientation) + bytes(4)
    return content[:2] + before + segment(0xE1, b"Exif\0\0" + tiff) + content[2:]


def segment(marker, content):
    """Returns a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def read_data_uri(uri):
    """Returns the pixels of a PNG that an address contains."""
    content = base64.b64decode(uri.split(",", maxsplit=1)[1])
    return tf.io.decode_png(content).numpy()


def write_image_folder(root, shape=(9, 7, 1), images_per_class=10, classes="abc"):
    """One sub-folder per class; every image is of one grey level, all different."""
    for label, name in enumerate(classes):
        for index in range(images_per_class):
            level = label * images_per_class + index
            pixels = np.full(shape, level, np.uint8)
            write_image(root / name / f"{index:03}.png", pixels)
    return root


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_idx_folder(root, num_train=30, num_test=10, suffix=".gz"):
    """The four files, with labels that cycle through 10 classes."""
    root.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", num_train), ("t10k", num_test)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = random_pixels(count, 6, 5, seed=count)
        write_idx(root / f"{prefix}-images-idx3-ubyte{suffix}", images)
        write_idx(root / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
    return root


@contextlib.contextmanager
def mocked_tfds(name, folder, num_examples, splits=("train", "test")):
    """Makes TFDS return random examples of `name`, `num_examples` in every split."""
    builder = tfds.builder(name, data_dir=folder)
    lengths = [tfds.core.SplitInfo(split, [num_examples], 0) for split in splits]
    builder.info.set_splits(tfds.core.SplitDict(lengths))
    pathlib.Path(builder.data_dir).mkdir(parents=True)
    builder.info.write_to_directory(builder.data_dir)
    with tfds.testing.mock_data(num_examples=num_examples, data_dir=str(folder)):
        yield
