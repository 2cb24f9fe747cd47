"""What a trained network is worth: accuracy, confusion matrix, parameters."""

import math

import numpy as np

from keras_atdarts.errors import InputError

# Among so few classes, five answers say little.
NUM_CLASSES_FOR_TOP_5 = 11


def evaluate(model, batches, class_names, observe=None):
    """Classifies every image once and compares with the labels.

    Args:
        model: A `keras.Model` from images to logits `(batch, num_classes)`.
        batches: Iterable of `(images, labels)`, labels as integers.
        class_names: The names of the classes, in the order of the labels.
        observe: Optional function that is given the labels and the logits of each
            batch, as arrays.

    Returns:
        Dict with `"num_examples"`; `"accuracy"`, between 0 and 1; among more
        than ten classes `"top_5_accuracy"`, the part of the images whose class
        has one of the five highest logits; `"class_accuracy"`, a dict by class
        name (None for a class without images); and `"confusion_matrix"`, an
        integer array in which row `i`, column `j` counts the images of class `i`
        taken for class `j`.

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
    num_in_top_5 = 0
    for images, labels in batches:
        labels = np.asarray(labels)
        logits = np.asarray(model.predict_on_batch(images))
        if observe is not None:
            observe(labels, logits)
        # The likeliest first; of equal ones, the first.
        ranking = np.argsort(-logits, axis=-1, kind="stable")
        np.add.at(confusion_matrix, (labels, ranking[:, 0]), 1)
        num_in_top_5 += int(np.sum(ranking[:, :5] == labels[:, np.newaxis]))
    return summarize(confusion_matrix, num_in_top_5, class_names)


def summarize(confusion_matrix, num_in_top_5, class_names):
    """Returns the dict of `evaluate` for what was counted."""
    correct = confusion_matrix.diagonal()
    examples = confusion_matrix.sum(axis=1)
    num_examples = int(examples.sum())
    accuracies = {"accuracy": int(correct.sum())}
    if len(class_names) >= NUM_CLASSES_FOR_TOP_5:
        accuracies["top_5_accuracy"] = num_in_top_5
    return {
        "num_examples": num_examples,
        **{
            name: count / num_examples if num_examples else None
            for name, count in accuracies.items()
        },
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
