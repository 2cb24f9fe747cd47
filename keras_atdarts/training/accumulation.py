"""A batch worked off in parts, for less memory, as one batch of gradients."""

import tensorflow as tf

from keras_atdarts.errors import InputError


def average_over_parts(function, batch, parts, like, outputs=(), state=()):
    """Returns the mean of the gradients of equal parts of a batch.

    One part follows the other in a loop, so that memory is needed for one and
    the graph holds `function` once.

    Args:
        function: Function from a part and the state to a list of gradients, the
            outputs, a nest of tensors whose first axis is that of the images, and the
            new state.
        batch: Nest of tensors with a common first axis.
        parts: Integer. With 1, the result is that of `function(batch, state)`.
        like: List of `tf.TensorSpec`, of the gradients.
        outputs: Nest of `tf.TensorSpec`, of the outputs.
        state: List of tensors that each part hands to the next.

    Returns:
        The averaged gradients, the outputs of the whole batch, and the last state.

    Raises:
        InputError: The batch has no such parts.
    """
    state = list(state)
    if parts == 1:
        return function(batch, state)
    shares = tf.nest.map_structure(lambda tensor: share(tensor, parts), batch)

    def add_part(index, sums, state, arrays):
        part = tf.nest.map_structure(lambda tensor: tensor[index], shares)
        gradients, results, state = function(part, state)
        sums = [x + y for x, y in zip(sums, gradients, strict=True)]
        arrays = tf.nest.map_structure(lambda x, y: x.write(index, y), arrays, results)
        return index + 1, sums, state, arrays

    def array(spec):
        return tf.TensorArray(spec.dtype, parts, element_shape=spec.shape)

    _, sums, state, arrays = tf.while_loop(
        lambda index, *_: index < parts,
        add_part,
        [
            tf.constant(0),
            [tf.zeros(each.shape, each.dtype) for each in like],
            state,
            tf.nest.map_structure(array, outputs),
        ],
        parallel_iterations=1,
    )
    results = tf.nest.map_structure(lambda array: array.concat(), arrays)
    return [total / parts for total in sums], results, state


def share(tensor, parts):
    """Returns a tensor `(parts, images of a part, ...)` of `(images, ...)`."""
    tensor = tf.convert_to_tensor(tensor)
    size = tensor.shape[0]
    if size is not None and size % parts:
        raise InputError(
            f"A batch of {size} images on a device has no {parts} equal parts. "
            "Give a number of parts that divides it."
        )
    return tf.reshape(tensor, [parts, -1, *tensor.shape[1:]])
