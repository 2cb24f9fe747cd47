"""Images as tensors: resizing, normalising."""

import numpy as np
import tensorflow as tf


def resize(images, image_size, central_fraction=1.0):
    """Resizes images without distortion, and crops their centre.

    Args:
        images: `uint8` tensor of shape `(height, width, channels)` or
            `(batch, height, width, channels)`.
        image_size: Pair of integers, height and width.
        central_fraction: Float above 0, at most 1. An image with the aspect ratio of
            `image_size` keeps this fraction of its height and width. With 224 x 224
            and 0.875 the shorter side is resized to 256 pixels, then cropped to 224.

    Returns:
        A `uint8` tensor with the height and width of `image_size`.
    """
    if tuple(images.shape[-3:-1]) == tuple(image_size) and central_fraction == 1:
        return images
    received = tf.shape(images)[-3:-1]
    wanted = tf.constant(image_size, tf.int32)
    ratio = tf.reduce_max(tf.cast(wanted, tf.float32) / tf.cast(received, tf.float32))
    covering = tf.cast(received, tf.float32) * (ratio / central_fraction)
    covering = tf.maximum(tf.cast(tf.round(covering), tf.int32), wanted)
    images = scale(images, covering)
    top, left = tf.unstack((covering - wanted) // 2)
    height, width = image_size
    images = images[..., top : top + height, left : left + width, :]
    return tf.ensure_shape(images, (*images.shape[:-3], *image_size, images.shape[-1]))


def scale(images, image_size):
    """Resizes images to a height and width, with averaging if they get smaller.

    The aspect ratio may change.

    Args:
        images: As in `resize`.
        image_size: Height and width: a pair of integers, or an integer tensor.

    Returns:
        A `uint8` tensor with that height and width.
    """
    images = tf.image.resize(images, image_size, antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(images, 0.0, 255.0)), tf.uint8)


def normalize(images, mean, std):
    """Brings the pixels of a data set to mean 0 and standard deviation 1.

    Args:
        images: Tensor `(..., channels)` of pixels from 0 to 255, of any dtype.
        mean: Sequence of `channels` floats, the mean of pixels from 0 to 1.
        std: Sequence of `channels` floats, their standard deviation.

    Returns:
        A `float32` tensor of the same shape.
    """
    std = 255 * np.array(std)
    scale = (1 / std).astype("float32")
    offset = (-255 * np.array(mean) / std).astype("float32")
    return tf.cast(images, tf.float32) * scale + offset
