"""Files of images as tensors, the same wherever one is read.

All of this is TensorFlow operations, so that a SavedModel can carry it.
"""

import re

import tensorflow as tf

from keras_atdarts.data.orientation import read_orientation
from keras_atdarts.data.orientation import stored_box
from keras_atdarts.data.orientation import upright
from keras_atdarts.data.orientation import upright_size

# What is read, by the end of a file's name.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
# TensorFlow's other method, its default, is up to 15 of 255 off.
EXACT = {"dct_method": "INTEGER_ACCURATE"}
# ITU-R BT.601: the brightness of red, green and blue, in 65536ths.
LUMINANCE = (19595, 38470, 7471)


def decode(content, shape):
    """Decodes an image file: a PNG, JPEG, WebP, BMP or (first frame of a) GIF.

    Args:
        content: Scalar string tensor, the bytes of the file.
        shape: Tuple `(height, width, channels)` of the image; height and width may
            be `None`. With 1 channel a colour image becomes its luminance, with 3
            channels a grey image is repeated. Transparency is dropped.

    Returns:
        A `uint8` tensor of that shape. A JPEG is turned as its Exif metadata say;
        one in CMYK becomes RGB.
    """
    return tf.ensure_shape(with_channels(decode_as_stored(content), shape[-1]), shape)


def decode_as_stored(content):
    """Decodes an image file like `decode`, with the channels that it has.

    Returns:
        A `uint8` tensor `(height, width, channels)` of 1 to 4 channels: grey, grey
        and transparency, RGB, RGB and transparency.
    """

    def jpeg():
        return upright(tf.io.decode_jpeg(content, **EXACT), read_orientation(content))

    def other():
        return tf.io.decode_image(content, expand_animations=False)

    return tf.cond(tf.io.is_jpeg(content), jpeg, other)


def decode_part(content, channels, choose_box):
    """Decodes a part of an image, and of a JPEG no more than that part.

    A JPEG stores colours more coarsely than pixels. At the border of the part they
    can differ a little from those of the whole image, because the colours beyond
    are not decoded.

    Args:
        content: Scalar string tensor, the bytes of the file.
        channels: Integer, as in `decode`.
        choose_box: Function from the height and width of the image, an integer
            tensor of shape `(2,)`, to the box, one of shape `(4,)`: top, left,
            height and width.

    Returns:
        A `uint8` tensor of shape `(height, width, channels)`.
    """

    def jpeg():
        orientation = read_orientation(content)
        size = tf.io.extract_jpeg_shape(content)[:2]
        box = choose_box(upright_size(size, orientation))
        box = stored_box(box, size, orientation)
        part = tf.image.decode_and_crop_jpeg(content, box, **EXACT)
        return upright(part, orientation)

    def other():
        image = tf.io.decode_image(content, expand_animations=False)
        top, left, height, width = tf.unstack(choose_box(tf.shape(image)[:2]))
        return image[top : top + height, left : left + width]

    return with_channels(tf.cond(tf.io.is_jpeg(content), jpeg, other), channels)


def with_channels(image, channels):
    """Makes a colour image grey, or a grey one colourful, if need be.

    Args:
        image: `uint8` tensor of shape `(height, width, 1 to 4)`, as in
            `decode_as_stored`.
        channels: Integer. 1 takes the luminance of a colour image, 3 repeats a grey
            one; both drop transparency. Other numbers must be that of the image.

    Returns:
        A `uint8` tensor of shape `(height, width, channels)`.
    """
    is_grey = tf.shape(image)[-1] < 3
    if channels == 1:
        return tf.cond(is_grey, lambda: image[..., :1], lambda: luminance(image))
    if channels == 3:
        return tf.cond(
            is_grey,
            lambda: tf.repeat(image[..., :1], 3, axis=-1),
            lambda: image[..., :3],
        )
    return image


def luminance(image):
    """Returns the brightness of a colour image.

    Args:
        image: `uint8` tensor of shape `(height, width, 3 or 4)`.

    Returns:
        A `uint8` tensor of shape `(height, width, 1)`.
    """
    weighted = tf.cast(image[..., :3], tf.int32) * tf.constant(LUMINANCE)
    total = tf.reduce_sum(weighted, axis=-1, keepdims=True)
    return tf.cast((total + 2**15) // 2**16, tf.uint8)


def error_reason(error):
    """Returns one line on what went wrong, from a `tf.errors.OpError`."""
    lines = re.sub(r"{{.*?}}|\[Op:.*", "", error.message).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
