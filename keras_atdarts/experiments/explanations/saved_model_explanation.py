"""The explanation of a SavedModel, of which only the answers can be seen."""

from typing import NamedTuple

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.explanations.contact_sheets import OCCLUSION
from keras_atdarts.experiments.explanations.contact_sheets import Column
from keras_atdarts.experiments.explanations.contact_sheets import explain_images
from keras_atdarts.experiments.explanations.explained_images import read_images
from keras_atdarts.experiments.explanations.occlusion import occlusion_map
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.networks.export import CLASS_NAMES

ANSWERS_ONLY = (
    "A SavedModel shows its answers and nothing of its inside: it is explained by how "
    "the answers change when parts of an image are hidden. For gates, Grad-CAM and "
    "what attention is worth, give the directory that retrain.py wrote."
)
EXPECTED = "Expected the folder that export.py writes."


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
    """Draws which parts of images the answers of a `ServedModel` depend on.

    Returns:
        Dict ready for JSON, that of `explain_images`, and `"notices"`.
    """

    def look(pixels):
        found = [occlusion_map(served.predict, image) for image in pixels]
        probabilities, maps = map(list, zip(*found, strict=True))
        return probabilities, [Column("whole network", OCCLUSION, maps)]

    images = read_images(names, served.num_channels)
    explained = explain_images(images, look, served.class_names, folder)
    return {**explained, "notices": [note(ANSWERS_ONLY)]}
