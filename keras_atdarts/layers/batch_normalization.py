"""The batch norm of operations and cells, of one tensor per edge.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.kernels import kernels
from keras_atdarts.kernels import normalization
from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.devices import computes_natively
from keras_atdarts.kernels.native import operations as native

RATE = 0.1  # Keras would say: momentum 0.9.
EPSILON = 1e-5


def zero_means_and_unit_variances(shape, dtype=None):
    """Initialises statistics `(2, ...)`, whose means come first."""
    values = np.zeros(shape, dtype)
    values[1] = 1
    return values


@keras.saving.register_keras_serializable(package="keras_atdarts")
class BatchNormalization(keras.layers.Layer):
    """Batch normalization of one tensor per edge, optionally weighted.

    An alpha is passed as the scale of the batch norm it would follow: the
    weighting is free, and the gradient of alpha is the sum of the scale's.
    Running statistics are those of PyTorch (momentum 0.1, unbiased variance).

    The attribute `synchronized`, `False` at first, says whether in training the
    statistics are those of all replicas; see `synchronize_batch_normalization`.
    The attribute `folded`, `False` at first, says whether the kernels before it
    contain its factors, and it only adds; see `keras_atdarts.layers.folding`.

    Args:
        num_edges: Integer, the number of tensors.
        affine: Boolean, whether a scale and an offset are learned.

    Call arguments:
        tensors: List of `num_edges` tensors `(batch, height, width, channels)`.
        training: Boolean, whether the statistics are those of the batch.

    Input shape:
        Each tensor: `(batch, height, width, channels)`.

    Output shape:
        The same, as a list.

    Reference:
        Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(self, num_edges=1, affine=True, **kwargs):
        super().__init__(**kwargs)
        self.num_edges = num_edges
        self.affine = affine
        self.synchronized = False
        self.folded = False

    def build(self, input_shape):
        channels = input_shape[-1]
        shape = (self.num_edges, channels)
        # Means and variances in one: half as much to read, assign and average.
        self.moving_statistics = self.add_weight(
            name="moving_statistics",
            shape=(2, *shape),
            initializer=zero_means_and_unit_variances,
            trainable=False,
            autocast=False,
            aggregation="mean",  # Replicas see different batches.
        )
        if self.affine:
            self.gamma = self.add_weight(
                name="gamma", shape=shape, initializer="ones", autocast=False
            )
            self.beta = self.add_weight(
                name="beta", shape=shape, initializer="zeros", autocast=False
            )

    def load_own_variables(self, store):
        if len(store.keys()) > len(self.weights):  # Of version 0.1: two statistics.
            values = [store[str(index)] for index in range(len(store.keys()))]
            values[-2:] = [np.stack(values[-2:])]
            store = {str(index): value for index, value in enumerate(values)}
        super().load_own_variables(store)

    def call(self, tensors, training=None):
        return list(map(kernels.as_tensor, self.terms(tensors, training=training)))

    def runs_native(self, tensors, training):
        """Whether kernels of our own normalise what is made of tensors."""
        alone = not (self.synchronized or self.folded)
        return alone and computes_natively(tensors[0], training)

    def convolve(self, inputs, depthwise, pointwise, weights, strides=1, dilation=1):
        """Convolves and normalises in training, where `runs_native`.

        Args:
            inputs, strides, dilation: See `native.stage`.
            depthwise: Variable, see there; `None` without a depthwise convolution.
            pointwise: Variable, see there.
            weights: See `terms`.

        Returns:
            List of `num_edges` `Line`s.
        """
        pointwise = tf.convert_to_tensor(pointwise)
        edges, channels, _ = pointwise.shape
        if depthwise is None:
            depthwise = constant(np.zeros((edges, 0, 0, channels, 1)), pointwise.dtype)
        lines, statistics = native.stage(
            inputs,
            tf.convert_to_tensor(depthwise),
            pointwise,
            *self._native_scales_and_offsets(weights, self.num_edges),
            EPSILON,
            strides,
            dilation,
        )
        self._move(statistics)
        return lines

    def terms(self, tensors, weights=None, training=None):
        """Does what a call does, with weights, in the form that is added up fastest.

        Not part of `call`, because Keras would cast them to the compute dtype.

        Args:
            tensors: List of `num_edges` tensors.
            weights: Optional tensor `(num_edges,)`, in the dtype of the variables,
                that multiplies the results; of any length if there is one tensor.
            training: Boolean, whether the statistics are those of the batch.

        Returns:
            List of tensors or `Line`s, one for each weight or tensor.
        """
        if self.runs_native(tensors, training):
            num_results = len(tensors) if weights is None else weights.shape[0]
            values = self._native_scales_and_offsets(weights, num_results)
            lines, statistics = native.normalize(list(tensors), *values, EPSILON)
            self._move(statistics)
            return lines
        if weights is not None and weights.shape[0] > len(tensors):
            [x] = self._normalize(tensors, None, training)
            return [weight * x for weight in tf.unstack(tf.cast(weights, x.dtype))]
        return self._normalize(tensors, weights, training)

    def _native_scales_and_offsets(self, weights, num_results):
        """Returns both as kernels of our own take them."""
        if self.affine:
            return self._scales_and_offsets(weights)
        dtype = self.variable_dtype
        zeros = constant(np.zeros(num_results), dtype)
        if weights is None:
            return constant(np.ones(num_results), dtype), zeros
        return weights, zeros

    def _normalize(self, tensors, weights, training):
        if self.folded:
            biases = tf.unstack(tf.cast(self.beta, tensors[0].dtype))
            return list(map(tf.nn.bias_add, tensors, biases))
        scales, offsets = self._scales_and_offsets(weights)
        if not training:
            return normalization.frozen_batch_normalization(
                tensors,
                scales,
                offsets,
                *tf.unstack(self.moving_statistics),
                EPSILON,
            )
        results, means, variances = normalization.batch_normalization(
            tensors, scales, offsets, EPSILON, self.synchronized
        )
        self._move(tf.stack([means, variances]))
        return results

    def _move(self, of_batch):
        """Moves the statistics towards those of a batch."""
        now = tf.convert_to_tensor(self.moving_statistics)
        of_batch = tf.cast(of_batch, now.dtype)
        rate = constant(RATE, now.dtype)
        self.moving_statistics.assign(now + rate * (of_batch - now))

    def _scales_and_offsets(self, weights):
        if not self.affine:
            return self._rows(weights), None
        scales, offsets = map(tf.convert_to_tensor, (self.gamma, self.beta))
        if weights is None:
            return scales, offsets
        weights = self._rows(weights)
        return weights * scales, weights * offsets

    def fold_into(self, kernels):
        """Multiplies kernels by the factors of the frozen statistics; shifts remain.

        Args:
            kernels: Variables whose last axes, side by side, are the channels. The
                first axis is that of the edges, if there are several.
        """
        factors, shifts = normalization.frozen_line(
            self.gamma, self.beta, *tf.unstack(self.moving_statistics), EPSILON
        )
        parts = tf.split(factors, [kernel.shape[-1] for kernel in kernels], axis=1)
        for kernel, part in zip(kernels, parts, strict=True):
            axes = (self.num_edges, *[1] * (len(kernel.shape) - 2), kernel.shape[-1])
            kernel.assign(kernel * tf.reshape(part, axes))
        # The factors are 1 now, so that a saved copy computes the same.
        self.gamma.assign(tf.ones_like(self.gamma))
        self.beta.assign(shifts)
        neutral = zero_means_and_unit_variances(self.moving_statistics.shape)
        neutral[1] -= EPSILON
        self.moving_statistics.assign(neutral)
        self.folded = True

    def _rows(self, weights):
        """Returns the weights of the edges, once for each channel."""
        if weights is None:
            return None
        weights = tf.expand_dims(weights, constant(1))
        # A product with ones: broadcasting has a longer gradient.
        ones = np.ones((1, self.moving_statistics.shape[-1]))
        return tf.matmul(weights, constant(ones, weights.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        return {**config, "num_edges": self.num_edges, "affine": self.affine}


def synchronize_batch_normalization(model):
    """Lets the batch norms of a model use the whole batch on several devices.

    By default each device normalises by the statistics of its own part. It is no
    part of the model: a loaded one is to be told again.

    Args:
        model: A built `keras.Model`, under any strategy.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNormalization):
            layer.synchronized = True
