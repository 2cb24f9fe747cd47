"""Building blocks of operations and cells.

Edges that leave one node of a cell read the same tensor. The blocks therefore
work on all of them at once: a weight has a leading axis of `num_edges`, and a
result is a list with one tensor per edge. With `num_edges=1` they are ordinary
layers, and the derived network uses them so.
"""

import functools
import math

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts import devices
from keras_atdarts import kernels
from keras_atdarts import normalization
from keras_atdarts import pooling
from keras_atdarts.constants import constant
from keras_atdarts.joined import concat_channels
from keras_atdarts.native import operations as native

RATE = 0.1  # Keras would say: momentum 0.9.
EPSILON = 1e-5


def uniform_initializer(fan_in):
    """PyTorch's default for convolutions and dense layers, which DARTS uses."""
    limit = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def zero_means_and_unit_variances(shape, dtype=None):
    """Initialises statistics `(2, ...)`, whose means come first."""
    values = np.zeros(shape, dtype)
    values[1] = 1
    return values


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


class SharedInput:
    """The tensor at a node, with what its outgoing edges share computed once.

    Args:
        x: Tensor `(batch, height, width, channels)`.
    """

    def __init__(self, x):
        self.x = x

    @functools.cached_property
    def relu(self):
        return tf.nn.relu(self.x)

    @functools.cached_property
    def phases(self):
        """The phases of `relu`, for dilated convolutions; `None` at odd sizes."""
        if all(map(kernels.is_even, self.x.shape[1:3])):
            return kernels.to_phases(self.relu)
        return None

    @functools.cached_property
    def even(self):
        return pooling.subsample_even(self.relu)

    @functools.cached_property
    def odd(self):
        return pooling.subsample_odd(self.relu)


class EdgeLayer(keras.layers.Layer):
    """Base of layers that work on `num_edges` edges at once.

    Args:
        num_edges: Integer, how many edges leave the node.
        affine: Boolean, whether batch norms learn a scale and an offset. The
            supernet's do not: they would rescale the alphas away.
    """

    def __init__(self, num_edges=1, affine=True, **kwargs):
        super().__init__(**kwargs)
        self.num_edges = num_edges
        self.affine = affine

    def add_edge_weight(self, name, shape, fan_in):
        """Adds a weight `(num_edges, *shape)`, each edge with its own values."""
        return self.add_weight(
            name=name,
            shape=(self.num_edges, *shape),
            initializer=uniform_initializer(fan_in),
        )

    def add_batch_normalization(self, filters, num_edges=None, affine=None):
        """Returns a built batch norm of `filters` channels for the edges."""
        layer = BatchNormalization(
            num_edges=self.num_edges if num_edges is None else num_edges,
            affine=self.affine if affine is None else affine,
            dtype=self.dtype_policy,
        )
        layer.build((None, None, None, filters))
        return layer

    def get_config(self):
        config = super().get_config()
        return {**config, "num_edges": self.num_edges, "affine": self.affine}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class BatchNormalization(keras.layers.Layer):
    """Batch normalization of one tensor per edge, optionally weighted.

    An alpha is passed as the scale of the batch norm it would follow: the
    weighting is free, and the gradient of alpha is the sum of the scale's.
    Running statistics are those of PyTorch (momentum 0.1, unbiased variance).

    The attribute `synchronized`, `False` at first, says whether in training the
    statistics are those of all replicas; see `synchronize_batch_normalization`.
    The attribute `folded`, `False` at first, says whether the kernels before it
    contain its factors, and it only adds; see `keras_atdarts.folding`.

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
        """Whether tensors or `Line`s are normalised by kernels of our own."""
        x = tensors[0]
        dtype = x.numbers.dtype if isinstance(x, native.Line) else x.dtype
        here = training and not (self.synchronized or self.folded)
        return here and dtype in native.DTYPES and devices.runs_native()

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


@keras.saving.register_keras_serializable(package="keras_atdarts")
class ReLUConvBN(keras.layers.Layer):
    """ReLU, 1x1 convolution, batch norm: brings a cell's input to its filters.

    Args:
        filters: Integer, the output channels.
        affine: Boolean, whether the batch norm learns a scale and an offset.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width, filters)`.

    Reference:
        Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
    """

    def __init__(self, filters, affine=True, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.affine = affine

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, self.filters),
            initializer=uniform_initializer(fan_in=channels),
        )
        self.normalization = BatchNormalization(
            affine=self.affine, dtype=self.dtype_policy
        )
        self.normalization.build((*input_shape[:-1], self.filters))

    def call(self, inputs, training=None):
        kernel = tf.convert_to_tensor(self.kernel)[tf.newaxis]
        if self.normalization.runs_native([inputs], training):
            [line] = self.normalization.convolve([inputs], None, kernel, weights=None)
            return kernels.as_tensor(line)
        x = kernels.pointwise_convolutions([tf.nn.relu(inputs)], kernel)
        return self.normalization(x, training=training)[0]

    def normalized_kernels(self):
        return [((self.kernel,), self.normalization)]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        config = super().get_config()
        return {**config, "filters": self.filters, "affine": self.affine}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class ConvBN(keras.layers.Layer):
    """Convolution and batch norm: the stem, and parts of other heads and stems.

    Args:
        filters: Integer, the output channels.
        kernel_size: Integer, or height and width. Odd with padding.
        strides: Integer, 1 or 2.
        padding: `"same"`, symmetric at every stride, or `"valid"`.
        normalize: Boolean; `False` leaves the batch norm out.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, new_height, new_width, filters)`.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=1,
        padding="same",
        normalize=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        if isinstance(kernel_size, int):
            kernel_size = (kernel_size, kernel_size)
        self.kernel_size = tuple(kernel_size)
        self.strides = strides
        self.padding = padding
        self.normalize = normalize
        if padding not in ("same", "valid"):
            raise ValueError(
                f"`padding` must be 'same' or 'valid'. Received: padding={padding}"
            )
        if padding == "same" and any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                "`kernel_size` must be odd, so that the padding is symmetric; or "
                f"give padding='valid'. Received: kernel_size={kernel_size}"
            )
        if strides not in (1, 2):
            raise ValueError(f"`strides` must be 1 or 2. Received: strides={strides}")

    def build(self, input_shape):
        channels = input_shape[-1]
        height, width = self.kernel_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(height, width, channels, self.filters),
            initializer=uniform_initializer(fan_in=height * width * channels),
        )
        if self.normalize:
            self.normalization = BatchNormalization(dtype=self.dtype_policy)
            self.normalization.build((None, None, None, self.filters))

    def call(self, inputs, training=None):
        kernel = tf.convert_to_tensor(self.kernel)
        x = kernels.convolution(inputs, kernel, self.strides, self.padding)
        return self.normalization([x], training=training)[0] if self.normalize else x

    def normalized_kernels(self):
        return [((self.kernel,), self.normalization)] if self.normalize else []

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        if self.padding == "valid":
            sizes = [
                None if size is None else size - kernel + 1
                for size, kernel in zip(sizes, self.kernel_size, strict=True)
            ]
        return strided_shape((batch, *sizes, channels), self.strides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "normalize": self.normalize,
        }


