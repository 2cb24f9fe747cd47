"""Contact sheets: images, and maps laid over them, side by side."""

import numpy as np
import tensorflow as tf

from keras_atdarts.data.images import scale
from keras_atdarts.experiments.runs import atomic

TILE = 112  # Pixels of the longer side of a picture.
GAP = 8  # Pixels between two pictures, and half of it around all.
WHITE = 255
SMALLEST_SPAN = 0.05  # Of values on one scale: less is no difference to be shown.
MAP_SHARE = 0.6  # Of the colours of a map that lies over an image.
# Viridis at equal steps: from dark to light without a jump, also in grey.
VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    "float64",
)


def colours(values):
    """Returns the colours of numbers, from 0, dark blue, to 1, yellow.

    Args:
        values: Array of any shape; NaN is white, and what lies outside of 0 to 1 has
            the colour of the end.

    Returns:
        `uint8` array `(..., 3)`.
    """
    values = np.asarray(values, "float64")
    places = np.clip(np.nan_to_num(values), 0, 1) * (len(VIRIDIS) - 1)
    steps = np.arange(len(VIRIDIS))
    channels = [np.interp(places, steps, channel) for channel in VIRIDIS.T]
    coloured = np.stack(channels, axis=-1)
    coloured[np.isnan(values)] = WHITE
    return np.round(coloured).astype(np.uint8)


def on_scale(values):
    """Returns values brought to 0 to 1, and what has become 0 and 1.

    Args:
        values: Array of any shape; NaN stays.

    Returns:
        Array of the same shape, and two floats.
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    missing = max(SMALLEST_SPAN - (high - low), 0)
    low, high = low - missing / 2, high + missing / 2
    return (values - low) / (high - low), low, high


def tile_size(image_size):
    """Returns the height and width in which images of a size are shown."""
    longer = max(image_size)
    if longer <= TILE:
        return tuple(length * (TILE // longer) for length in image_size)
    return tuple(max(1, round(length * TILE / longer)) for length in image_size)


def picture(image):
    """Returns an image in the size of a tile and in three colours.

    Args:
        image: `uint8` array `(height, width, channels)`. Of other than three
            channels, the mean is shown.
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
    """Returns a map in another size, interpolated between the middles of its pixels.

    Args:
        values: Array `(height, width)`.
        size: Pair of integers, height and width.
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
    mixed = MAP_SHARE * coloured + (1 - MAP_SHARE) * grey
    return np.round(mixed).astype(np.uint8)


def sheet(rows):
    """Returns pictures in rows and columns.

    Each has the same place around it, so that a caption above a column, or beside a
    row, that is as wide, or high, as its share of the sheet stands where it belongs.

    Args:
        rows: List of lists of `uint8` arrays `(height, width, 3)`. What is smaller
            than the largest has white around it.
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
