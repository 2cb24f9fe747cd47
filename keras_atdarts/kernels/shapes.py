"""The shapes of images."""


def strided_shape(shape, strides, filters):
    """Returns the shape after symmetric padding and `strides`, of `filters` channels.

    Args:
        shape: `(batch, height, width, channels)`; unknown sizes are `None`.
        strides: Integer, 1 or 2.
        filters: Integer.
    """
    batch, *sizes, _ = shape
    sizes = [None if size is None else -(-size // strides) for size in sizes]
    return (batch, *sizes, filters)
