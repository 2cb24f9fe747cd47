"""The slice of every batch that one of several workers works on."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class BatchSlice:
    """One of several equal, consecutive slices of a batch.

    The slices of all workers together are the batch, image for image. To that end a
    worker draws the random numbers of the whole batch, and takes those of its slice.

    Args:
        number: Integer, which slice it is, from 0.
        count: Integer, how many slices a batch has.

    Example:

    ```python
    second = BatchSlice(number=1, count=4)
    second.of(tf.range(8))  # [2, 3]
    second.uniform([2], seed=(3, 4))  # Numbers 2 and 3 of the eight of a batch.
    ```
    """

    number: int = 0
    count: int = 1

    def size(self, batch_size):
        """Returns how many of `batch_size` images are in the slice."""
        return batch_size // self.count

    def of(self, values, axis=0):
        """Returns the slice of a tensor along `axis`, the axis of the batch."""
        return tf.split(values, self.count, axis=axis)[self.number]

    def holds(self, position, batch_size):
        """Returns whether the image at a position of the epoch is in the slice."""
        return (position % batch_size) // self.size(batch_size) == self.number

    def uniform(self, shape, seed, *arguments):
        """Draws the slice of what `tf.random.stateless_uniform` draws for the batch.

        Args:
            shape: Sequence, the shape of the result. Its first entry is the number of
                images in the slice.
            seed: Integer tensor of shape `(2,)`.
            *arguments: Minimum, maximum and dtype.

        Returns:
            A tensor of that shape, `float32` from 0 to 1 without `arguments`.
        """
        whole = [shape[0] * self.count, *shape[1:]]
        return self.of(tf.random.stateless_uniform(whole, seed, *arguments))


WHOLE = BatchSlice()
