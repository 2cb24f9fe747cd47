import numpy as np
import pytest
import tensorflow as tf
from sample_data import random_pixels

from keras_atdarts.data import images


def test_resize_keeps_equal_sizes_untouched():
    pixels = random_pixels(2, 5, 4, 3)
    np.testing.assert_array_equal(images.resize(tf.constant(pixels), (5, 4)), pixels)


def test_resize_halves_by_averaging_and_keeps_constants():
    pixels = np.full((1, 8, 8, 1), 77, np.uint8)
    np.testing.assert_array_equal(
        images.resize(tf.constant(pixels), (4, 4)), np.full((1, 4, 4, 1), 77)
    )


def test_resize_crops_the_centre_of_the_longer_side():
    pixels = np.zeros((4, 12, 1), np.uint8)
    pixels[:, 4:8] = 200
    np.testing.assert_array_equal(images.resize(tf.constant(pixels), (4, 4)), 200)
    np.testing.assert_array_equal(
        images.resize(tf.constant(pixels.transpose(1, 0, 2)), (4, 4)), 200
    )


@pytest.mark.parametrize("size", [(3, 7), (31, 2), (10, 10), (1, 1)])
def test_resize_any_size_of_unknown_input(size):
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def resize(batch):
        return images.resize(batch, size)

    for height, width in ((5, 9), (100, 3), (1, 1)):
        resized = resize(random_pixels(2, height, width, 3))
        assert resized.shape == (2, *size, 3)
        assert resized.dtype == tf.uint8


@pytest.mark.parametrize(
    ("stored", "resized"), [((512, 256), (512, 256)), ((64, 160), (256, 640))]
)
def test_central_fraction_is_a_larger_resize_and_a_crop(stored, resized):
    """256, then 224: what is evaluated on ImageNet."""
    pixels = tf.constant(random_pixels(*stored, 3))
    found = images.resize(pixels, (224, 224), central_fraction=0.875)
    whole = images.scale(pixels, resized).numpy()
    top, left = (resized[0] - 224) // 2, (resized[1] - 224) // 2
    np.testing.assert_array_equal(found, whole[top : top + 224, left : left + 224])


def test_central_fraction_counts_for_images_of_the_right_size_too():
    pixels = np.zeros((8, 8, 1), np.uint8)
    pixels[2:6, 2:6] = 90
    halved = images.resize(tf.constant(pixels), (8, 8), central_fraction=0.5)
    assert np.all(halved.numpy()[1:7, 1:7] == 90) and halved[0, 0, 0] < 90
