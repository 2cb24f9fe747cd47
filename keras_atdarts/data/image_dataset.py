"""A data set of labelled images: their shape, classes and pixels."""

import functools
import math

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_atdarts.data import decoding
from keras_atdarts.data import images
from keras_atdarts.data.autograph import as_written
from keras_atdarts.errors import InputError

MEMORY_LIMIT = 2 * 2**30
READ_BATCH = 256
# Published mean and standard deviation of the training pixels, in 0..1 units.
PUBLISHED_NORMALISATION = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "fashion_mnist_small": ((0.2860,), (0.3530,)),
    "imagenet2012": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "mnist": ((0.1307,), (0.3081,)),
    "svhn_cropped": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


class ImageDataset:
    """Labelled images of one size, with a training and a test split.

    `load_dataset` makes it.

    Args:
        name: String, the name of the data set.
        builder: TFDS builder with the features `"image"` and `"label"`.
        splits: Dict from `"train"` and `"test"` to the TFDS split to read.
        image_shape: Tuple `(height, width, channels)` that all images get.
        central_fraction: Float, as in `load_dataset`.
        memory_limit: Integer. A split whose `uint8` pixels take more bytes than this
            is streamed; others are held in memory.

    Example:

    ```python
    dataset = load_dataset("cifar10")
    images, labels = dataset.arrays("test")  # (10000, 32, 32, 3) and (10000,)
    dataset.class_names[labels[0]]  # Such as "cat".
    ```
    """

    def __init__(
        self,
        name,
        builder,
        splits,
        image_shape,
        central_fraction=1.0,
        memory_limit=MEMORY_LIMIT,
    ):
        self.name = name
        self.image_shape = image_shape
        self.central_fraction = central_fraction
        self.class_names = tuple(builder.info.features["label"].names)
        self.memory_limit = memory_limit
        self._builder = builder
        self._splits = splits
        self._arrays = {}

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def mean(self):
        """Tuple of floats: the mean of each channel, in 0..1 units."""
        return self._normalisation[0]

    @property
    def std(self):
        """Tuple of floats: the standard deviation of each channel."""
        return self._normalisation[1]

    def num_examples(self, split):
        """Returns the number of images of `"train"` or `"test"`."""
        return self._builder.info.splits[self._splits[split]].num_examples

    def fits_in_memory(self, split):
        """Returns whether `arrays(split)` stays within the memory limit."""
        num_bytes = self.num_examples(split) * math.prod(self.image_shape)
        return num_bytes <= self.memory_limit

    def read(self, split, indices=None):
        """Reads a split from storage, always in the same order.

        Args:
            split: `"train"` or `"test"`.
            indices: Positions of the images to read; all if `None`. The others
                are not decoded.

        Returns:
            A `tf.data.Dataset` of `(image, label)`: `uint8` of `image_shape`
            and `int32`.
        """
        examples = self.read_encoded(split, indices)
        return examples.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE)

    def read_encoded(self, split, indices=None):
        """Reads a split like `read`, but does not decode the images.

        Returns:
            A `tf.data.Dataset` of `(content, label)`: the bytes of an image file
            of any height and width, and `int32`.
        """
        examples = self._builder.as_dataset(
            split=self._splits[split],
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        if indices is not None:
            examples = _select(examples, indices, self.num_examples(split))
        return examples.map(_content_and_label)

    @as_written
    def decode(self, content, label):
        """Turns an example of `read_encoded` into one of `read`."""
        stored_shape = self._builder.info.features["image"].shape
        image = decoding.decode(content, stored_shape)
        return images.resize(image, self.image_shape[:2], self.central_fraction), label

    def encoded_bytes(self, split):
        """Returns the mean number of bytes of a stored image of a split.

        Returns the number of its pixels' bytes where TFDS does not know it.
        """
        info = self._builder.info.splits[self._splits[split].split("[")[0]]
        return info.num_bytes // info.num_examples or math.prod(self.image_shape)

    def arrays(self, split):
        """Returns a whole split, read once and then kept in memory.

        Args:
            split: `"train"` or `"test"`.

        Returns:
            Images, `uint8` of shape `(count, height, width, channels)`, and
            labels, `int32` of shape `(count,)`, in the order of `read`.

        Raises:
            InputError: The stored files are damaged.
        """
        if split not in self._arrays:
            self._arrays[split] = self._read_arrays(split)
        return self._arrays[split]

    def tensors(self, split):
        """Returns `arrays` as tensors that `tf.data` can use: on the CPU."""
        with tf.device("CPU"):
            return tuple(tf.convert_to_tensor(array) for array in self.arrays(split))

    def description(self):
        """Returns what a run stores about its data, ready for JSON."""
        return {
            "name": self.name,
            "image_shape": list(self.image_shape),
            "central_fraction": self.central_fraction,
            "class_names": list(self.class_names),
            "mean": list(self.mean),
            "std": list(self.std),
            "num_train": self.num_examples("train"),
            "num_test": self.num_examples("test"),
        }

    @functools.cached_property
    def _normalisation(self):
        catalogue_name = self._builder.name
        if catalogue_name in PUBLISHED_NORMALISATION:
            return PUBLISHED_NORMALISATION[catalogue_name]
        return _measure_normalisation(self._training_pixels())

    def _training_pixels(self):
        """Returns an iterable of the training images, in NumPy batches."""
        if self.fits_in_memory("train"):
            pixels = self.arrays("train")[0]
            return np.split(pixels, range(READ_BATCH, len(pixels), READ_BATCH))
        batches = self.read("train").batch(READ_BATCH).as_numpy_iterator()
        return (image_batch for image_batch, _ in batches)

    def _read_arrays(self, split):
        count = self.num_examples(split)
        split_images = np.empty((count, *self.image_shape), np.uint8)
        labels = np.empty(count, np.int32)
        start = 0
        batches = self.read(split).batch(READ_BATCH).prefetch(tf.data.AUTOTUNE)
        try:
            for image_batch, label_batch in batches.as_numpy_iterator():
                part = slice(start, start + len(label_batch))
                split_images[part], labels[part] = image_batch, label_batch
                start = part.stop
        except tf.errors.OpError as error:
            raise InputError(
                f"The split '{split}' of '{self.name}' cannot be read from "
                f"{self._builder.data_dir}: {decoding.error_reason(error)}. "
                "Its files are damaged: get them again."
            ) from error
        return split_images, labels


@as_written
def _content_and_label(example):
    return example["image"], tf.cast(example["label"], tf.int32)


def _select(examples, indices, count):
    """Keeps the examples at the given positions of a `tf.data.Dataset`."""
    wanted = np.zeros(count, bool)
    wanted[indices] = True
    numbered = examples.enumerate()
    kept = numbered.filter(as_written(lambda index, _: tf.gather(wanted, index)))
    return kept.map(as_written(lambda _, example: example))


def _measure_normalisation(batches):
    """Returns the exact mean and standard deviation of the pixels per channel."""
    histograms = sum(_channel_histograms(batch) for batch in batches)
    levels = np.arange(256) / 255.0
    weights = histograms / histograms.sum(axis=1, keepdims=True)
    mean = weights @ levels
    variance = (weights * (levels - mean[:, np.newaxis]) ** 2).sum(axis=1)
    # Without contrast a channel would be divided by 0: 1/255 is one grey level.
    std = np.maximum(np.sqrt(variance), 1 / 255)
    return tuple(mean.tolist()), tuple(std.tolist())


def _channel_histograms(image_batch):
    channels = image_batch.shape[-1]
    pixels = image_batch.reshape(-1, channels)
    return np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(channels)])
