"""From a data set to batches: search split, shuffling, augmentation."""

import math

import numpy as np
import tensorflow as tf

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.augmentation import crop_and_flip
from keras_atdarts.data.augmentation import cut_out
from keras_atdarts.data.colour_jitter import jitter_colours
from keras_atdarts.data.cropping import decode_random_part
from keras_atdarts.data.images import normalize
from keras_atdarts.data.shares import WHOLE
from keras_atdarts.errors import InputError

__all__ = [
    "Augmentation",
    "evaluation_batches",
    "hold_out",
    "search_batches",
    "search_split",
    "steps_per_epoch",
    "training_batches",
]

# Streamed images are shuffled in blocks of at most this many bytes. Two are held.
SHUFFLE_BUFFER = 2**28
# Independent random streams under one seed: the weight and the alpha batches.
WEIGHT_STREAM, ALPHA_STREAM = 0, 1


def search_split(num_examples, weight_fraction, seed):
    """Divides the training images between weights and alphas.

    Args:
        num_examples: Integer, the number of training images.
        weight_fraction: Float between 0 and 1, the part the weights learn on.
        seed: Integer.

    Returns:
        Two sorted arrays of positions that are disjoint and cover all images.
    """
    num_weight = round(num_examples * weight_fraction)
    if not 0 < num_weight < num_examples:
        raise InputError(
            f"A weight fraction of {weight_fraction} leaves {num_weight} of "
            f"{num_examples} images to the weights; both sides need some: choose a "
            "fraction between 0 and 1."
        )
    return _divide(num_examples, num_weight, seed)


def hold_out(num_examples, fraction, seed):
    """Divides the training images between training and judging it.

    Args:
        num_examples: Integer, the number of training images.
        fraction: Float, the part to judge by; 0 leaves all to the training.
        seed: Integer.

    Returns:
        Two sorted arrays of positions that are disjoint and cover all images: those
        to train on, and those to judge by.
    """
    num_held_out = round(num_examples * fraction)
    if fraction and not 0 < num_held_out < num_examples:
        raise InputError(
            f"Holding out a part of {fraction} leaves {num_held_out} of "
            f"{num_examples} images to judge by; both sides need some: choose another "
            "part between 0 and 1."
        )
    return _divide(num_examples, num_examples - num_held_out, seed)


