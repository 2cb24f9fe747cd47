"""Channel attention and spatial attention of CBAM, as plain Keras layers.

Nothing here knows of architecture search. `ChannelAttention` and
`SpatialAttention` multiply their input by a gate. The gates are layers of their
own, which can also compute several gates of one input at once.

Reference:
    Woo, Park, Lee, Kweon, CBAM: Convolutional Block Attention Module, ECCV 2018,
    https://arxiv.org/abs/1807.06521, section 3.
"""

import keras
import tensorflow as tf

from keras_atdarts.kernels.convolutions import convolution
from keras_atdarts.kernels.convolutions import mean_over_pixels
from keras_atdarts.layers.batch_normalization import BatchNormalization
from keras_atdarts.layers.edge_layer import uniform_initializer


def check_reduction_ratio(reduction_ratio):
    """Raises `ValueError` unless the ratio is a positive integer."""
    if reduction_ratio < 1:
        raise ValueError(
            "`reduction_ratio` must be a positive integer. "
            f"Received: reduction_ratio={reduction_ratio}"
        )


def check_kernel_size(kernel_size):
    """Raises `ValueError` unless the size is odd."""
    if kernel_size % 2 != 1:
        raise ValueError(
            "`kernel_size` must be odd, so that the padding is symmetric. "
            f"Received: kernel_size={kernel_size}"
        )


class Gate(keras.layers.Layer):
    """Base of the gates: `num_gates` gates of one tensor, or of one tensor each.

    Args:
        num_gates: Integer, how many gates to compute.

    Call arguments:
        tensors: List of one tensor `(batch, height, width, channels)`, which
            all gates read, or of `num_gates` tensors.
        training: Boolean, as for batch norm.
    """

    def __init__(self, num_gates=1, **kwargs):
        super().__init__(**kwargs)
        self.num_gates = num_gates

    def get_config(self):
        return {**super().get_config(), "num_gates": self.num_gates}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class ChannelGate(Gate):
    """`sigmoid(MLP(average over pixels) + MLP(maximum over pixels))`.

    Args:
        reduction_ratio: Integer, by which the channels are divided to give the
            width of the MLP's hidden layer, which is at least 1.
        num_gates: Integer, how many gates to compute.

    Input shape:
        List of tensors `(batch, height, width, channels)`, see `Gate`.

    Output shape:
        List of `num_gates` tensors `(batch, 1, 1, channels)` between 0 and 1.
    """

    def __init__(self, reduction_ratio=16, num_gates=1, **kwargs):
        super().__init__(num_gates=num_gates, **kwargs)
        check_reduction_ratio(reduction_ratio)
        self.reduction_ratio = reduction_ratio

    def build(self, input_shape):
        channels = input_shape[0][-1]
        hidden = max(channels // self.reduction_ratio, 1)
        self.squeeze = self._add_dense("squeeze", channels, hidden)
        self.excite = self._add_dense("excite", hidden, channels)

    def _add_dense(self, name, inputs, outputs):
        shapes = {"kernel": (inputs, outputs), "bias": (1, outputs)}
        return [
            self.add_weight(
                name=f"{name}_{part}",
                shape=(self.num_gates, *shape),
                initializer=uniform_initializer(fan_in=inputs),
            )
            for part, shape in shapes.items()
        ]

    def call(self, tensors, training=None):
        average = tf.stack([mean_over_pixels(x) for x in tensors])
        maximum = tf.stack([tf.reduce_max(x, axis=[1, 2]) for x in tensors])
        # As one batch: half the products, and Grappler returns wrong outputs for
        # products that share a kernel within a loop.
        of_both = self._mlp(tf.concat([average, maximum], axis=1))
        gates = tf.sigmoid(tf.add_n(tf.split(of_both, 2, axis=1)))
        return tf.unstack(gates[:, :, tf.newaxis, tf.newaxis, :], self.num_gates)

    def _mlp(self, pooled):
        kernel, bias = self.squeeze
        hidden = tf.nn.relu(tf.matmul(pooled, kernel) + bias)
        kernel, bias = self.excite
        return tf.matmul(hidden, kernel) + bias

    def compute_output_shape(self, input_shape):
        batch, _, _, channels = input_shape[0]
        return [(batch, 1, 1, channels)] * self.num_gates

    def get_config(self):
        return {**super().get_config(), "reduction_ratio": self.reduction_ratio}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SpatialGate(Gate):
    """`sigmoid(BN(convolution(maximum and mean over channels)))`.

    Args:
        kernel_size: Integer, odd.
        num_gates: Integer, how many gates to compute.

    Input shape:
        List of tensors `(batch, height, width, channels)`, see `Gate`.

    Output shape:
        List of `num_gates` tensors `(batch, height, width, 1)` between 0 and 1.
    """

    def __init__(self, kernel_size=7, num_gates=1, **kwargs):
        super().__init__(num_gates=num_gates, **kwargs)
        check_kernel_size(kernel_size)
        self.kernel_size = kernel_size

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, 2, self.num_gates),
            initializer=uniform_initializer(fan_in=2 * self.kernel_size**2),
        )
        self.normalization = BatchNormalization(dtype=self.dtype_policy)
        self.normalization.build((None, None, None, self.num_gates))

    def call(self, tensors, training=None):
        maps = self._convolve([self._pool(x) for x in tensors])
        [maps] = self.normalization([maps], training=training)
        return tf.split(tf.sigmoid(maps), self.num_gates, axis=-1)

    def _pool(self, x):
        maximum = tf.reduce_max(x, axis=-1, keepdims=True)
        mean = tf.reduce_mean(x, axis=-1, keepdims=True)
        return tf.concat([maximum, mean], axis=-1)

    def _convolve(self, pooled):
        kernel = tf.convert_to_tensor(self.kernel)
        if len(pooled) == 1:
            return convolution(pooled[0], kernel)
        maps = [convolution(x, kernel[..., i : i + 1]) for i, x in enumerate(pooled)]
        return tf.concat(maps, axis=-1)

    def normalized_kernels(self):
        return [((self.kernel,), self.normalization)]

    def compute_output_shape(self, input_shape):
        return [(*input_shape[0][:-1], 1)] * self.num_gates

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


