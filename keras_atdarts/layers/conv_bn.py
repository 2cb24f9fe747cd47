"""Convolution and batch norm: stems, and parts of heads."""

import keras
import tensorflow as tf

from keras_atdarts.kernels.convolutions import convolution
from keras_atdarts.layers.batch_normalization import BatchNormalization
from keras_atdarts.layers.edge_layer import check_strides
from keras_atdarts.layers.edge_layer import strided_shape
from keras_atdarts.layers.edge_layer import uniform_initializer


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

    Example:

    >>> images = keras.random.normal((2, 32, 32, 3))
    >>> ConvBN(48)(images).shape
    TensorShape([2, 32, 32, 48])

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, appendix A
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
        check_strides(strides)

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
        x = convolution(inputs, kernel, self.strides, self.padding)
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
