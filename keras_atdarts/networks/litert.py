"""A trained network as a LiteRT file, for phones and other small computers.

LiteRT was TensorFlow Lite until 2024. Its files are read by `ai_edge_litert`, by
`tf.lite.Interpreter`, and by what phones have.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", https://arxiv.org/abs/1712.05877, for int8.
"""

import contextlib
import os
import pathlib
import re
import warnings

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from keras_atdarts.atomic import write_json
from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.networks.export import check_probabilities
from keras_atdarts.networks.export import pixel_logits
from keras_atdarts.networks.export import scratch_directory
from keras_atdarts.networks.export import softmax
from keras_atdarts.networks.inference import folded
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.networks.serving import pixel_classifier
from keras_atdarts.networks.serving import with_constants

SUFFIX = ".tflite"
PRECISIONS = ("float32", "float16", "int8")
# LiteRT's documentation asks for 100 to 500.
NUM_CALIBRATED = 200
NUM_COMPARED = 1000
READ_BATCH = 100


def export_litert(network, path, dataset, precision="float32", overwrite=False):
    """Writes a LiteRT file, reloads it, and compares it with the network.

    The file maps `images`, one image `(1, height, width, channels)` of the network's
    size with values 0 to 255, to `probabilities`, float32 `(1, num_classes)`. Images
    are float32, with the precision `int8` uint8. Nothing is resized: send what
    `keras_atdarts.data.images.resize` or the like gives.

    What the file is, and how it compares with the network on test images, is written
    beside it, as `path` with `.json` at its end.

    Args:
        network: A Functional `keras.Model` from normalised images to logits.
        path: Path to write to, with the end `.tflite`; a whole file or none.
        dataset: The `ImageDataset` of the network. Up to `NUM_COMPARED` of its test
            images are compared, and `NUM_CALIBRATED` training images show `int8`
            which values activations have; both are spread evenly.
        precision: String. `"float32"` computes what the network does; `"float16"`
            stores weights in half the space; `"int8"` stores them in a quarter, and
            convolves with integers.
        overwrite: Boolean, whether a file at `path` is replaced.

    Returns:
        Dict, the content of the JSON. Of the compared images, `"agreement"` is the
        part that got the same class from both; `"largest_difference"` is one of
        probabilities; `"accuracy"` is the file's, `"network_accuracy"` the
        network's.

    Raises:
        InputError: where the precision is unknown, the file exists or cannot be
            written, or LiteRT lacks an operation of the network.
        RuntimeError: where a file in float32 gives other probabilities.

    Example:

    >>> facts = export_litert(network, "boots.tflite", load_dataset(), "int8")
    >>> facts["agreement"]
    """
    path = pathlib.Path(path)
    check_precision(precision)
    check_file(path, overwrite)
    network = in_float32(network)
    with scratch_directory(path.parent) as scratch:
        written = pathlib.Path(scratch) / path.name
        written.write_bytes(convert(folded(network), dataset, precision))
        runner = load(written)
        facts = {
            "file": path.name,
            "bytes": written.stat().st_size,
            "precision": precision,
            **describe_input(runner),
            "class_names": list(dataset.class_names),
            **compare(runner, network, dataset, precision == "float32"),
        }
        os.replace(written, path)
    write_json(facts_file(path), facts)
    return facts