class Attention(keras.layers.Layer):
    """Base of the attention layers: the input times its gate."""

    def build(self, input_shape):
        self.gate = self.make_gate()
        self.gate.build([input_shape])

    def make_gate(self):
        raise NotImplementedError

    def call(self, inputs, training=None):
        [gate] = self.gate([inputs], training=training)
        return inputs * gate

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_atdarts")
class ChannelAttention(Attention):
    """Multiplies every channel by a gate computed from all pixels.

    Args:
        reduction_ratio: Integer, by which the channels are divided to give the
            width of the MLP's hidden layer, which is at least 1.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        The same.

    Example:

    >>> images = keras.random.normal((2, 32, 32, 16))
    >>> ChannelAttention(reduction_ratio=4)(images).shape
    TensorShape([2, 32, 32, 16])

    Reference:
        Woo et al., CBAM, 2018, https://arxiv.org/abs/1807.06521, equation 2.
    """

    def __init__(self, reduction_ratio=16, **kwargs):
        super().__init__(**kwargs)
        check_reduction_ratio(reduction_ratio)
        self.reduction_ratio = reduction_ratio

    def make_gate(self):
        return ChannelGate(self.reduction_ratio, dtype=self.dtype_policy)

    def get_config(self):
        return {**super().get_config(), "reduction_ratio": self.reduction_ratio}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SpatialAttention(Attention):
    """Multiplies every pixel by a gate computed from all channels around it.

    Args:
        kernel_size: Integer, odd: the side of the neighbourhood.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        The same.

    Example:

    >>> images = keras.random.normal((2, 32, 32, 16))
    >>> SpatialAttention()(images).shape
    TensorShape([2, 32, 32, 16])

    Reference:
        Woo et al., CBAM, 2018, https://arxiv.org/abs/1807.06521, equation 3.
    """

    def __init__(self, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        check_kernel_size(kernel_size)
        self.kernel_size = kernel_size

    def make_gate(self):
        return SpatialGate(self.kernel_size, dtype=self.dtype_policy)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
