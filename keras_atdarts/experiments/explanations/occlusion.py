"""Where a classifier looks, found from its answers alone.

Reference:
    Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014,
    https://arxiv.org/abs/1311.2901, section 4.2.
"""

import numpy as np

BATCH_SIZE = 16
PATCHES_PER_SIDE = 4  # So many patches are as long as the shorter side of an image.


def occlusion_map(predict, image):
    """Returns how much the likeliest class depends on each part of an image.

    A square patch of the image's mean colour hides one part after another. It moves by
    half its side.

    Args:
        predict: Function from `uint8` images `(batch, height, width, channels)` to
            probabilities `(batch, num_classes)`.
        image: `uint8` array `(height, width, channels)`.

    Returns:
        Probabilities `(num_classes,)` of the whole image. Array `(height, width)`: how
        much the probability of the likeliest class falls, on average over the patches
        that hide a pixel. It is negative where the probability rises.
    """
    whole = np.asarray(predict(image[np.newaxis]))[0]
    likeliest = int(np.argmax(whole))
    colour = np.round(image.mean(axis=(0, 1))).astype(np.uint8)
    patches = patch_places(image.shape[:2])
    total, times = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for start in range(0, len(patches), BATCH_SIZE):
        part = patches[start : start + BATCH_SIZE]
        hidden = np.repeat(image[np.newaxis], len(part), axis=0)
        for occluded, place in zip(hidden, part, strict=True):
            occluded[place] = colour
        falls = whole[likeliest] - np.asarray(predict(hidden))[:, likeliest]
        for fall, place in zip(falls, part, strict=True):
            total[place] += fall
            times[place] += 1
    return whole, total / times


def patch_places(image_size):
    """Returns the pairs of slices of all patches, which cover the image."""
    side = max(1, min(image_size) // PATCHES_PER_SIDE)
    step = max(1, side // 2)
    tops, lefts = (
        [*range(0, length - side, step), length - side] for length in image_size
    )
    return [
        (slice(top, top + side), slice(left, left + side))
        for top in tops
        for left in lefts
    ]
