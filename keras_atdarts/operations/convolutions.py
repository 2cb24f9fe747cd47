"""The convolutional operations.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 3.1; the operations with kernels of 7: Zoph, Vasudevan, Shlens, Le,
    NASNet, CVPR 2018, https://arxiv.org/abs/1707.07012, and Real, Aggarwal, Huang,
    Le, AmoebaNet, AAAI 2019, https://arxiv.org/abs/1802.01548
"""

import keras
import tensorflow as tf

from keras_atdarts.kernels import kernels
from keras_atdarts.kernels.depthwise import depthwise_convolutions
from keras_atdarts.kernels.joined import on_each
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import register_operation


class DepthwiseOperation(Operation):
    """Base of the operations made of depthwise and pointwise convolutions.

    Args:
        filters: Integer, the channels of input and output.
        kernel_size: Integer, odd, of the depthwise convolutions.
        **kwargs: Of `Operation`.
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, **kwargs)
        self.kernel_size = kernel_size

    def is_normalized(self):
        return True

    def add_kernels(self, position):
        """Adds the weights of one depthwise and pointwise convolution."""
        size = self.kernel_size
        depthwise = self.add_edge_weight(
            f"depthwise_{position}", (size, size, self.filters, 1), fan_in=size**2
        )
        pointwise = self.add_edge_weight(
            f"pointwise_{position}", (self.filters, self.filters), fan_in=self.filters
        )
        return depthwise, pointwise

    def convolve(self, tensors, weights, strides=1, dilation_rate=1, fusible=False):
        """Convolves one rectified tensor per edge with that edge's weights."""
        of_channels, of_pixels = map(tf.convert_to_tensor, weights)
        tensors = depthwise_convolutions(tensors, of_channels, strides, dilation_rate)
        return kernels.pointwise_convolutions(tensors, of_pixels, fusible)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@register_operation("sep_conv_3x3", kernel_size=3)
@register_operation("sep_conv_5x5", kernel_size=5)
@register_operation("sep_conv_7x7", kernel_size=7)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class SeparableConvolution(DepthwiseOperation):
    """Twice: ReLU, depthwise, pointwise convolution, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.first = self.add_kernels("first")
        self.inner_normalization = self.add_batch_normalization(self.filters)
        self.second = self.add_kernels("second")

    def terms(self, shared, weights=None, training=None):
        inner, outer = self.inner_normalization, self.normalization
        if inner.runs_native([shared.x], training):
            lines = inner.convolve([shared.x], *self.first, None, self.strides)
            return outer.convolve(lines, *self.second, weights)
        tensors = [shared.relu] * self.num_edges
        # Folded, it ends in a bias. Not so the second: where a sum of biases follows,
        # as a node's, TensorFlow's remapper fails, and then fuses nothing anywhere.
        tensors = self.convolve(tensors, self.first, self.strides, fusible=inner.folded)
        tensors = inner.terms(tensors, training=training)
        tensors = self.convolve(on_each(tf.nn.relu, tensors), self.second)
        return outer.terms(tensors, weights, training)

    def normalized_kernels(self):
        (_, first), (_, second) = self.first, self.second
        return [((first,), self.inner_normalization), ((second,), self.normalization)]


@register_operation("dil_conv_3x3", kernel_size=3)
@register_operation("dil_conv_5x5", kernel_size=5)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class DilatedConvolution(DepthwiseOperation):
    """ReLU, depthwise convolution with dilation 2, pointwise, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernels = self.add_kernels("only")

    def terms(self, shared, weights=None, training=None):
        if self.normalization.runs_native([shared.x], training):
            return self.normalization.convolve(
                [shared.x], *self.kernels, weights, self.strides, dilation=2
            )
        if self.strides == 2 or shared.phases is None:
            tensors = [shared.relu] * self.num_edges
            results = self.convolve(tensors, self.kernels, self.strides, 2)
            return self.normalization.terms(results, weights, training)
        results = self.convolve([shared.phases] * self.num_edges, self.kernels)
        results = self.normalization.terms(results, weights, training)
        return [kernels.Phases(x) for x in results]

    def normalized_kernels(self):
        _, pointwise = self.kernels
        return [((pointwise,), self.normalization)]


@register_operation("conv_7x1_1x7", kernel_size=7)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class RowColumnConvolution(Operation):
    """ReLU, convolution along the rows, one along the columns, batch norm.

    Args:
        filters: Integer, the channels of input and output.
        kernel_size: Integer, odd, the length of both kernels.
        **kwargs: Of `Operation`.
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, **kwargs)
        self.kernel_size = kernel_size

    def is_normalized(self):
        return True

    def build(self, input_shape):
        super().build(input_shape)
        size, channels = self.kernel_size, self.filters
        self.row_kernel, self.column_kernel = (
            self.add_edge_weight(name, (*shape, channels, channels), size * channels)
            for name, shape in (("row", (1, size)), ("column", (size, 1)))
        )

    def branches(self, shared, training):
        results = []
        for row, column in zip(
            tf.unstack(self.row_kernel), tf.unstack(self.column_kernel), strict=True
        ):
            x = kernels.convolution(shared.relu, row, (1, self.strides))
            results.append(kernels.convolution(x, column, (self.strides, 1)))
        return results

    def normalized_kernels(self):
        return [((self.column_kernel,), self.normalization)]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