@keras.saving.register_keras_serializable(package="keras_atdarts")
class FactorizedReduce(EdgeLayer):
    """Halves height and width: two 1x1 convolutions of shifted pixels, batch norm.

    Args:
        filters: Integer, the output channels: half from the even pixels, half
            from the odd ones. Odd sizes are rounded up, with zeros beyond the
            last pixel.
        num_edges: Integer, how many edges read the tensor.
        affine: Boolean, whether the batch norm learns a scale and an offset.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / 2), ceil(width / 2), filters)`.

    Reference:
        Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
    """

    def __init__(self, filters, num_edges=1, affine=True, **kwargs):
        super().__init__(num_edges=num_edges, affine=affine, **kwargs)
        self.filters = filters

    def build(self, input_shape):
        channels = input_shape[-1]
        half = self.filters // 2
        self.even_kernel = self.add_edge_weight(
            "even_kernel", (channels, half), fan_in=channels
        )
        self.odd_kernel = self.add_edge_weight(
            "odd_kernel", (channels, self.filters - half), fan_in=channels
        )
        self.normalization = self.add_batch_normalization(self.filters)

    def call(self, inputs, training=None):
        [term] = self.terms(SharedInput(inputs), training=training)
        return kernels.as_tensor(term)

    def terms(self, shared, weights=None, training=None):
        """Reduces the tensor of a node for every edge that leaves it.

        Args:
            shared: The node's `SharedInput`.
            weights: Optional tensor `(num_edges,)`, see `BatchNormalization`.
            training: Boolean, as for batch norm.

        Returns:
            List of `num_edges` tensors or `Line`s.
        """
        halves = [
            kernels.pointwise_convolutions(
                [x] * self.num_edges, tf.convert_to_tensor(kernel)
            )
            for x, kernel in (
                (shared.even, self.even_kernel),
                (shared.odd, self.odd_kernel),
            )
        ]
        reduced = concat_channels(*halves)
        return self.normalization.terms(reduced, weights, training)

    def normalized_kernels(self):
        return [((self.even_kernel, self.odd_kernel), self.normalization)]

    def compute_output_shape(self, input_shape):
        return strided_shape(input_shape, 2, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
