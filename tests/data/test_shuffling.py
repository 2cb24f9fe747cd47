import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.shuffling import shuffled_in_blocks


def test_blocks_passed_over_are_not_read():
    numbers = np.arange(30)
    examples = tf.data.Dataset.from_tensor_slices((numbers, numbers))
    passed_over = []

    def examples_after(count):
        passed_over.append(int(count))
        return examples.skip(count)

    whole, later = (
        shuffled_in_blocks(examples_after, 8, (3, 4), tf.constant(first, tf.int64))
        for first in (0, 20)
    )
    assert passed_over == [0, 16]
    expected = list(whole.as_numpy_iterator())
    assert expected != sorted(expected)
    assert list(later.as_numpy_iterator()) == expected[20:]


@pytest.mark.parametrize(
    ("memory_limit", "expected"),
    [
        (2**31, ([9, 1, 8, 8, 9, 2, 8, 1], [9, 8, 8, 2, 0, 8, 3, 9])),
        (0, ([4, 7, 4, 6, 5, 6, 8, 3], [8, 0, 4, 1, 2, 7, 5, 4])),
    ],
)
def test_order_is_that_of_earlier_versions(memory_limit, expected):
    """Otherwise a run could not be continued with a newer version."""
    dataset = load_dataset()
    dataset.memory_limit = memory_limit
    for first_batch, labels in zip((0, 1005), expected, strict=True):
        batches = training_batches(dataset, 8, Augmentation(), 3, None, first_batch)
        assert next(iter(batches))[1].numpy().tolist() == labels
