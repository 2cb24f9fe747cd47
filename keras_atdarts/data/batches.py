"""From a data set to the batches that are trained on, and evaluated."""

import math

import numpy as np
import tensorflow as tf

from keras_atdarts.data.autograph import as_written
from keras_atdarts.data.batch_slices import WHOLE
from keras_atdarts.data.images import normalize
from keras_atdarts.data.shuffling import shuffled_epochs
from keras_atdarts.data.splits import check_batch_size
from keras_atdarts.data.splits import steps_per_epoch
from keras_atdarts.errors import InputError

# The weight batches and the alpha batches draw from different random numbers.
WEIGHT_STREAM, ALPHA_STREAM = 0, 1


def training_batches(
    dataset,
    batch_size,
    augmentation,
    seed,
    indices=None,
    first_batch=0,
    batch_slice=WHOLE,
):
    """Returns endless batches of training images, shuffled and augmented.

    Order and augmentation depend on the seed, the epoch and the position in the
    epoch, and on nothing else. An epoch leaves out the images beyond its last full
    batch, each epoch other ones.

    Args:
        dataset: An `ImageDataset`.
        batch_size: Integer, the number of images in a batch, of all workers together.
        augmentation: An `Augmentation`.
        seed: Integer.
        indices: Positions of the training images to use; all if `None`.
        first_batch: Integer, how many batches an earlier run has used already. They
            are left out, and their images are not decoded. (Where images are
            streamed, those of one block are.)
        batch_slice: The `BatchSlice` of each batch to return.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`: normalised `float32` of shape
        `(batch_size, height, width, channels)` and `int32` of `(batch_size,)`, or
        their slice.

    Raises:
        InputError: The batch size is below 1, or there are fewer images than that;
            or these images cannot be augmented like this.

    Example:

    ```python
    dataset = load_dataset("cifar10")
    batches = training_batches(dataset, 64, Augmentation(cutout=16), seed=0)
    ```
    """
    if indices is None:
        indices = np.arange(dataset.num_examples("train"))
    stream = (seed, WEIGHT_STREAM)
    return _endless_batches(
        dataset, batch_size, augmentation, stream, indices, first_batch, batch_slice
    )


def search_batches(
    dataset,
    batch_size,
    augmentation,
    seed,
    weight_indices,
    alpha_indices,
    first_batch=0,
    batch_slice=WHOLE,
):
    """Returns endless pairs of a batch for the weights and one for the alphas.

    Both are augmented alike. An epoch is one pass over the weight images. If there
    are more or fewer alpha images, a pass over them ends later or earlier.

    Args:
        dataset: An `ImageDataset`.
        batch_size: Integer, the number of images in each of the two batches, of all
            workers together.
        augmentation: An `Augmentation`.
        seed: Integer.
        weight_indices: Positions of the training images that the weights learn on.
        alpha_indices: Positions of those that the alphas learn on.
        first_batch: Integer, as in `training_batches`.
        batch_slice: The `BatchSlice` of each batch to return.

    Returns:
        A `tf.data.Dataset` of `((images, labels), (images, labels))`, each as in
        `training_batches`: the weight batch, then the alpha batch.

    Raises:
        InputError: As in `training_batches`.

    Example:

    ```python
    dataset = load_dataset()
    halves = search_split(dataset.num_examples("train"), 0.5, seed=0)
    batches = search_batches(dataset, 64, Augmentation(), 0, *halves)
    ```
    """
    streams = (seed, WEIGHT_STREAM), (seed, ALPHA_STREAM)
    halves = weight_indices, alpha_indices
    batches = [
        _endless_batches(
            dataset, batch_size, augmentation, stream, half, first_batch, batch_slice
        )
        for stream, half in zip(streams, halves, strict=True)
    ]
    return tf.data.Dataset.zip(*batches)


