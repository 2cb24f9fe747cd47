"""Building blocks of operations and cells.

Edges that leave one node of a cell read the same tensor. The blocks therefore
work on all of them at once: a weight has a leading axis of `num_edges`, and a
result is a list with one tensor per edge. With `num_edges=1` they are ordinary
layers, and the derived network uses them so.
"""

import functools
import math

import keras
import tensorflow as tf

from keras_atdarts.kernels import kernels
from keras_atdarts.kernels import pooling
from keras_atdarts.kernels.joined import concat_channels
from keras_atdarts.kernels.shapes import strided_shape
from keras_atdarts.layers.batch_normalization import BatchNormalization


def uniform_initializer(fan_in):
    """PyTorch's default for convolutions and dense layers, which DARTS uses."""
    limit = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


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
