import numpy as np
import pytest
import tensorflow as tf
from batch_checks import add_noise
from sample_data import random_pixels

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.augmentation import crop_and_flip
from keras_atdarts.data.augmentation import cut_out
from keras_atdarts.data.batch_slices import WHOLE
from keras_atdarts.data.colour_jitter import jitter_colours
from keras_atdarts.data.images import normalize
from keras_atdarts.errors import InputError

SEED = tf.constant([3, 4], tf.int64)


def possible_results(image, padding, flip):
    """Every crop (and mirror image) that NumPy finds, with its (row, column, flip)."""
    height, width, _ = image.shape
    padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)])
    results = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            window = padded[top : top + height, left : left + width]
            results[window.tobytes()] = (top, left, False)
            if flip:
                results[window[:, ::-1].tobytes()] = (top, left, True)
    return results


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("shape", [(7, 10, 3), (9, 6, 1)])
def test_crop_and_flip_against_numpy(shape, padding, flip):
    images = random_pixels(300, *shape)
    augmented = crop_and_flip(
        tf.constant(images), SEED, padding=padding, flip=flip
    ).numpy()
    assert augmented.dtype == np.uint8 and augmented.shape == images.shape
    found = [
        possible_results(image, padding, flip)[result.tobytes()]
        for image, result in zip(images, augmented, strict=True)
    ]
    # 300 draws of at most 9 offsets per axis meet every one of them.
    offsets = set(range(2 * padding + 1))
    assert {top for top, _, _ in found} == offsets
    assert {left for _, left, _ in found} == offsets
    if padding:
        assert {(top, left) for top, left, _ in found} > {(0, 0), (2 * padding, 0)}
    num_flipped = sum(flipped for _, _, flipped in found)
    assert 110 < num_flipped < 190 if flip else num_flipped == 0


def test_crop_does_not_depend_on_flip():
    images = tf.constant(random_pixels(50, 6, 6, 1))
    straight, mixed = (
        crop_and_flip(images, SEED, padding=4, flip=flip).numpy()
        for flip in (False, True)
    )
    for one, other in zip(straight, mixed, strict=True):
        assert np.array_equal(one, other) or np.array_equal(one[:, ::-1], other)


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_cutout_is_a_square_clipped_at_the_border(side):
    images = tf.ones((400, 9, 6, 2))
    zeroed = cut_out(images, SEED, side=side).numpy() == 0
    np.testing.assert_array_equal(zeroed[..., 0], zeroed[..., 1])
    expected = {
        clipped_square(row, column, side).tobytes()
        for row in range(9)
        for column in range(6)
    }
    assert {mask.tobytes() for mask in zeroed[..., 0]} == expected


def clipped_square(row, column, side):
    mask = np.zeros((9, 6), bool)
    top, left = row - side // 2, column - side // 2
    mask[max(top, 0) : top + side, max(left, 0) : left + side] = True
    return mask


def test_cutout_keeps_the_rest():
    images = tf.random.stateless_normal((20, 8, 8, 3), [0, 1])
    result = cut_out(images, SEED, side=4).numpy()
    np.testing.assert_array_equal(result[result != 0], images.numpy()[result != 0])


def test_everything_off_changes_nothing():
    images = tf.constant(random_pixels(4, 8, 8, 3))
    assert crop_and_flip(images, SEED, padding=0, flip=False) is images
    assert cut_out(images, SEED, side=0) is images


def test_same_seed_same_result():
    images = tf.constant(random_pixels(30, 8, 8, 1))
    other_seed = SEED + 1
    first, again, other = (
        crop_and_flip(images, seed, padding=4, flip=True).numpy()
        for seed in (SEED, SEED, other_seed)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("name", ["crop_padding", "cutout"])
def test_negative_size(name):
    with pytest.raises(InputError, match=f"{name} must be 0 or larger. Received: -1"):
        Augmentation(**{name: -1})


def test_cutout_larger_than_the_image():
    Augmentation(cutout=5).check_images((5, 7, 1))
    with pytest.raises(InputError, match="6 pixels is larger .* 7 x 5: .* 5 or less"):
        Augmentation(cutout=6).check_images((7, 5, 1))


def apply(augmentation, images, seed=SEED):
    """Does what the pipeline does with a batch, of mean 0.5 and deviation 0.25."""
    for function in augmentation.batch_functions((0.5,), (0.25,)):
        images = function(images, seed, WHOLE)
    return images.numpy()


def test_order_and_streams_of_the_changes():
    """They decide the random numbers of all runs: earlier versions had the same."""
    images = tf.constant(random_pixels(6, 8, 8, 1))
    crop_seed, cutout_seed, colour_seed = tf.random.split(SEED, 3)
    strengths = {"brightness": 0.4, "contrast": 0.3, "saturation": 0, "hue": 0}
    expected = crop_and_flip(images, crop_seed, padding=2, flip=True)
    expected = jitter_colours(expected, colour_seed, strengths=strengths)
    expected = normalize(expected, (0.5,), (0.25,))
    expected = cut_out(expected, cutout_seed, side=3)
    found = apply(Augmentation(2, True, 3, brightness=0.4, contrast=0.3), images)
    np.testing.assert_array_equal(found, expected)


def double(images, seed, batch_slice):
    return 2 * images


def test_own_functions_come_last_in_their_order():
    images = tf.constant(random_pixels(4, 8, 8, 1))
    plain = apply(Augmentation(), images)
    noise, noise_doubled, doubled_noise = (
        apply(Augmentation(extra=extra), images) - factor * plain
        for extra, factor in (
            ((add_noise,), 1),
            ((add_noise, double), 2),
            ((double, add_noise), 2),
        )
    )
    np.testing.assert_allclose(noise_doubled, 2 * noise, atol=1e-5)
    assert 0.09 < np.abs(noise).max() <= 0.1001
    assert 0.09 < np.abs(doubled_noise).max() <= 0.1001


def test_own_functions_draw_from_seeds_of_their_own():
    images = tf.constant(random_pixels(4, 8, 8, 1))
    seeds = []

    def note(images, seed, batch_slice):
        seeds.append(tuple(seed.numpy()))
        return images

    for seed in (SEED, SEED, SEED + 1):
        apply(Augmentation(extra=(note, note)), images, seed)
    assert seeds[:2] == seeds[2:4]
    builtin = {tuple(seed.numpy()) for seed in tf.random.split(SEED, 3)}
    assert len({*seeds, *builtin}) == 7


@pytest.mark.parametrize("extra", [add_noise, [add_noise], ("flip",)])
def test_own_functions_that_are_no_tuple_of_functions(extra):
    with pytest.raises(InputError, match=r"write \(function,\) for one. Received: "):
        Augmentation(extra=extra)
