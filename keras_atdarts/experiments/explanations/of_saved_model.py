"""The explanation of a SavedModel, which shows nothing but its answers."""

from typing import NamedTuple

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.explanations import inputs
from keras_atdarts.experiments.explanations.looks import MOST_ROWS
from keras_atdarts.experiments.explanations.looks import OCCLUSION
from keras_atdarts.experiments.explanations.looks import Look
from keras_atdarts.experiments.explanations.looks import describe_image
from keras_atdarts.experiments.explanations.looks import write_sheets
from keras_atdarts.experiments.explanations.occlusion import occlusion_map
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.networks.export import CLASS_NAMES

ANSWERS_ONLY = (
    "A SavedModel answers and shows nothing of its inside: it is explained by what "
    "hiding parts of an image changes. For gates, Grad-CAM and what attention is "
    "worth, give the directory that retrain.py wrote."
)
EXPECTED = "Expected the folder that train/export.py writes."


class ServedModel(NamedTuple):
    """What a SavedModel offers.

    Args:
        predict: Function from `uint8` images `(batch, height, width, channels)` of
            any size to probabilities `(batch, num_classes)`.
        num_channels: Integer.
        class_names: List of strings.
    """

    predict: callable
    num_channels: int
    class_names: list


def is_saved_model(directory):
    """Whether a directory holds a SavedModel."""
    return (directory / "saved_model.pb").is_file()


def load_served_model(directory):
    """Returns the `ServedModel` in a folder that `export_saved_model` wrote.

    Raises:
        InputError: It is damaged, or another SavedModel.
    """
    try:
        classify = tf.saved_model.load(str(directory)).signatures["serving_default"]
        images = classify.structured_input_signature[1]["images"]
        num_classes = classify.structured_outputs["probabilities"].shape[-1]
        class_names = (directory / "assets" / CLASS_NAMES).read_text("utf-8")
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"Cannot use the SavedModel '{directory}': {reason} {EXPECTED}"
        ) from error
    class_names = class_names.splitlines()
    if len(class_names) != num_classes:
        raise InputError(
            f"The SavedModel '{directory}' has {num_classes} classes, but names "
            f"{len(class_names)}. {EXPECTED}"
        )

    def predict(images):
        return classify(images=tf.constant(images))["probabilities"].numpy()

    return ServedModel(predict, images.shape[-1], class_names)


def explain_saved_model(served, names, folder):
    """Draws to what parts of images a SavedModel owes its answers.

    Args:
        served: `ServedModel`.
        names: List of paths of images, or of folders of them.
        folder: Path of the directory to write to.

    Returns:
        Dict ready for JSON, as that of `of_run.look_at`, and `"notices"`.
    """
    images = inputs.read_images(names, served.num_channels)
    described, drawn = [], []
    for start in range(0, len(images), MOST_ROWS):
        part = images[start : start + MOST_ROWS]
        found = [occlusion_map(served.predict, image.pixels) for image in part]
        described += [
            describe_image(image, probabilities, served.class_names)
            for image, (probabilities, _) in zip(part, found, strict=True)
        ]
        look = Look("whole network", OCCLUSION, [values for _, values in found])
        pixels = [image.pixels for image in part]
        drawn += write_sheets(folder, pixels, [look], start)
    return {"images": described, "sheets": drawn, "notices": [note(ANSWERS_ONLY)]}
