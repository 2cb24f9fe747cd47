"""What a trained network is worth: accuracy, confusion matrix, parameters."""

import math

import numpy as np

from keras_atdarts.errors import InputError


def evaluate(model, batches, class_names):
    """Classifies every image once and compares with the labels.

    Args:
        model: A `keras.Model` from images to logits `(batch, num_classes)`.
        batches: Iterable of `(images, labels)`, labels as integers.
        class_names: The names of the classes, in the order of the labels.

    Returns:
        Dict with `"num_examples"`; `"accuracy"`, between 0 and 1;
        `"class_accuracy"`, a dict by class name (None for a class without
        images); and `"confusion_matrix"`, an integer array in which row `i`,
        column `j` counts the images of class `i` taken for class `j`.

    Raises:
        InputError: where the network was trained for other classes.
    """
    num_classes = len(class_names)
    if model.output_shape[-1] != num_classes:
        raise InputError(
            f"The data set has {num_classes} classes, but the network was trained "
            f"for {model.output_shape[-1]}. Evaluate it on the data it was made for."
        )
    confusion_matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for images, labels in batches:
        predictions = np.argmax(model.predict_on_batch(images), axis=-1)
        np.add.at(confusion_matrix, (np.asarray(labels), predictions), 1)
    return summarize(confusion_matrix, class_names)


def summarize(confusion_matrix, class_names):
    """Returns the dict of `evaluate` for a confusion matrix."""
    correct = confusion_matrix.diagonal()
    examples = confusion_matrix.sum(axis=1)
    num_examples = int(examples.sum())
    return {
        "num_examples": num_examples,
        "accuracy": float(correct.sum() / num_examples) if num_examples else None,
        "class_accuracy": {
            name: float(right / all_of_class) if all_of_class else None
            for name, right, all_of_class in zip(
                class_names, correct, examples, strict=True
            )
        },
        "confusion_matrix": confusion_matrix,
    }


def count_parameters(model):
    """Returns the number of values that training changes."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)