def check_precision(precision):
    """Raises `InputError` where there is no such precision."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)


def check_file(path, overwrite):
    """Raises `InputError` unless a LiteRT file may be written to `path`."""
    if path.suffix != SUFFIX:
        raise InputError(
            f"'{path}' is no name of a LiteRT file: expected one that ends in "
            f"{SUFFIX}, such as '{path.with_suffix(SUFFIX)}'."
        )
    if path.is_dir():
        raise InputError(f"'{path}' is a directory. Give another --output.")
    if os.path.lexists(path) and not overwrite:
        raise InputError(
            f"'{path}' exists. Give another --output, or add --overwrite to replace it."
        )


def facts_file(path):
    """Returns the path of the JSON beside a LiteRT file."""
    return path.with_name(f"{path.name}.json")


def convert(network, dataset, precision):
    """Returns the content of a LiteRT file, of builtin operations only.

    Args:
        network: A `keras.Model` without batch norms, from `folded`.
        dataset: As in `export_litert`.
        precision: As in `export_litert`.
    """
    # For one image: with any number of them, LiteRT takes dilated convolutions apart.
    images = tf.TensorSpec((1, *dataset.image_shape), tf.float32, "images")
    classify = pixel_classifier(with_constants(network), dataset.description())
    module = tf.Module()
    module.classify = tf.function(classify, input_signature=[images])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.classify.get_concrete_function()], module
    )
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: calibration_images(dataset)
        converter.inference_input_type = tf.uint8
    try:
        with without_warning():
            return converter.convert()
    except ConverterError as error:
        found = re.search(r"(?:Custom|TF Select) ops: (.*)", str(error))
        reason = (
            f"knows no {found[1]}" if found else f"says: {str(error).splitlines()[0]}"
        )
        raise InputError(
            f"LiteRT cannot hold this network: it {reason}. Expected operations of "
            "https://ai.google.dev/edge/litert/conversion/tensorflow/ops_compatibility "
            "alone. Compute the network's operations by these, or export a SavedModel."
        ) from error


def calibration_images(dataset):
    """Yields training images as the converter wants them.

    One has a value of 0 and one of 255. So the scale of the input is 1, and bytes
    are taken as they are.
    """
    batches = read_evenly(dataset, "train", NUM_CALIBRATED, batch_size=1)
    for number, (pixels, _) in enumerate(batches):
        images = pixels.astype("float32")
        if number == 0:
            images.flat[0], images.flat[-1] = 0, 255
        yield {"images": images}


def read_evenly(dataset, split, most, batch_size):
    """Returns uint8 batches `(images, labels)` from all over a split, in NumPy."""
    count = dataset.num_examples(split)
    positions = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return dataset.read(split, positions).batch(batch_size).as_numpy_iterator()


def load(path):
    """Returns a LiteRT file as a function: `runner(images=...)["probabilities"]`."""
    with without_warning():
        interpreter = tf.lite.Interpreter(str(path), num_threads=os.cpu_count())
    return interpreter.get_signature_runner()


@contextlib.contextmanager
def without_warning():
    """Keeps quiet that later versions of TensorFlow will not have the interpreter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated")
        yield


def describe_input(runner):
    """Returns which images a loaded file takes, ready for JSON."""
    details = runner.get_input_details()["images"]
    return {
        "image_shape": details["shape"].tolist()[1:],
        "image_dtype": np.dtype(details["dtype"]).name,
    }


def compare(runner, network, dataset, exactly):
    """Compares a loaded file with its network on test images.

    Args:
        runner: From `load`.
        network: A `keras.Model` from normalised images to logits.
        dataset: As in `export_litert`.
        exactly: Boolean, whether the probabilities must be equal.

    Returns:
        Dict of numbers, see `export_litert`.

    Raises:
        RuntimeError: where they must be equal and are not.
    """
    expected, received, labels = [], [], []
    for pixels, classes in read_evenly(dataset, "test", NUM_COMPARED, READ_BATCH):
        expected.append(softmax(pixel_logits(network, pixels, dataset.description())))
        received += [probabilities(runner, image) for image in pixels]
        labels.append(classes)
    expected, received, labels = map(np.concatenate, (expected, received, labels))
    if exactly:
        check_probabilities("LiteRT file", received, expected)
    of_network, of_file = (rows.argmax(axis=-1) for rows in (expected, received))
    return {
        "num_images": len(labels),
        "agreement": float(np.mean(of_file == of_network)),
        "largest_difference": float(np.max(np.abs(received - expected))),
        "accuracy": float(np.mean(of_file == labels)),
        "network_accuracy": float(np.mean(of_network == labels)),
    }


def probabilities(runner, image):
    """Returns the probabilities `(1, num_classes)` of one uint8 image."""
    dtype = runner.get_input_details()["images"]["dtype"]
    return runner(images=image[np.newaxis].astype(dtype))["probabilities"]