def evaluation_batches(dataset, split, batch_size, indices=None):
    """Returns one pass over a split in its stored order, without augmentation.

    Args:
        dataset: An `ImageDataset`.
        split: `"train"` or `"test"`.
        batch_size: Integer; the last batch holds the remainder.
        indices: Sorted array of the positions of the images to use; all if `None`.

    Returns:
        A finite `tf.data.Dataset` of `(images, labels)` as in `training_batches`.

    Raises:
        InputError: The batch size is below 1.

    Example:

    ```python
    network.evaluate(evaluation_batches(dataset, "test", 256))
    ```
    """
    check_batch_size(batch_size)
    mean, std = dataset.mean, dataset.std
    batches = _batches_in_order(dataset, split, batch_size, indices).map(
        as_written(lambda images, labels: (normalize(images, mean, std), labels)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def _endless_batches(
    dataset, batch_size, augmentation, stream, indices, first_batch, batch_slice
):
    """Returns augmented batches; `stream` is the seed and the number of a stream."""
    steps = steps_per_epoch(len(indices), batch_size)
    augmentation.check_images(dataset.image_shape)
    # tf.data runs on the CPU: what its functions use must not lie on a GPU.
    with tf.device("CPU"):
        seeds = tf.random.split(tf.constant(stream, tf.int64), 3)
        order_seed, augmentation_seed, decoding_seed = tf.unstack(seeds)
        epoch_batches = shuffled_epochs(
            dataset,
            batch_size,
            indices,
            (order_seed, decoding_seed),
            batch_slice,
            augmentation.random_decoder(dataset.image_shape),
        )
    # Here, because this measures the mean, which it must not do inside `augment`.
    functions = augmentation.batch_functions(dataset.mean, dataset.std)

    def augment(number, batch):
        images, labels = batch
        batch_seed = tf.random.fold_in(augmentation_seed, number)
        for function in functions:
            images = function(images, batch_seed, batch_slice)
        return images, labels

    batches = _all_epochs(epoch_batches, batch_size, steps, first_batch)
    batches = batches.enumerate(first_batch)
    if not augmentation.extra:  # Functions of the user may need AutoGraph.
        augment = as_written(augment)
    batches = batches.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    shape = (batch_slice.size(batch_size), *dataset.image_shape)
    _check_images(batches.element_spec[0], tf.TensorSpec(shape, tf.float32))
    return batches.prefetch(tf.data.AUTOTUNE)


def _all_epochs(epoch_batches, batch_size, steps, first_batch):
    """Returns the batches of all epochs in a row, from `first_batch` on."""
    first_epoch, first_step = divmod(first_batch, steps)

    @as_written  # With all that is made in it.
    def rest_of_epoch(epoch):
        step = tf.where(epoch == first_epoch, tf.constant(first_step, tf.int64), 0)
        return epoch_batches(epoch, step * batch_size)

    return tf.data.Dataset.counter(first_epoch).flat_map(rest_of_epoch)


def _check_images(received, expected):
    """Checks what the functions return that a user adds to the augmentation."""
    if received != expected:
        raise InputError(
            "The functions of Augmentation.extra must return images as they receive "
            f"them, {expected.dtype.name} of shape {expected.shape}. Received: "
            f"{received.dtype.name} of shape {received.shape}. tf.cast and "
            "tf.ensure_shape can help."
        )


def _batches_in_order(dataset, split, batch_size, indices):
    """Returns the `uint8` batches of a split, or of a part of it."""
    if not dataset.fits_in_memory(split):
        count = dataset.num_examples(split) if indices is None else len(indices)
        batches = dataset.read(split, indices).batch(batch_size)
        num_batches = math.ceil(count / batch_size)
        return batches.apply(tf.data.experimental.assert_cardinality(num_batches))
    images, labels = dataset.tensors(split)
    if indices is not None:
        images, labels = tf.gather(images, indices), tf.gather(labels, indices)
    starts = tf.data.Dataset.range(0, len(labels), batch_size)

    @as_written
    def batch_from(start):
        part = slice(start, start + batch_size)
        return images[part], labels[part]

    return starts.map(batch_from)
