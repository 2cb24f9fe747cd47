"""A worker's share of every batch, and of the random numbers drawn for a batch."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Share:
    """One of equal, consecutive parts of a batch.

    The shares of all workers together are the batch, image for image: a worker
    draws the random numbers of the whole batch and takes those of its share.

    Args:
        number: Integer, which part it is, from 0.
        count: Integer, how many parts there are.
    """

    number: int = 0
    count: int = 1

    def size(self, batch_size):
        """Returns how many of `batch_size` images are in the share."""
        return batch_size // self.count

    def of(self, values, axis=0):
        """Returns the share of a tensor along `axis`, the batch."""
        return tf.split(values, self.count, axis=axis)[self.number]

    def holds(self, position, batch_size):
        """Returns whether the image at a position of the epoch is in the share."""
        return (position % batch_size) // self.size(batch_size) == self.number

    def uniform(self, shape, seed, *arguments):
        """Draws as `tf.random.stateless_uniform` what falls to the share.

        Args:
            shape: List, the shape of the result; first the images in the share.
            seed: Integer tensor of shape `(2,)`.
            *arguments: Minimum, maximum and dtype.
        """
        whole = [shape[0] * self.count, *shape[1:]]
        return self.of(tf.random.stateless_uniform(whole, seed, *arguments))


WHOLE = Share()
