"""TFDS without its bucket on the web."""

import contextlib

import tensorflow_datasets as tfds


@contextlib.contextmanager
def without_bucket():
    """Keeps TFDS from leaving an empty temporary folder for each builder.

    A builder that is not prepared makes the folder for what it finds about itself in
    a bucket on the web. It never looks there: TFDS 4.9 has that switched off.

    Example:

    >>> with without_bucket():
    ...     builder = tfds.builder("cifar10")
    """
    look = tfds.core.DatasetInfo.initialize_from_bucket
    tfds.core.DatasetInfo.initialize_from_bucket = lambda info: None
    try:
        yield
    finally:
        tfds.core.DatasetInfo.initialize_from_bucket = look
