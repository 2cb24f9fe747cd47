"""A random part of an image, resized: the crop with which ImageNet is learned."""

import math

import tensorflow as tf

from keras_atdarts.data.decoding import decode_part
from keras_atdarts.data.images import scale

# The area of the part in that of the image, and its width over its height.
AREA = (0.08, 1.0)
ASPECT_RATIO = (3 / 4, 4 / 3)
NUM_ATTEMPTS = 10


def decode_random_part(content, seed, image_shape):
    """Decodes a random part of an image, and resizes it.

    Args:
        content: String tensor, the bytes of an image file.
        seed: Integer tensor of shape `(2,)`; the same seed gives the same part.
        image_shape: `(height, width, channels)` of the result.

    Returns:
        A `uint8` tensor of `image_shape`.
    """
    part = decode_part(content, image_shape[-1], lambda size: random_box(size, seed))
    return tf.ensure_shape(scale(part, image_shape[:2]), image_shape)


def random_box(size, seed):
    """Draws a box with 8 to 100 % of an image's area, 3/4 to 4/3 as wide as high.

    The area, the logarithm of the aspect ratio, and the place are uniform. Of ten
    boxes the first one that fits into the image is taken. If none fits, the box is
    the largest one with an aspect ratio that is allowed.

    Args:
        size: Integer tensor of shape `(2,)`: height and width of the image.
        seed: Integer tensor of shape `(2,)`; the same seed gives the same box.

    Returns:
        An `int32` tensor of shape `(4,)`: top, left, height, width.

    Reference:
        `RandomResizedCrop` of torchvision, which the reference of DARTS uses.
    """
    size = tf.cast(size, tf.float32)
    area_seed, ratio_seed, place_seed = tf.unstack(tf.random.split(seed, 3))
    areas = tf.random.stateless_uniform([NUM_ATTEMPTS], area_seed, *AREA)
    areas *= tf.reduce_prod(size)
    log_ratios = (math.log(ratio) for ratio in ASPECT_RATIO)
    ratios = tf.random.stateless_uniform([NUM_ATTEMPTS], ratio_seed, *log_ratios)
    ratios = tf.exp(ratios)
    drawn = tf.stack([tf.sqrt(areas / ratios), tf.sqrt(areas * ratios)], axis=-1)
    last_resort = tf.minimum(size, size[::-1] * max(ASPECT_RATIO))
    boxes = tf.concat([drawn, last_resort[tf.newaxis]], axis=0)
    boxes = tf.maximum(tf.round(boxes), 1.0)
    fits = tf.reduce_all(boxes <= size, axis=-1)
    box = boxes[tf.argmax(tf.cast(fits, tf.int32))]  # The first that fits.
    place = tf.random.stateless_uniform([2], place_seed) * (size - box + 1)
    return tf.cast(tf.concat([tf.floor(place), box], axis=0), tf.int32)
