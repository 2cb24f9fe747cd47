"""The heads that turn features into logits."""

import keras
import tensorflow as tf

from keras_atdarts.kernels.convolutions import mean_over_pixels
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.layers.edge_layer import uniform_initializer


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Classifier(keras.layers.Layer):
    """Mean over pixels and a dense layer, in float32 under mixed precision.

    Args:
        num_classes: Integer.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        Logits `(batch, num_classes)`.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, self.num_classes),
            initializer=uniform_initializer(fan_in=channels),
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.num_classes,),
            initializer=uniform_initializer(fan_in=channels),
            autocast=False,
        )

    def call(self, inputs):
        pooled = mean_over_pixels(tf.cast(inputs, self.variable_dtype))
        return tf.matmul(pooled, self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class AuxiliaryHead(keras.layers.Layer):
    """The second classifier at two thirds of the network, used in training only.

    ReLU, 5x5 average pool, 1x1 convolution of 128, batch norm, ReLU, 2x2
    convolution of 768, batch norm, ReLU, classifier. Windows shrink to images
    that are smaller than they are.

    Args:
        num_classes: Integer.
        pool_strides: Integer, 3 for CIFAR, 2 for ImageNet.
        last_normalization: Boolean, whether the second convolution is followed by
            a batch norm, which the reference leaves out for ImageNet.

    Input shape:
        `(batch, height, width, channels)`, 8x8 in the reference.

    Output shape:
        Logits `(batch, num_classes)`.

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, appendix A.2
    """

    def __init__(self, num_classes, pool_strides=3, last_normalization=True, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.pool_strides = pool_strides
        self.last_normalization = last_normalization

    def build(self, input_shape):
        sizes = input_shape[1:3]
        window = tuple(5 if size is None else min(5, size) for size in sizes)
        self.pool = keras.layers.AveragePooling2D(
            window, strides=self.pool_strides, dtype=self.dtype_policy
        )
        pooled_shape = self.pool.compute_output_shape(input_shape)
        size = tuple(2 if size is None else min(2, size) for size in pooled_shape[1:3])
        self.convolutions = [
            ConvBN(128, kernel_size=1, dtype=self.dtype_policy),
            ConvBN(
                768,
                kernel_size=size,
                padding="valid",
                normalize=self.last_normalization,
                dtype=self.dtype_policy,
            ),
        ]
        self.classifier = Classifier(self.num_classes, dtype=self.dtype_policy)
        shape = pooled_shape
        for layer in (*self.convolutions, self.classifier):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs, training=None):
        x = self.pool(tf.nn.relu(inputs))
        for convolution in self.convolutions:
            x = tf.nn.relu(convolution(x, training=training))
        return self.classifier(x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "pool_strides": self.pool_strides,
            "last_normalization": self.last_normalization,
        }
