"""The order of the training images in each epoch, and the batches in that order."""

import math

import tensorflow as tf

from keras_atdarts.data.splits import steps_per_epoch

# Streamed images are shuffled in blocks of at most this many bytes. Two are held.
SHUFFLE_BUFFER = 2**28


def shuffled_epochs(
    dataset, batch_size, indices, seeds, batch_slice, random_decoder=None
):
    """Returns the function from an epoch to its shuffled batches.

    Images that are the same in each epoch come from memory if they fit. All others
    are streamed.

    Args:
        dataset: An `ImageDataset`.
        batch_size: Integer, the number of images in a batch, of all workers together.
        indices: Positions of the training images to use.
        seeds: Pair of integer tensors of shape `(2,)`: the seed of the order, and
            that of `random_decoder`.
        batch_slice: The `BatchSlice` of each batch to return.
        random_decoder: Function `(content, seed) -> image` that decodes a stored
            image at random; `None` decodes it the same in each epoch.

    Returns:
        Function `(epoch, first)` of two scalar `int64` tensors: the number of the
        epoch, and how many of its images to leave out, which are whole batches. It
        returns a `tf.data.Dataset` of `(images, labels)`: `uint8` of shape
        `(batch_size, height, width, channels)` and `int32` of `(batch_size,)`, or
        their slice.
    """
    if random_decoder is None and dataset.fits_in_memory("train"):
        return _from_memory(dataset, batch_size, indices, seeds[0], batch_slice)
    return _streamed(dataset, batch_size, indices, seeds, batch_slice, random_decoder)


def _from_memory(dataset, batch_size, indices, seed, batch_slice):
    images, labels = dataset.tensors("train")
    indices = tf.constant(indices, tf.int64)
    num_used = steps_per_epoch(len(indices), batch_size) * batch_size

    def epoch_batches(epoch, first):
        order = tf.random.experimental.stateless_shuffle(
            indices, tf.random.fold_in(seed, epoch)
        )
        order = tf.reshape(order[first:num_used], [-1, batch_size])
        order = batch_slice.of(order, axis=1)
        return tf.data.Dataset.from_tensor_slices(order).map(
            lambda chosen: (tf.gather(images, chosen), tf.gather(labels, chosen)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    return epoch_batches


def _streamed(dataset, batch_size, indices, seeds, batch_slice, random_decoder):
    order_seed, decoding_seed = seeds
    num_used = steps_per_epoch(len(indices), batch_size) * batch_size
    examples_after, block_size = _stored_examples(dataset, indices, random_decoder)

    def epoch_batches(epoch, first):
        shuffled = shuffled_in_blocks(
            examples_after, block_size, tf.random.fold_in(order_seed, epoch), first
        )
        numbered = shuffled.take(num_used - first).enumerate(first)
        if batch_slice.count > 1:
            numbered = numbered.filter(
                lambda position, _: batch_slice.holds(position, batch_size)
            )
        epoch_seed = tf.random.fold_in(decoding_seed, epoch)

        def finish(position, example):
            if random_decoder is None:
                return example
            content, label = example
            seed = tf.random.fold_in(epoch_seed, position)
            return random_decoder(content, seed), label

        finished = numbered.map(finish, num_parallel_calls=tf.data.AUTOTUNE)
        return finished.batch(batch_slice.size(batch_size), drop_remainder=True)

    return epoch_batches


def _stored_examples(dataset, indices, random_decoder):
    """Returns what a stream shuffles, and how many of them at once.

    Images that are decoded at random are shuffled as they are stored, which takes
    less memory. All others are shuffled as pixels.

    Returns:
        Function from a number of examples to leave out to the `tf.data.Dataset` of
        those that follow; and the number of examples in a block.
    """
    examples = dataset.read_encoded("train", indices)

    def decoded_after(count):
        return examples.skip(count).map(
            dataset.decode, num_parallel_calls=tf.data.AUTOTUNE
        )

    if random_decoder is None:
        examples_after, num_bytes = decoded_after, math.prod(dataset.image_shape)
    else:
        examples_after, num_bytes = examples.skip, dataset.encoded_bytes("train")
    return examples_after, max(1, min(SHUFFLE_BUFFER // num_bytes, len(indices)))


def shuffled_in_blocks(examples_after, block_size, seed, first):
    """Shuffles examples, one block after another, and leaves out the `first` ones.

    The order of `Dataset.shuffle` would depend on TensorFlow's global seed too.

    Args:
        examples_after: Function from a number of examples to leave out to the
            `tf.data.Dataset` of those that follow, as they are stored.
        block_size: Integer, the number of examples in a block.
        seed: Integer tensor of shape `(2,)`.
        first: Scalar tensor `int64`.

    Returns:
        A `tf.data.Dataset` of examples.
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
