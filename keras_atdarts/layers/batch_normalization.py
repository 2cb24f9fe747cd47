"""The batch norm of operations and cells, of one tensor per edge.

Reference:
    Ioffe, Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.kernels import Source
from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.reference import EPSILON
from keras_atdarts.kernels.reference import frozen_factors
from keras_atdarts.kernels.replicas import num_replicas

RATE = 0.1  # Keras would say: momentum 0.9.


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
    contain its factors, and it only adds; see `keras_atdarts.networks.inference`.

    Args:
        num_edges: Integer, the number of tensors.
        affine: Boolean, whether a scale and an offset are learned.

    Call arguments:
        tensors: List of `num_edges` tensors `(batch, height, width, channels)`.
        training: Boolean, whether the statistics are those of the batch. With
            `trainable = False` they never are, as in Keras' own batch norm.

    Input shape:
        Each tensor: `(batch, height, width, channels)`.

    Output shape:
        The same, as a list.

    Example:

    >>> layer = BatchNormalization(num_edges=2)
    >>> layer.build((None, 32, 32, 16))
    >>> first, second = layer([images, images], training=True)

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
        shape = (self.num_edges, input_shape[-1])
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
        source = Source(tensors[0], training)
        terms = self.terms(list(tensors), source)
        return [source.backend.sum([term]) for term in terms]

    def terms(self, tensors, source, weights=None):
        """Normalises tensors, and multiplies them by weights.

        Args:
            tensors: List of `num_edges` tensors.
            source: The `Source` that they were computed from.
            weights: Optional tensor `(num_edges,)`, in the dtype of the variables,
                that multiplies the results; of any length if there is one tensor.

        Returns:
            Sequence of terms, see `kernels.Reference`: one for each weight.
        """
        if self.is_frozen(source):
            return self.frozen(tensors, weights)
        backend = source.backend_for(self.synchronized)
        terms, statistics = backend.normalize(
            tensors, *self.scales_and_offsets(weights)
        )
        self.move(statistics)
        return terms

    def is_frozen(self, source):
        """Whether the statistics are the moving ones.

        Once folded they are in training too, and where the layer is not trainable, as
        in Keras' own batch norm.
        """
        return self.folded or not self.trainable or not source.training

    def frozen(self, tensors, weights=None):
        """Does in inference what `terms` does, by the moving statistics."""
        if self.folded:
            biases = tf.unstack(tf.cast(self.beta, tensors[0].dtype))
            return list(map(tf.nn.bias_add, tensors, biases))
        scales, offsets = self.scales_and_offsets(weights)
        if scales is not None and scales.shape.rank == 1:
            scales = scales[:, tf.newaxis]
        statistics = tf.unstack(self.moving_statistics)
        factors, shifts = (
            tf.unstack(tf.cast(each, tensors[0].dtype))
            for each in frozen_factors(scales, offsets, *statistics)
        )
        tensors = tensors * (len(factors) // len(tensors))
        edges = zip(tensors, factors, shifts, strict=True)
        return [x * factor + shift for x, factor, shift in edges]

    def scales_and_offsets(self, weights=None):
        """Returns what `kernels.Reference.normalize` takes, of weighted edges."""
        if not self.affine:
            return weights, None
        scales, offsets = map(tf.convert_to_tensor, (self.gamma, self.beta))
        if weights is None:
            return scales, offsets
        weights = weights[:, tf.newaxis]
        return weights * scales, weights * offsets

    def move(self, statistics):
        """Moves the moving statistics towards those of a batch."""
        now = tf.convert_to_tensor(self.moving_statistics)
        statistics = tf.cast(statistics, now.dtype)
        rate = constant(RATE, now.dtype)
        self.moving_statistics.assign(now + rate * (statistics - now))

    def fold_into(self, kernels):
        """Multiplies kernels by the factors of the frozen statistics; shifts remain.

        Args:
            kernels: Variables whose last axes, side by side, are the channels. The
                first axis is that of the edges, if there are several.
        """
        factors, shifts = frozen_factors(
            self.gamma, self.beta, *tf.unstack(self.moving_statistics)
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

    Example:

    >>> synchronize_batch_normalization(supernet)
    """
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNormalization):
            layer.synchronized = True


def is_synchronized(model):
    """Whether batch norms of a model ask other replicas for their batches.

    Args:
        model: A built Keras layer or model.
    """
    return num_replicas() > 1 and any(
        isinstance(layer, BatchNormalization) and layer.synchronized
        for layer in model._flatten_layers()
    )
