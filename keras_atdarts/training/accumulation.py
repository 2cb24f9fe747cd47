"""A batch worked off in parts, for less memory, as one batch of gradients."""

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError


def average_over_parts(function, batch, parts, like, outputs=(), variables=()):
    """Returns the mean of the gradients of equal parts of a batch.

    One part follows the other in a loop, so that memory is needed for one and
    the graph holds `function` once.

    Args:
        function: Function from a part to a list of gradients and the outputs: a
            nest of tensors whose first axis is that of the images.
        batch: Nest of tensors with a common first axis.
        parts: Integer. With 1, the result is that of `function(batch)`.
        like: List of variables or tensors in the shapes of the gradients.
        outputs: Nest of `tf.TensorSpec`, of the outputs.
        variables: List of the `keras.Variable`s that `function` assigns to. They
            are part of the loop, and assigned to once, after it: several devices
            could not talk to each other within.

    Returns:
        The averaged gradients, and the outputs of the whole batch.

    Raises:
        InputError: The batch has no such parts.
    """
    if parts == 1:
        return function(batch)
    shares = tf.nest.map_structure(lambda tensor: share(tensor, parts), batch)

    def add_part(index, sums, values, arrays):
        part = tf.nest.map_structure(lambda tensor: tensor[index], shares)
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            gradients, results = function(part)
        sums = [x + y for x, y in zip(sums, gradients, strict=True)]
        values = [scope.get_current_value(variable) for variable in variables]
        arrays = tf.nest.map_structure(lambda x, y: x.write(index, y), arrays, results)
        return index + 1, sums, values, arrays

    def array(spec):
        return tf.TensorArray(spec.dtype, parts, element_shape=spec.shape)

    _, sums, values, arrays = tf.while_loop(
        lambda index, *_: index < parts,
        add_part,
        [
            tf.constant(0),
            [tf.zeros(each.shape, each.dtype) for each in like],
            [tf.convert_to_tensor(variable) for variable in variables],
            tf.nest.map_structure(array, outputs),
        ],
        parallel_iterations=1,
    )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    results = tf.nest.map_structure(lambda array: array.concat(), arrays)
    return [total / parts for total in sums], results


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


def assigned_in_training(model):
    """Returns the variables that a model's layers assign to when they are called.

    Moving statistics, and the states of random numbers; not its metrics.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    return [each for each in model.non_trainable_variables if id(each) not in metrics]


class AccumulatingNetwork(keras.Model):
    """A Functional model that works off each batch of `fit` in parts.

    Args:
        network: A Functional `keras.Model`; the layers are shared with it.
        parts: Integer, in how many equal parts.
    """

    def __init__(self, network, parts):
        super().__init__(network.input, network.output, name=network.name)
        self.parts = parts

    def train_step(self, data):
        inputs, labels = data
        weights = self.trainable_variables

        def gradients(part):
            inputs, labels = part
            with tf.GradientTape() as tape:
                outputs = self(inputs, training=True)
                loss = self._compute_loss(inputs, labels, outputs, training=True)
                loss = self.optimizer.scale_loss(loss)
            return tape.gradient(loss, [each.value for each in weights]), outputs

        averages, outputs = average_over_parts(
            gradients,
            data,
            self.parts,
            weights,
            tf.nest.map_structure(
                lambda output: tf.TensorSpec(output.shape, self.variable_dtype),
                self.output,
            ),
            assigned_in_training(self),
        )
        self.optimizer.apply(averages, weights)
        return self._measure(inputs, labels, outputs)

    def _measure(self, inputs, labels, outputs):
        """Returns loss and metrics as `keras.Model.train_step` does."""
        loss = self._compute_loss(inputs, labels, outputs, training=True)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        size = tf.shape(inputs)[0]
        self._loss_tracker.update_state(loss * replicas, sample_weight=size)
        return self.compute_metrics(inputs, labels, outputs)
