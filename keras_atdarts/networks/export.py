"""A trained network as a SavedModel that needs TensorFlow alone.

The SavedModel has no variables, and its batch norms are part of the convolutions,
see `keras_atdarts.networks.inference`.
"""

import os
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.networks.inference import folded
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.networks.serving import ANY_SIZE
from keras_atdarts.networks.serving import NETWORK_SIZE
from keras_atdarts.networks.serving import RawImageClassifier
from keras_atdarts.networks.serving import resize_as_for_tests

CLASS_NAMES = "class_names.txt"
GENOTYPE = "genotype.json"
LOGITS_TOLERANCE = 1e-4
PROBABILITIES_TOLERANCE = 1e-4


def export_saved_model(network, directory, dataset, genotype, overwrite=False):
    """Writes a SavedModel, reloads it, and compares it with the network.

    Its logits are those of the network, but for the rounding of float32: they may
    differ by `LOGITS_TOLERANCE` of the largest one.

    Its signature `serving_default` maps `images`, uint8 of shape `(batch,
    height, width, channels)` with values 0 to 255 and any height and width, to
    `probabilities`, float32 `(batch, num_classes)`. Images of another size are
    resized as test images are: the aspect ratio is kept, the centre cropped. The
    class names, one a line, and the genotype are in its folder `assets`.

    Its signature `network_size` does the same for `images`, float32 with values 0 to
    255, that have the height and width of the network. It does not resize, so that
    LiteRT and others can convert it.

    Its signature `decode` maps `content`, a string, the bytes of an image file, to
    `image`, uint8 of shape `(height, width, channels)`, as training images are
    decoded: see `keras_atdarts.data.decoding.decode`.

    Args:
        network: A Functional `keras.Model` from normalised images to logits.
        directory: Path to write to; complete or absent, never half written.
        dataset: Dict, from `ImageDataset.description`.
        genotype: The network's `Genotype`.
        overwrite: Boolean, whether a SavedModel at `directory` is replaced.

    Raises:
        InputError: where the directory exists or cannot be written.
        RuntimeError: where the folded network gives other logits, or the reloaded
            SavedModel other probabilities.

    Example:

    >>> export_saved_model(network, "saved_models/a", dataset.description(), genotype)
    >>> signatures = tf.saved_model.load("saved_models/a").signatures
    >>> content = tf.io.read_file("boot.jpg")
    >>> image = signatures["decode"](content=content)["image"]
    >>> signatures["serving_default"](images=image[tf.newaxis])["probabilities"]
    """
    directory = pathlib.Path(directory)
    check_destination(directory, overwrite)
    network = in_float32(network)  # In 16 bits, equality could not be shown.
    fast = folded(network)
    compare_logits(fast, network, dataset)
    with scratch_directory(directory.parent) as scratch:
        written = pathlib.Path(scratch) / "saved_model"
        assets = write_assets(pathlib.Path(scratch), dataset, genotype)
        module = RawImageClassifier(fast, dataset, assets)
        tf.saved_model.save(module, str(written), module.signatures())
        compare(written, network, dataset)
        put_in_place(written, directory, pathlib.Path(scratch) / "replaced")


def check_destination(directory, overwrite):
    """Raises `InputError` unless a SavedModel may be written to `directory`."""
    if directory.is_dir() and not any(directory.iterdir()):
        return
    if not os.path.lexists(directory):
        return
    if not (directory / "saved_model.pb").is_file():
        raise InputError(
            f"'{directory}' exists and is not a SavedModel. Give another --output."
        )
    if not overwrite:
        raise InputError(
            f"'{directory}' exists. Give another --output, or add --overwrite to "
            "replace it."
        )


def scratch_directory(parent):
    """Returns a temporary directory in `parent`, to be used with `with`.

    Raises:
        InputError: `parent` cannot be made, or nothing be written to it.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=parent, prefix=".export-")
    except OSError as error:
        raise InputError(
            f"Cannot write to '{parent}': {error.strerror}. Give a directory that you "
            "may write to."
        ) from error


def write_assets(directory, dataset, genotype):
    """Writes the files that the SavedModel carries; returns their paths."""
    class_names = directory / CLASS_NAMES
    class_names.write_text("\n".join(dataset["class_names"]) + "\n", encoding="utf-8")
    genotype.save(directory / GENOTYPE)
    return class_names, directory / GENOTYPE


def compare_logits(fast, network, dataset):
    """Raises `RuntimeError` where a folded network differs from its network."""
    pixels = sample_images(dataset["image_shape"])
    expected, received = (
        pixel_logits(model, pixels, dataset) for model in (network, fast)
    )
    difference = np.max(np.abs(received - expected))
    allowed = LOGITS_TOLERANCE * np.max(np.abs(expected))
    if not difference <= allowed:  # It may be nan.
        raise RuntimeError(
            "The network without batch norms does not compute what the network does: "
            f"expected logits within {allowed}; received a difference of {difference}. "
            "Nothing was written."
        )


def compare(saved_model, network, dataset):
    """Raises `RuntimeError` where a SavedModel differs from its network.

    The images are of the network's size, and of another size, for which the
    resizing is part of the comparison.
    """
    height, width, channels = dataset["image_shape"]
    signatures = tf.saved_model.load(str(saved_model)).signatures
    for size in ((height, width), (height + 3, 2 * width)):
        raw = sample_images((*size, channels))
        resized = np.asarray(resize_as_for_tests(raw, dataset))
        expected = softmax(pixel_logits(network, resized, dataset))
        for name, images in (
            (ANY_SIZE, raw),
            (NETWORK_SIZE, resized.astype("float32")),
        ):
            received = signatures[name](images=tf.constant(images))["probabilities"]
            check_probabilities(f"signature '{name}'", received.numpy(), expected)


def check_probabilities(where, received, expected):
    """Raises `RuntimeError` where probabilities are not those of the network."""
    difference = np.max(np.abs(received - expected))
    if not difference <= PROBABILITIES_TOLERANCE:  # It may be nan.
        raise RuntimeError(
            f"The {where} does not compute what the network does: expected "
            f"probabilities within {PROBABILITIES_TOLERANCE}; received a difference "
            f"of {difference}. Nothing was written."
        )


def sample_images(shape, count=4):
    """Returns random uint8 images of a shape: of each two, one smooth as photos are."""
    *size, channels = shape
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (count // 2, *shape), np.uint8)
    patches = random.uniform(0, 255, (count // 2, 4, 4, channels))
    smooth = tf.image.resize(patches, size).numpy().astype(np.uint8)
    return np.concatenate([noise, smooth])


def pixel_logits(network, pixels, dataset):
    """Returns the network's logits for uint8 images of its size.

    Normalised in NumPy: a second opinion on what is exported.
    """
    normalised = np.asarray(pixels, "float32") / 255.0
    normalised = (normalised - np.array(dataset["mean"])) / np.array(dataset["std"])
    return np.asarray(network.predict_on_batch(normalised.astype("float32")))


def softmax(logits):
    """Returns the probabilities, in NumPy."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def put_in_place(written, directory, replaced):
    """Moves `written` to `directory`; what was there goes to `replaced`."""
    if directory.exists():
        os.replace(directory, replaced)
    try:
        os.replace(written, directory)
    except OSError:
        if replaced.exists():
            shutil.move(replaced, directory)
        raise
