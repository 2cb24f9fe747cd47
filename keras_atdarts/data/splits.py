"""Divides the training images, and counts the batches of a part."""

import numpy as np

from keras_atdarts.errors import InputError


def search_split(num_examples, weight_fraction, seed):
    """Divides the training images between the weights and the alphas of a search.

    Args:
        num_examples: Integer, the number of training images.
        weight_fraction: Float between 0 and 1, the fraction for the weights.
        seed: Integer, decides which images those are.

    Returns:
        Two sorted integer arrays of positions, for the weights and for the alphas.
        They have no position in common, and together they have all.

    Raises:
        InputError: One of the two has no images.

    Example:

    ```python
    weights, alphas = search_split(dataset.num_examples("train"), 0.5, seed=0)
    ```
    """
    num_weight = round(num_examples * weight_fraction)
    if not 0 < num_weight < num_examples:
        raise InputError(
            f"A weight fraction of {weight_fraction} leaves {num_weight} of "
            f"{num_examples} images to the weights. Weights and alphas both need some: "
            "choose a fraction between 0 and 1."
        )
    return _divide(num_examples, num_weight, seed)


def hold_out(num_examples, fraction, seed):
    """Divides the training images into those to train on and those to judge by.

    Args:
        num_examples: Integer, the number of training images.
        fraction: Float, the fraction to judge by; 0 leaves all to the training.
        seed: Integer, decides which images those are.

    Returns:
        Two sorted integer arrays of positions: to train on, and to judge by. They
        have no position in common, and together they have all.

    Raises:
        InputError: `fraction` is not 0 and one of the two has no images.

    Example:

    ```python
    training, judging = hold_out(dataset.num_examples("train"), 0.1, seed=0)
    ```
    """
    num_held_out = round(num_examples * fraction)
    if fraction and not 0 < num_held_out < num_examples:
        raise InputError(
            f"Holding out a fraction of {fraction} leaves {num_held_out} of "
            f"{num_examples} images to judge by. Training and judging both need some: "
            "choose another fraction between 0 and 1."
        )
    return _divide(num_examples, num_examples - num_held_out, seed)


def steps_per_epoch(num_examples, batch_size):
    """Returns the number of full batches in `num_examples` images.

    Raises:
        InputError: There is not one, or the batch size is below 1.
    """
    check_batch_size(batch_size)
    if batch_size > num_examples:
        raise InputError(
            f"The batch size {batch_size} is larger than its split of {num_examples} "
            f"images: choose {num_examples} or less."
        )
    return num_examples // batch_size


def check_batch_size(batch_size):
    """Raises `InputError` if a batch of this size would have no image."""
    if batch_size < 1:
        raise InputError(f"The batch size must be 1 or larger. Received: {batch_size}")


def _divide(count, first_part, seed):
    """Returns the positions below `count` in two sorted arrays, drawn by a seed."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:first_part]), np.sort(order[first_part:])
