import colorsys

import numpy as np
import pytest
import tensorflow as tf
from sample_data import random_pixels

from keras_atdarts.data import colour_jitter
from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.colour_jitter import CHANGES
from keras_atdarts.errors import InputError

SEED = tf.constant([3, 4], tf.int64)
AMOUNTS = np.array([-0.4, 0.0, 0.3], np.float32)
LUMA = np.array([0.299, 0.587, 0.114])


def colour_images(count=3):
    return random_pixels(count, 6, 5, 3).astype(np.float32)


def jitter_colours(images, seed, **strengths):
    """Draws with the given strengths; those not given are 0."""
    strengths = {**dict.fromkeys(CHANGES, 0), **strengths}
    return colour_jitter.jitter_colours(images, seed, strengths=strengths)


def column(amounts):
    return amounts[:, np.newaxis, np.newaxis, np.newaxis]


def expected_brightness(images, amounts):
    return images * (1 + column(amounts))


def expected_contrast(images, amounts):
    mean = column(np.array([(image @ LUMA).mean() for image in images]))
    return mean + (images - mean) * (1 + column(amounts))


def expected_saturation(images, amounts):
    grey = (images @ LUMA)[..., np.newaxis]
    return grey + (images - grey) * (1 + column(amounts))


def expected_hue(images, amounts):
    def turn(pixel, amount):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel / 255)
        return colorsys.hsv_to_rgb((hue + amount) % 1, saturation, value)

    return 255 * np.array(
        [
            [[turn(pixel, amount) for pixel in row] for row in image]
            for image, amount in zip(images, amounts, strict=True)
        ]
    )


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_that_of_the_definition(name):
    """As `PIL.ImageEnhance` and Python's `colorsys` have it."""
    images = colour_images()
    changed = CHANGES[name](images, column(AMOUNTS))
    expected = globals()[f"expected_{name}"](images, AMOUNTS)
    np.testing.assert_allclose(changed, np.clip(expected, 0, 255), atol=1e-2)
    np.testing.assert_allclose(changed[1], images[1], atol=1e-2)
    assert np.abs(changed[0] - images[0]).max() > 1


def test_constant_image_keeps_its_colour_under_contrast_of_its_brightness():
    grey = np.full((1, 4, 4, 3), 90, np.float32)
    changed = colour_jitter.change_contrast(grey, column(AMOUNTS[:1]))
    np.testing.assert_allclose(changed, grey, rtol=1e-5)
    colour = np.broadcast_to(np.float32([200, 10, 60]), (1, 4, 4, 3))
    changed = colour_jitter.change_contrast(colour, column(AMOUNTS[:1])).numpy()
    assert np.all(changed == changed[0, 0, 0])


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_grey_has_no_colour_to_change(name):
    grey = np.repeat(random_pixels(3, 6, 5, 1), 3, axis=-1).astype(np.float32)
    changed = CHANGES[name](grey, column(AMOUNTS))
    np.testing.assert_allclose(changed, grey, atol=1e-3)


def test_whole_turn_of_the_hue_changes_nothing():
    images = colour_images()
    turned = colour_jitter.change_hue(images, column(np.float32([1, -1, 2])))
    np.testing.assert_allclose(turned, images, atol=1e-2)


def test_nothing_to_change_leaves_the_images():
    images = tf.constant(random_pixels(2, 4, 4, 3))
    assert jitter_colours(images, SEED) is images


def test_amounts_differ_by_image_and_fill_their_range():
    images = tf.fill((500, 1, 1, 3), tf.constant(100, tf.uint8))
    jittered = jitter_colours(images, SEED, brightness=0.4)
    assert jittered.dtype == tf.float32
    factors = jittered.numpy()[:, 0, 0, 0] / 100
    assert 0.6 <= factors.min() < 0.62 and 1.38 < factors.max() <= 1.4
    assert abs(np.mean(factors) - 1) < 0.03


def test_order_differs_between_batches():
    """Brightness and saturation do not commute where pixels are clipped."""
    strengths = {"brightness": 0.9, "saturation": 0.9}
    images = tf.constant(np.full((1, 1, 1, 3), [250, 200, 20], np.uint8))
    orders = set()
    for seed in tf.random.split(SEED, 40):
        received = jitter_colours(images, seed, **strengths).numpy()
        changes = drawn_changes(strengths, seed)
        results = [apply(images, order) for order in (changes, changes[::-1])]
        matches = [np.allclose(received, each, atol=1e-2) for each in results]
        assert any(matches)
        if not all(matches):
            orders.add(matches.index(True))
    assert orders == {0, 1}


def drawn_changes(strengths, seed):
    """Returns what `jitter_colours` draws: functions and their amounts."""
    _, *seeds = tf.random.split(seed, 1 + len(CHANGES))
    return [
        (change, tf.random.stateless_uniform((1, 1, 1, 1), change_seed, -0.9, 0.9))
        for (name, change), change_seed in zip(CHANGES.items(), seeds, strict=True)
        if name in strengths
    ]


def apply(images, changes):
    images = tf.cast(images, tf.float32)
    for change, amounts in changes:
        images = change(images, amounts)
    return images


def test_same_seed_same_colours():
    images = tf.constant(random_pixels(4, 5, 5, 3))
    everything = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}
    first, again, other = (
        jitter_colours(images, seed, **everything).numpy()
        for seed in (SEED, SEED, SEED + 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert first.min() >= 0 and first.max() <= 255.01


def test_images_without_colours():
    grey = tf.constant(random_pixels(4, 5, 5, 1))
    strengths = {"brightness": 0.4, "contrast": 0.4}
    Augmentation(**strengths).check_images((5, 5, 1))
    assert jitter_colours(grey, SEED, **strengths).shape == (4, 5, 5, 1)
    for name in ("saturation", "hue"):
        with pytest.raises(InputError, match=f"{name} of 0.1 .* 3 channels; .* 1"):
            Augmentation(**{name: 0.1}).check_images((5, 5, 1))
