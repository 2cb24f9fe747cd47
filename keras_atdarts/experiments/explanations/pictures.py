"""Images, maps and tables of numbers as pictures: colours, sizes, arrangement."""

import numpy as np
import tensorflow as tf

from keras_atdarts import atomic
from keras_atdarts.data.images import scale

TILE = 112  # Pixels of the longer side of a picture.
GAP = 8  # Pixels between two pictures, and half of it around all.
WHITE = 255
SMALLEST_SPAN = 0.05  # Between the ends of a scale: smaller differences stay small.
MAP_OPACITY = 0.6  # Of a map that lies over an image.
# The colours of Viridis at equal steps, as red, green and blue: they get lighter
# without a jump, also in grey.
VIRIDIS = (
    (68, 71, 59, 44, 33, 39, 92, 170, 253),
    (1, 44, 81, 113, 144, 173, 200, 220, 231),
    (84, 122, 139, 142, 141, 129, 99, 50, 37),
)


def colours(values):
    """Returns the colours of numbers, from 0, dark blue, to 1, yellow.

    Args:
        values: Array of any shape. NaN is white; numbers below 0 and above 1 have the
            colours of the ends.

    Returns:
        `uint8` array `(..., 3)`.
    """
    values = np.asarray(values, "float64")
    steps = np.linspace(0, 1, len(VIRIDIS[0]))
    coloured = np.stack([np.interp(values, steps, each) for each in VIRIDIS], axis=-1)
    coloured[np.isnan(values)] = WHITE
    return np.round(coloured).astype(np.uint8)


def on_scale(values):
    """Returns an array scaled to 0 to 1, and the two values that became 0 and 1.

    NaN stays.
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    missing = max(SMALLEST_SPAN - (high - low), 0)
    low, high = low - missing / 2, high + missing / 2
    return (values - low) / (high - low), low, high


def tile_size(image_size):
    """Returns the height and width of the pictures of images of a size."""
    longer = max(image_size)
    if longer <= TILE:
        return tuple(length * (TILE // longer) for length in image_size)
    return tuple(max(1, round(length * TILE / longer)) for length in image_size)


def picture(image):
    """Returns an image in the size of a tile, as `uint8` `(height, width, 3)`.

    Args:
        image: `uint8` array `(height, width, channels)`. If there are not three
            channels, their mean is shown in grey.
    """
    height, width = tile_size(image.shape[:2])
    if height < image.shape[0]:
        image = scale(image, (height, width)).numpy()
    else:
        times = height // image.shape[0]
        image = image.repeat(times, axis=0).repeat(times, axis=1)
    if image.shape[-1] != 3:
        grey = image.mean(axis=-1, keepdims=True).round().astype(np.uint8)
        image = grey.repeat(3, axis=-1)
    return image


def upsampled(values, size):
    """Returns a map `(height, width)` in another size.

    It is interpolated between the middles of its pixels.
    """
    values = np.asarray(values, "float32")[..., np.newaxis]
    return tf.image.resize(values, size, method="bilinear").numpy()[..., 0]


def overlay(shown, values):
    """Returns a picture with the colours of a map over it.

    Args:
        shown: `uint8` array `(height, width, 3)`, from `picture`.
        values: Array `(height, width)` of any size, between 0 and 1.
    """
    grey = shown.mean(axis=-1, keepdims=True)
    coloured = colours(upsampled(values, shown.shape[:2]))
    mixed = MAP_OPACITY * coloured + (1 - MAP_OPACITY) * grey
    return np.round(mixed).astype(np.uint8)


def arranged(rows):
    """Returns pictures in rows and columns as one picture.

    All rows are equally high, and all columns equally wide, with white around smaller
    pictures. So captions of equal size above and beside them stand in the right place.

    Args:
        rows: List of lists of `uint8` arrays `(height, width, 3)`.
    """
    pictures = [each for row in rows for each in row]
    height, width = np.max([each.shape[:2] for each in pictures], axis=0) + GAP
    lines = [
        np.concatenate([centred(each, height, width) for each in row], axis=1)
        for row in rows
    ]
    return np.concatenate(lines, axis=0)


def centred(pixels, height, width):
    """Returns a picture in the middle of a white one."""
    paper = np.full((height, width, 3), WHITE, np.uint8)
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    paper[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return paper


def heat_map(values, row_height, column_width):
    """Returns a table of numbers between 0 and 1 as a picture, a cell for each."""
    enlarged = np.asarray(values).repeat(row_height, axis=0)
    return colours(enlarged.repeat(column_width, axis=1))


def write_picture(path, pixels):
    """Writes a `uint8` array `(height, width, 3)` as a PNG file, atomically."""
    with atomic.replacing(path) as partial:
        partial.write_bytes(tf.io.encode_png(pixels).numpy())
