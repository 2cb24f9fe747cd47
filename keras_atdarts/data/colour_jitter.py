"""Random brightness, contrast, saturation and hue, of whole batches at once."""

import functools

import tensorflow as tf

from keras_atdarts.data.batch_slices import WHOLE

# How bright red, green and blue look: the weights of ITU-R BT.601.
LUMA = (0.299, 0.587, 0.114)


def jitter_colours(images, seed, batch_slice=WHOLE, *, strengths):
    """Changes the colours of each image of a `uint8` batch by random amounts.

    The amounts differ between images. The changes follow each other in a random
    order, which is the same for all images of a batch. `strengths` has the largest
    amount of each of the `CHANGES`; 0 leaves this change out.

    Returns:
        `float32` images with values from 0 to 255; those received if all strengths
        are 0.

    Reference:
        `ColorJitter` of torchvision, which the reference of DARTS uses.
    """
    batch = tf.shape(images)[0]
    order_seed, *seeds = tf.unstack(tf.random.split(seed, 1 + len(CHANGES)))
    changes = []
    for (name, change), change_seed in zip(CHANGES.items(), seeds, strict=True):
        if strength := strengths[name]:
            shape = [batch, 1, 1, 1]
            amounts = batch_slice.uniform(shape, change_seed, -strength, strength)
            changes.append(functools.partial(change, amounts=amounts))
    if not changes:
        return images
    images = tf.cast(images, tf.float32)
    order = tf.random.experimental.stateless_shuffle(tf.range(len(changes)), order_seed)
    for position in range(len(changes)):
        branches = [functools.partial(change, images) for change in changes]
        images = tf.switch_case(order[position], branches)
    return images


# The four changes take `float32` pixels from 0 to 255, and amounts of shape
# `(batch, 1, 1, 1)`; an amount of 0 changes nothing.


def change_brightness(images, amounts):
    """Multiplies the pixels by `1 + amounts`."""
    return _away_from(tf.zeros_like(amounts), images, amounts)


def change_contrast(images, amounts):
    """Moves the pixels away from the mean brightness of their image."""
    mean_colour = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    return _away_from(_brightness(mean_colour), images, amounts)


def change_saturation(images, amounts):
    """Moves the pixels away from the grey that is as bright as they are."""
    return _away_from(_brightness(images), images, amounts)


def change_hue(images, amounts):
    """Turns the colour circle by `amounts`, of which 1 is a whole turn."""
    hue, saturation, value = tf.split(tf.image.rgb_to_hsv(images / 255.0), 3, axis=-1)
    hue = tf.math.floormod(hue + amounts, 1.0)
    return 255.0 * tf.image.hsv_to_rgb(tf.concat([hue, saturation, value], axis=-1))


# By the name of their strength in `Augmentation`.
CHANGES = {
    "brightness": change_brightness,
    "contrast": change_contrast,
    "saturation": change_saturation,
    "hue": change_hue,
}


def _away_from(origin, images, amounts):
    return tf.clip_by_value(origin + (1 + amounts) * (images - origin), 0.0, 255.0)


def _brightness(images):
    if images.shape[-1] == 1:
        return images
    return tf.matmul(images, tf.constant(LUMA)[:, tf.newaxis])
