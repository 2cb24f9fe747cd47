"""Batches of images and labels: changes, reads and compares them."""

import numpy as np


def add_noise(images, seed, batch_slice):
    return images + batch_slice.uniform(images.shape, seed, -0.1, 0.1)


def take(batches, count):
    return list(batches.take(count).as_numpy_iterator())


def assert_same(batches, others):
    for (images, labels), (other_images, other_labels) in zip(
        batches, others, strict=True
    ):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)
