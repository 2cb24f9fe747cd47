"""What is changed at random in training images, and in which order."""

import dataclasses
import functools

import tensorflow as tf

from keras_atdarts.data.batch_slices import WHOLE
from keras_atdarts.data.colour_jitter import CHANGES
from keras_atdarts.data.colour_jitter import jitter_colours
from keras_atdarts.data.cropping import decode_random_part
from keras_atdarts.data.images import normalize
from keras_atdarts.errors import InputError

# Those before it are for the changes of this package.
FIRST_STREAM_OF_EXTRA = 16


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The random changes that training images get.

    The changes and their order are the tuple that `batch_functions` returns.

    Args:
        crop_padding: Integer, the width in pixels of a black border around the
            image. A random window of the original size is cropped from both
            together. 0 switches the crop off.
        flip: Boolean, whether half of the images are mirrored left to right.
        cutout: Integer, the side in pixels of a square that is set to the mean
            colour, around a random pixel. 0 switches it off.
        resized_crop: Boolean, whether a random part of the stored image, resized,
            takes the place of the image. This comes before all other changes.
        brightness: Float; images get brighter or darker by up to this fraction.
        contrast: Float, the same for the contrast.
        saturation: Float, the same for the saturation.
        hue: Float, by which fraction of the colour circle hues turn at most.
        extra: Tuple of your own functions `(images, seed, batch_slice) -> images`.
            They come last, in their order.
            `images` are normalised `float32` of shape
            `(batch, height, width, channels)`; the result has the same shape.
            `seed` is an integer tensor of shape `(2,)`, a different one for each
            batch and function.
            `batch_slice` draws random numbers: `batch_slice.uniform`. A function
            that draws from it with `seed`, and in no other way, gives the same
            result when a run is repeated or continued, and on several machines.

    Raises:
        InputError: A number is negative, or `extra` is no tuple of functions.

    Example:

    ```python
    def add_noise(images, seed, batch_slice):
        return images + batch_slice.uniform(images.shape, seed, -0.1, 0.1)

    augmentation = Augmentation(cutout=16, extra=(add_noise,))
    batches = training_batches(dataset, 64, augmentation, seed=0)
    ```

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
    extra: tuple = ()

    def __post_init__(self):
        for name in ("crop_padding", "cutout", *CHANGES):
            value = getattr(self, name)
            if value < 0:
                raise InputError(f"{name} must be 0 or larger. Received: {value}")
        if not isinstance(self.extra, tuple) or not all(map(callable, self.extra)):
            raise InputError(
                "extra must be a tuple of functions: write (function,) for one. "
                f"Received: {self.extra!r}"
            )

    def check_images(self, image_shape):
        """Checks that images can be changed like this.

        Args:
            image_shape: `(height, width, channels)` of the images.

        Raises:
            InputError: The cutout is larger than the images, or they have no colours
                to change.
        """
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

    def random_decoder(self, image_shape):
        """Returns what decodes a stored image, if it does so at random.

        Args:
            image_shape: `(height, width, channels)` of the decoded image.

        Returns:
            Function `(content, seed) -> image` from the bytes of an image file to
            `uint8` pixels. `None` if all images are decoded the same in each epoch.
        """
        if not self.resized_crop:
            return None
        return functools.partial(decode_random_part, image_shape=image_shape)

    def batch_functions(self, mean, std):
        """Returns the functions that change a batch, in their order.

        A further change is one more line here. The number in it is that of a stream
        of random numbers. With a new number, the other changes draw what they drew
        before.

        Args:
            mean: Sequence of floats, as in `normalize`.
            std: Sequence of floats, as in `normalize`.

        Returns:
            Tuple of functions `(images, seed, batch_slice) -> images`, as in `extra`.
            The first one receives `uint8` pixels, the last one returns normalised
            `float32`. All receive the same seed; the same one gives the same result.
        """
        strengths = {name: getattr(self, name) for name in CHANGES}
        return (
            # These change pixels from 0 to 255.
            _drawing(0, crop_and_flip, padding=self.crop_padding, flip=self.flip),
            _drawing(2, jitter_colours, strengths=strengths),
            lambda images, *_: normalize(images, mean, std),
            # These change pixels of mean 0 and standard deviation 1.
            _drawing(1, cut_out, side=self.cutout),
            *(
                _drawing(number, function)
                for number, function in enumerate(self.extra, FIRST_STREAM_OF_EXTRA)
            ),
        )


def crop_and_flip(images, seed, batch_slice=WHOLE, *, padding, flip):
    """Crops and mirrors each image of a batch on its own; see `batch_functions`.

    With a padding of 0, the width of the black border, it crops nothing. If `flip`, it
    mirrors half of the images.
    """
    if not padding and not flip:
        return images
    batch = tf.shape(images)[0]
    height, width, channels = images.shape[1:]
    top_seed, left_seed, flip_seed = tf.unstack(tf.random.split(seed, 3))
    rows = _windows(batch, height, padding, top_seed, batch_slice)
    columns = _windows(batch, width, padding, left_seed, batch_slice)
    if flip:
        flipped = batch_slice.uniform([batch, 1], flip_seed) < 0.5
        columns = tf.where(flipped, columns[:, ::-1], columns)
    # One flat gather does crop and flip together, in half the time of one
    # gather per axis.
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    rows += padded_height * tf.range(batch)[:, tf.newaxis]
    pixels = rows[:, :, tf.newaxis] * padded_width + columns[:, tf.newaxis, :]
    border = [padding, padding]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]])
    return tf.gather(tf.reshape(padded, [-1, channels]), pixels)


def cut_out(images, seed, batch_slice=WHOLE, *, side):
    """Sets a square of each normalised image to 0; see `batch_functions`.

    A square at the border is clipped. One with a side of 0 changes nothing.
    """
    if not side:
        return images
    batch = tf.shape(images)[0]
    row_seed, column_seed = tf.unstack(tf.random.split(seed, 2))
    rows = _inside_square(batch, images.shape[1], side, row_seed, batch_slice)
    columns = _inside_square(batch, images.shape[2], side, column_seed, batch_slice)
    inside = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    return tf.where(inside[..., tf.newaxis], 0.0, images)


def _drawing(stream, function, **settings):
    """Returns a function of a batch that draws from a stream of its own."""

    def change(images, seed, batch_slice):
        seed = tf.random.split(seed, stream + 1)[stream]
        return function(images, seed, batch_slice, **settings)

    return change


def _windows(batch, length, padding, seed, batch_slice):
    """Returns random windows of `length` positions in the padded length."""
    starts = batch_slice.uniform([batch, 1], seed, 0, 2 * padding + 1, tf.int32)
    return starts + tf.range(length)


def _inside_square(batch, length, side, seed, batch_slice):
    """Returns which positions of an axis lie in the square, for each image."""
    centres = batch_slice.uniform([batch, 1], seed, 0, length, tf.int32)
    distances = tf.range(length) - centres + side // 2
    return (distances >= 0) & (distances < side)
