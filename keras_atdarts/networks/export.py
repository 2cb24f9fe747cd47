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

from keras_atdarts.data import images as image_functions
from keras_atdarts.data.decoding import decode
from keras_atdarts.errors import InputError
from keras_atdarts.networks.inference import folded
from keras_atdarts.networks.inference import in_float32

CLASS_NAMES = "class_names.txt"
GENOTYPE = "genotype.json"
LOGITS_TOLERANCE = 1e-4
PROBABILITIES_TOLERANCE = 1e-4


class RawImageClassifier(tf.Module):
    """A network with what comes before and after it: raw images to probabilities.

    Args:
        network: A `keras.Model` from normalised images to logits. Its weights are
            those of this moment.
        dataset: Dict, from `ImageDataset.description`.
        assets: Paths of files that the SavedModel carries.
    """

    def __init__(self, network, dataset, assets=()):
        super().__init__()
        self.assets = [tf.saved_model.Asset(str(path)) for path in assets]
        channels = dataset["image_shape"][-1]
        infer = with_constants(network)

        def serve(images):
            resized = resize_as_for_tests(images, dataset)
            normalized = image_functions.normalize(
                resized, dataset["mean"], dataset["std"]
            )
            logits = infer(normalized)
            return {"probabilities": tf.nn.softmax(tf.cast(logits, tf.float32))}

        any_size = tf.TensorSpec((None, None, None, channels), tf.uint8, "images")
        self.serve = tf.function(serve, input_signature=[any_size])
        self.decode = image_decoder(channels)


def export_saved_model(network, directory, dataset, genotype, overwrite=False):
    """Writes a SavedModel, reloads it, and compares it with the network.

    Its logits are those of the network, but for the rounding of float32: they may
    differ by `LOGITS_TOLERANCE` of the largest one.

    Its signature `serving_default` maps `images`, uint8 of shape `(batch,
    height, width, channels)` with values 0 to 255 and any height and width, to
    `probabilities`, float32 `(batch, num_classes)`. Images of another size are
    resized as test images are: the aspect ratio is kept, the centre cropped. The
    class names, one a line, and the genotype are in its folder `assets`.

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
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-")
    except OSError as error:
        raise InputError(
            f"Cannot write to '{directory.parent}': {error.strerror}. Give a "
            "directory that you may write to."
        ) from error
    with scratch as scratch_path:
        written = pathlib.Path(scratch_path) / "saved_model"
        assets = write_assets(pathlib.Path(scratch_path), dataset, genotype)
        module = RawImageClassifier(fast, dataset, assets)
        signatures = {"serving_default": module.serve, "decode": module.decode}
        tf.saved_model.save(module, str(written), signatures)
        compare(written, network, dataset)
        put_in_place(written, directory, pathlib.Path(scratch_path) / "replaced")


def image_decoder(channels):
    """Returns the function from the bytes of an image file to its pixels."""

    def image_of(content):
        return {"image": decode(content, (None, None, channels))}

    spec = tf.TensorSpec((), tf.string, "content")
    return tf.function(image_of, input_signature=[spec])


def with_constants(network):
    """Returns the function from images to logits, without variables.

    TensorFlow prepares constants for its kernels once, not in every call.
    """
    trained, others = (
        [variable.numpy() for variable in variables]
        for variables in (network.trainable_variables, network.non_trainable_variables)
    )

    def infer(images):
        logits, _ = network.stateless_call(trained, others, images, training=False)
        return logits

    return infer


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


def write_assets(directory, dataset, genotype):
    """Writes the files that the SavedModel carries; returns their paths."""
    class_names = directory / CLASS_NAMES
    class_names.write_text("\n".join(dataset["class_names"]) + "\n", encoding="utf-8")
    genotype.save(directory / GENOTYPE)
    return class_names, directory / GENOTYPE


def compare_logits(fast, network, dataset):
    """Raises `RuntimeError` where a folded network differs from its network."""
    raw = sample_images(dataset["image_shape"])
    expected, received = (
        predict_logits(model, raw, dataset) for model in (network, fast)
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
    classify = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    for size in ((height, width), (height + 3, 2 * width)):
        raw = sample_images((*size, channels))
        expected = softmax(predict_logits(network, raw, dataset))
        received = classify(images=tf.constant(raw))["probabilities"].numpy()
        if not np.allclose(received, expected, atol=PROBABILITIES_TOLERANCE):
            difference = np.max(np.abs(received - expected))
            raise RuntimeError(
                "The SavedModel does not compute what the network does: expected "
                f"probabilities within {PROBABILITIES_TOLERANCE}; received a "
                f"difference of {difference}. Nothing was written."
            )


def sample_images(shape, count=4):
    """Returns random uint8 images of a shape: of each two, one smooth as photos are."""
    *size, channels = shape
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (count // 2, *shape), np.uint8)
    patches = random.uniform(0, 255, (count // 2, 4, 4, channels))
    smooth = tf.image.resize(patches, size).numpy().astype(np.uint8)
    return np.concatenate([noise, smooth])


def resize_as_for_tests(images, dataset):
    """Returns uint8 images in the size of the network, resized as test images are."""
    return image_functions.resize(
        images, dataset["image_shape"][:2], dataset.get("central_fraction", 1.0)
    )


def predict_logits(network, raw_images, dataset):
    """Returns the network's logits for uint8 images, without the SavedModel.

    Normalised in NumPy: a second opinion on what the SavedModel does.
    """
    resized = resize_as_for_tests(raw_images, dataset)
    normalised = np.asarray(resized, "float32") / 255.0
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
