import numpy as np
import pytest
import tensorflow as tf
from sample_data import random_pixels

from keras_atdarts.data import cropping
from keras_atdarts.data import decoding

SEED = tf.constant([3, 4], tf.int64)


def boxes(size, count):
    seeds = tf.random.split(SEED, count)
    draw = tf.function(lambda seed: cropping.random_box(size, seed))
    return np.array([draw(seed) for seed in seeds])


@pytest.mark.parametrize("size", [(375, 500), (224, 224), (100, 64)])
def test_boxes_lie_inside_and_have_legal_area_and_aspect(size):
    drawn = boxes(size, 500)
    assert drawn.dtype == np.int32
    place, part = drawn[:, :2], drawn[:, 2:]
    assert np.all(place >= 0) and np.all(part >= 1) and np.all(place + part <= size)
    # A side is off by up to half a pixel, which is rounded away.
    heights, widths = part.T
    areas = (heights * widths) / np.prod(size)
    slack = (0.5 * (heights + widths) + 0.25) / np.prod(size)
    assert np.all(areas >= 0.08 - slack) and np.all(areas <= 1.0)
    ratios = widths / heights
    assert np.all((widths + 0.5) / (heights - 0.5) >= 3 / 4)
    assert np.all((widths - 0.5) / (heights + 0.5) <= 4 / 3)
    assert areas.min() < 0.12 and areas.max() > 0.75
    assert ratios.min() < 0.8 and ratios.max() > 1.25
    # Every place is met: boxes at all four borders.
    room = np.array(size) - part
    assert np.all((place == 0).any(axis=0)) and np.all((place == room).any(axis=0))


def test_areas_are_uniform_where_every_box_fits():
    """Small parts of a square always fit; among them no area is preferred."""
    drawn = boxes((1000, 1000), 2000)
    areas = drawn[:, 2] * drawn[:, 3] / 1e6
    small = areas[areas < 0.56]  # 3/4 of a square whose side is the image's: 0.75^2.
    counts, _ = np.histogram(small, bins=4, range=(0.08, 0.56))
    assert np.ptp(counts) < 0.25 * counts.mean()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10, 1000), (10, 13)), ((1000, 30), (40, 30)), ((1, 1), (1, 1))],
)
def test_image_too_long_for_any_box_gives_its_largest_legal_part(size, expected):
    drawn = boxes(size, 20)
    np.testing.assert_array_equal(drawn[:, 2:], [expected] * 20)
    assert len(np.unique(drawn, axis=0)) == (1 if size == (1, 1) else 20)


def encode(pixels, kind):
    return (tf.io.encode_jpeg if kind == "jpeg" else tf.io.encode_png)(pixels)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("stored", [1, 3])
def test_the_part_is_that_of_the_whole_image(kind, stored):
    content = encode(random_pixels(40, 60, stored), kind)
    whole = decoding.decode(content, (40, 60, 3)).numpy()
    part = decoding.decode_part(content, 3, lambda size: tf.constant([5, 7, 30, 41]))
    assert part.shape == (30, 41, 3)
    # JPEG interpolates colour between pixels; at the border it lacks neighbours.
    np.testing.assert_array_equal(part[2:-2, 2:-2], whole[7:33, 9:46])
    everything = decoding.decode_part(
        content, 3, lambda size: tf.concat([[0, 0], size], axis=0)
    )
    np.testing.assert_array_equal(everything, whole)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_decoded_part_is_the_drawn_box_resized(kind):
    # Each pixel tells its place: red the row, green the column.
    rows, columns = np.mgrid[0:100, 0:120]
    pixels = np.stack([2 * rows, 2 * columns, 0 * rows], axis=-1).astype(np.uint8)
    content = encode(pixels, kind)
    top, left, height, width = cropping.random_box((100, 120), SEED).numpy()
    part = cropping.decode_random_part(content, SEED, (32, 24, 3))
    assert part.shape == (32, 24, 3) and part.dtype == tf.uint8
    found = part.numpy().astype(float) / 2
    expected_rows = top + (np.arange(32) + 0.5) * height / 32 - 0.5
    expected_columns = left + (np.arange(24) + 0.5) * width / 24 - 0.5
    np.testing.assert_allclose(found[5:-5, 12, 0], expected_rows[5:-5], atol=2)
    np.testing.assert_allclose(found[16, 4:-4, 1], expected_columns[4:-4], atol=2)


def test_same_seed_same_part():
    content = encode(random_pixels(30, 40, 3), "jpeg")
    first, again, other = (
        cropping.decode_random_part(content, seed, (8, 8, 3)).numpy()
        for seed in (SEED, SEED, SEED + 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