def _divide(count, first_part, seed):
    """Returns the positions below `count` in two sorted arrays, drawn by a seed."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[:first_part]), np.sort(order[first_part:])


def steps_per_epoch(num_examples, batch_size):
    """Returns the number of full batches in `num_examples` images."""
    _check_batch_size(batch_size)
    if batch_size > num_examples:
        raise InputError(
            f"The batch size {batch_size} is larger than its split of {num_examples} "
            "images: choose a smaller one."
        )
    return num_examples // batch_size


def training_batches(
    dataset,
    batch_size,
    augmentation,
    seed,
    indices=None,
    first_batch=0,
    share=WHOLE,
):
    """Infinite shuffled and augmented batches of the training split.

    Order and augmentation are a pure function of the seed, the epoch and the
    position in the epoch; the images beyond the last full batch are left out of
    an epoch, other ones in each.

    Args:
        dataset: An `ImageDataset`.
        batch_size: Integer, the global batch size.
        augmentation: An `Augmentation`.
        seed: Integer.
        indices: Positions of the training images to use; all if `None`.
        first_batch: Integer, how many batches an earlier run has used already.
            They are passed over before images are decoded, except those of one
            block where images are streamed.
        share: The `Share` of each batch to give.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`: normalised `float32` of shape
        `(batch_size, height, width, channels)` and `int32` of `(batch_size,)`, or
        their share.
    """
    if indices is None:
        indices = np.arange(dataset.num_examples("train"))
    stream_seed = (seed, WEIGHT_STREAM)
    return _batches_from(
        dataset, batch_size, augmentation, stream_seed, indices, first_batch, share
    )


def search_batches(
    dataset,
    batch_size,
    augmentation,
    seed,
    weight_indices,
    alpha_indices,
    first_batch=0,
    share=WHOLE,
):
    """Infinite pairs of a weight batch and an alpha batch, augmented alike.

    An epoch is one pass over the weight images; the alpha images go round at
    their own pace where there are more or fewer of them.

    Args:
        dataset: An `ImageDataset`.
        batch_size: Integer, the global batch size of each of the two.
        augmentation: An `Augmentation`.
        seed: Integer.
        weight_indices: Positions of the training images the weights learn on.
        alpha_indices: Positions of those the alphas learn on.
        first_batch: Integer, as in `training_batches`.
        share: The `Share` of each batch to give.

    Returns:
        A `tf.data.Dataset` of `((images, labels), (images, labels))`, each as in
        `training_batches`: the weight batch, then the alpha batch.
    """
    weight_batches, alpha_batches = (
        _batches_from(
            dataset,
            batch_size,
            augmentation,
            (seed, stream),
            indices,
            first_batch,
            share,
        )
        for stream, indices in (
            (WEIGHT_STREAM, weight_indices),
            (ALPHA_STREAM, alpha_indices),
        )
    )
    return tf.data.Dataset.zip(weight_batches, alpha_batches)


def evaluation_batches(dataset, split, batch_size, indices=None):
    """One pass over a split in its stored order, without augmentation.

    Args:
        dataset: An `ImageDataset`.
        split: `"train"` or `"test"`.
        batch_size: Integer; the last batch holds the remainder.
        indices: Sorted array of the positions of the images to use; all if `None`.

    Returns:
        A finite `tf.data.Dataset` of `(images, labels)` as in `training_batches`.
    """
    mean, std = dataset.mean, dataset.std
    batches = _ordered(dataset, split, batch_size, indices).map(
        lambda images, labels: (normalize(images, mean, std), labels),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def _check_batch_size(batch_size):
    if batch_size < 1:
        raise InputError(f"The batch size must be 1 or larger. Received: {batch_size}")


def _batches_from(dataset, batch_size, augmentation, seed, indices, first_batch, share):
    """Infinite batches from any place in the stream; `seed` is two integers."""
    steps = steps_per_epoch(len(indices), batch_size)
    augmentation.check_images(dataset.image_shape)
    # tf.data runs on the CPU: what its functions use must not lie on a GPU.
    with tf.device("CPU"):
        seeds = tf.random.split(tf.constant(seed, tf.int64), 3)
        order_seed, augmentation_seed, crop_seed = tf.unstack(seeds)
        if augmentation.resized_crop:
            epoch_batches = _cropped_stream(
                dataset, batch_size, indices, order_seed, crop_seed, share
            )
        elif dataset.fits_in_memory("train"):
            epoch_batches = _shuffled(dataset, batch_size, indices, order_seed, share)
        else:
            epoch_batches = _shuffled_stream(
                dataset, batch_size, indices, order_seed, share
            )
    first_epoch, first_step = divmod(first_batch, steps)

    def rest_of_epoch(epoch):
        step = tf.where(epoch == first_epoch, tf.constant(first_step, tf.int64), 0)
        return epoch_batches(epoch, step * batch_size)

    batches = tf.data.Dataset.counter(first_epoch).flat_map(rest_of_epoch)
    batches = batches.enumerate(first_batch)
    mean, std = dataset.mean, dataset.std  # Measured now, not inside the pipeline.

    def augment(number, batch):
        images, labels = batch
        seeds = tf.random.split(tf.random.fold_in(augmentation_seed, number), 3)
        images = crop_and_flip(images, augmentation, seeds[0], share)
        images = jitter_colours(images, augmentation, seeds[2], share)
        images = normalize(images, mean, std)
        return cut_out(images, augmentation.cutout, seeds[1], share), labels

    batches = batches.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _shuffled(dataset, batch_size, indices, seed, share):
    """Returns the function from an epoch to its `uint8` batches, from memory.

    Its second argument is the number of images to pass over, whole batches.
    """
    images, labels = _tensors(dataset, "train")
    indices = tf.constant(indices, tf.int64)
    num_used = steps_per_epoch(len(indices), batch_size) * batch_size

    def epoch_batches(epoch, first):
        order = tf.random.experimental.stateless_shuffle(
            indices, tf.random.fold_in(seed, epoch)
        )
        order = tf.reshape(order[first:num_used], [-1, batch_size])
        order = share.of(order, axis=1)
        return tf.data.Dataset.from_tensor_slices(order).map(
            lambda chosen: (tf.gather(images, chosen), tf.gather(labels, chosen)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    return epoch_batches


def _shuffled_stream(dataset, batch_size, indices, seed, share):
    """Like `_shuffled`, from storage."""
    examples = dataset.read_encoded("train", indices)
    block_size = _block_size(math.prod(dataset.image_shape), len(indices))

    def decoded_after(count):
        return examples.skip(count).map(
            dataset.decode, num_parallel_calls=tf.data.AUTOTUNE
        )

    def epoch_batches(epoch, first):
        shuffled = _shuffled_in_blocks(
            decoded_after, block_size, tf.random.fold_in(seed, epoch), first
        )
        numbered = _share_of_epoch(shuffled, first, len(indices), batch_size, share)
        examples_of_share = numbered.map(lambda position, example: example)
        return examples_of_share.batch(share.size(batch_size), drop_remainder=True)

    return epoch_batches


def _cropped_stream(dataset, batch_size, indices, order_seed, crop_seed, share):
    """Like `_shuffled_stream`, of random parts of the images in their own size.

    The images are shuffled as they are stored, and decoded after that.
    """
    examples = dataset.read_encoded("train", indices)
    block_size = _block_size(dataset.encoded_bytes("train"), len(indices))

    def epoch_batches(epoch, first):
        shuffled = _shuffled_in_blocks(
            examples.skip, block_size, tf.random.fold_in(order_seed, epoch), first
        )
        epoch_seed = tf.random.fold_in(crop_seed, epoch)

        def crop(position, example):
            content, label = example
            seed = tf.random.fold_in(epoch_seed, position)
            return decode_random_part(content, dataset.image_shape, seed), label

        numbered = _share_of_epoch(shuffled, first, len(indices), batch_size, share)
        parts = numbered.map(crop, num_parallel_calls=tf.data.AUTOTUNE)
        return parts.batch(share.size(batch_size), drop_remainder=True)

    return epoch_batches


def _share_of_epoch(examples, first, count, batch_size, share):
    """Returns the share of an epoch's full batches, as numbered examples.

    Args:
        examples: `tf.data.Dataset` of the examples of the epoch after the `first`.
        first: Scalar tensor `int64`, a number of whole batches.
        count: Integer, how many examples there are in the epoch.
        batch_size: Integer.
        share: A `Share`.
    """
    num_used = steps_per_epoch(count, batch_size) * batch_size
    numbered = examples.take(num_used - first).enumerate(first)
    if share.count == 1:
        return numbered
    return numbered.filter(lambda position, _: share.holds(position, batch_size))


def _block_size(num_bytes, count):
    """Returns how many of `count` examples of `num_bytes` bytes a block holds."""
    return max(1, min(SHUFFLE_BUFFER // num_bytes, count))


def _shuffled_in_blocks(examples_after, block_size, seed, first):
    """Shuffles examples, one block after another, and leaves out the `first` ones.

    The order of `Dataset.shuffle` would depend on TensorFlow's global seed too.

    Args:
        examples_after: Function from the number of stored examples to pass over
            to the `tf.data.Dataset` of those that follow.
        block_size: Integer.
        seed: Tensor, a seed of TensorFlow.
        first: Scalar tensor `int64`.
    """
    first_block = first // block_size

    def shuffle(number, block):
        values, labels = block
        order = tf.random.experimental.stateless_shuffle(
            tf.range(tf.shape(labels)[0]), tf.random.fold_in(seed, number)
        )
        return tf.gather(values, order), tf.gather(labels, order)

    # A block is read while the one before it is used.
    blocks = examples_after(first_block * block_size).batch(block_size)
    blocks = blocks.enumerate(first_block).map(shuffle).prefetch(1)
    return blocks.unbatch().skip(first % block_size)


def _ordered(dataset, split, batch_size, indices):
    """The `uint8` batches of a split, or of a part of it, in its stored order."""
    _check_batch_size(batch_size)
    count = dataset.num_examples(split) if indices is None else len(indices)
    if not dataset.fits_in_memory(split):
        batches = dataset.read(split, indices).batch(batch_size)
        num_batches = math.ceil(count / batch_size)
        return batches.apply(tf.data.experimental.assert_cardinality(num_batches))
    images, labels = _tensors(dataset, split)
    if indices is not None:
        images, labels = tf.gather(images, indices), tf.gather(labels, indices)
    starts = tf.data.Dataset.range(0, count, batch_size)
    return starts.map(
        lambda start: (
            images[start : start + batch_size],
            labels[start : start + batch_size],
        )
    )


def _tensors(dataset, split):
    with tf.device("CPU"):
        return tuple(tf.convert_to_tensor(array) for array in dataset.arrays(split))
