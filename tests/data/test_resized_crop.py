"""Batches of random parts of images."""

import numpy as np
import pytest
from batch_checks import assert_same
from batch_checks import take
from sample_data import write_image

from keras_atdarts.data import shuffling
from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import load_dataset

RECIPE = Augmentation(
    crop_padding=0,
    resized_crop=True,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.2,
)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """60 + 6 images that differ in size: a level in red, columns in green."""
    root = tmp_path_factory.mktemp("photographs")
    for label, name in enumerate("abc"):
        for index in range(22):
            pixels = np.zeros((20 + label, 30 + 2 * index, 3), np.uint8)
            pixels[..., 0] = 3 * (22 * label + index)
            pixels[..., 1] = np.linspace(0, 255, pixels.shape[1])
            write_image(root / name / f"{index:03}.png", pixels)
    return load_dataset(root, image_size=(16, 12))


def test_resized_crop_shows_parts_of_every_image_once(photographs):
    crop = Augmentation(crop_padding=0, flip=False, resized_crop=True)
    batches = take(training_batches(photographs, 5, crop, seed=0), 24)
    stored = np.sort(photographs.arrays("train")[0][:, 0, 0, 0])
    widths = []
    for epoch in (batches[:12], batches[12:]):
        images = np.concatenate([images for images, _ in epoch])
        pixels = 255 * (images * photographs.std + photographs.mean)
        levels = np.rint(pixels[:, 0, 0, 0])
        np.testing.assert_array_equal(np.sort(levels), stored)
        labels = np.concatenate([labels for _, labels in epoch])
        np.testing.assert_array_equal(levels // 66, labels)
        order = np.argsort(levels)
        widths.append((pixels[:, 8, -1, 1] - pixels[:, 8, 0, 1])[order])
    # Parts, not the centre: their widths differ between images and between epochs.
    assert np.std(widths[0]) > 10
    assert np.mean(np.abs(widths[0] - widths[1])) > 10


def test_resized_crop_is_a_function_of_seed_and_epoch(photographs):
    whole, again, other = (
        take(training_batches(photographs, 8, RECIPE, seed), 14) for seed in (5, 5, 6)
    )
    assert_same(whole, again)
    assert any(np.any(a[0] != b[0]) for a, b in zip(whole, other, strict=True))
    later = training_batches(photographs, 8, RECIPE, 5, first_batch=3)
    assert_same(take(later, 11), whole[3:])


def test_resized_crop_in_small_blocks(photographs, monkeypatch):
    num_bytes = photographs.encoded_bytes("train")
    monkeypatch.setattr(shuffling, "SHUFFLE_BUFFER", 7 * num_bytes)
    crop = Augmentation(crop_padding=0, resized_crop=True)
    batches = take(training_batches(photographs, 10, crop, seed=0), 6)
    images = np.concatenate([images for images, _ in batches])
    levels = np.rint(255 * (images * photographs.std + photographs.mean)[:, 0, 0, 0])
    stored = photographs.arrays("train")[0][:, 0, 0, 0]
    np.testing.assert_array_equal(np.sort(levels), np.sort(stored))
    np.testing.assert_array_equal(np.sort(levels[:7]), np.sort(stored[:7]))
    assert np.any(levels[:7] != stored[:7])


def test_recipe_has_static_shapes(photographs):
    images, labels = training_batches(photographs, 7, RECIPE, seed=0).element_spec
    assert images.shape == (7, 16, 12, 3) and images.dtype == "float32"
    assert labels.shape == (7,) and labels.dtype == "int32"
