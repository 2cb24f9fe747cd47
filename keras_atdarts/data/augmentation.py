"""Random crop, horizontal flip and cutout, of whole batches at once."""

import dataclasses

import tensorflow as tf

from keras_atdarts.data.colour_jitter import CHANGES
from keras_atdarts.data.shares import WHOLE
from keras_atdarts.errors import InputError


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Which random changes training images get.

    Args:
        crop_padding: Integer, the width in pixels of the black border from which a
            window of the original size is cropped; 0 switches the crop off.
        flip: Whether half of the images are mirrored left to right.
        cutout: Integer, the side in pixels of a square set to the mean colour
            around a random pixel; 0 switches it off.
        resized_crop: Whether, before all else, a random part of the image in its
            own size takes the place of the image (`cropping.random_box`).
        brightness: Float; images get up to this part brighter or darker.
        contrast: Float, like `brightness`.
        saturation: Float, like `brightness`.
        hue: Float, the part of the circle of colours by which it turns at most.

    Reference:

    - [DeVries and Taylor, 2017](https://arxiv.org/abs/1708.04552) (cutout)
    """

    crop_padding: int = 4
    flip: bool = True
    cutout: int = 0
    resized_crop: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self):
        for name in ("crop_padding", "cutout", *CHANGES):
            value = getattr(self, name)
            if value < 0:
                raise InputError(f"{name} must be 0 or larger. Received: {value}")

    def check_images(self, image_shape):
        """Raises `InputError` where images `(height, width, channels)` do not do."""
        height, width, channels = image_shape
        if self.cutout > min(height, width):
            raise InputError(
                f"A cutout of {self.cutout} pixels is larger than the images of "
                f"{height} x {width}: set it to {min(height, width)} or less."
            )
        for name in ("saturation", "hue"):
            if getattr(self, name) and channels != 3:
                raise InputError(
                    f"A {name} of {getattr(self, name)} needs images of 3 channels; "
                    f"these have {channels}: set it to 0."
                )


def crop_and_flip(images, augmentation, seed, share=WHOLE):
    """Crops and mirrors each image of a batch on its own.

    Args:
        images: `uint8` tensor of shape `(batch, height, width, channels)`.
        augmentation: An `Augmentation`.
        seed: Integer tensor of shape `(2,)`; the same seed gives the same result.
        share: The `Share` of a batch that `images` are.

    Returns:
        A tensor like `images`.
    """
    padding = augmentation.crop_padding
    if not padding and not augmentation.flip:
        return images
    batch = tf.shape(images)[0]
    height, width, channels = images.shape[1:]
    top_seed, left_seed, flip_seed = tf.unstack(tf.random.split(seed, 3))
    rows = _windows(batch, height, padding, top_seed, share)
    columns = _windows(batch, width, padding, left_seed, share)
    if augmentation.flip:
        flipped = share.uniform([batch, 1], flip_seed) < 0.5
        columns = tf.where(flipped, columns[:, ::-1], columns)
    # One flat gather does crop and flip together, in half the time of one
    # gather per axis.
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    rows += padded_height * tf.range(batch)[:, tf.newaxis]
    pixels = rows[:, :, tf.newaxis] * padded_width + columns[:, tf.newaxis, :]
    border = [padding, padding]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]])
    return tf.gather(tf.reshape(padded, [-1, channels]), pixels)


def cut_out(images, side, seed, share=WHOLE):
    """Zeroes a square of each image, clipped where it leaves the image.

    Args:
        images: Normalised float tensor `(batch, height, width, channels)`.
        side: Integer, the side of the square in pixels; 0 changes nothing.
        seed: Integer tensor of shape `(2,)`.
        share: The `Share` of a batch that `images` are.

    Returns:
        A tensor like `images`.
    """
    if not side:
        return images
    batch = tf.shape(images)[0]
    row_seed, column_seed = tf.unstack(tf.random.split(seed, 2))
    rows = _inside_square(batch, images.shape[1], side, row_seed, share)
    columns = _inside_square(batch, images.shape[2], side, column_seed, share)
    inside = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    return tf.where(inside[..., tf.newaxis], 0.0, images)


def _windows(batch, length, padding, seed, share):
    """Random windows of `length` positions in the padded length."""
    starts = share.uniform([batch, 1], seed, 0, 2 * padding + 1, tf.int32)
    return starts + tf.range(length)


def _inside_square(batch, length, side, seed, share):
    centres = share.uniform([batch, 1], seed, 0, length, tf.int32)
    distances = tf.range(length) - centres + side // 2
    return (distances >= 0) & (distances < side)
