"""The convolutional operations.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 3.1; the operations with kernels of 7: Zoph, Vasudevan, Shlens, Le,
    NASNet, CVPR 2018, https://arxiv.org/abs/1707.07012, and Real, Aggarwal, Huang,
    Le, AmoebaNet, AAAI 2019, https://arxiv.org/abs/1802.01548
"""

import keras
import tensorflow as tf

from keras_atdarts.kernels.convolutions import convolution
from keras_atdarts.layers.stage import Stage
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import register_operation


class StagedOperation(Operation):
    """Base of the operations that are one `Stage` or several.

    Args:
        filters: Integer, the channels of input and output.
        kernel_size: Integer, odd, of the depthwise convolutions.
        **kwargs: Of `Operation`.
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, **kwargs)
        self.kernel_size = kernel_size

    def is_normalized(self):
        return False  # The last stage is.

    def add_stage(self, input_shape, **arguments):
        """Returns a built `Stage` of this kernel size."""
        return self.add_part(
            Stage, input_shape, kernel_size=self.kernel_size, **arguments
        )

    @property
    def stages(self):
        """The list of the stages, the first one first."""
        raise NotImplementedError

    def load_own_variables(self, store):
        # Up to version 0.3 the kernels of all stages were the operation's own.
        keys = iter(store.keys())
        for stage in self.stages if store.keys() else ():
            stage.load_own_variables(
                {str(i): store[next(keys)] for i in range(len(stage.own_kernels))}
            )
            stage.loaded_by_parent = True

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@register_operation("sep_conv_3x3", kernel_size=3)
@register_operation("sep_conv_5x5", kernel_size=5)
@register_operation("sep_conv_7x7", kernel_size=7)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class SeparableConvolution(StagedOperation):
    """Twice: ReLU, depthwise, pointwise convolution, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.first = self.add_stage(input_shape, strides=self.strides)
        self.second = self.add_stage(self.compute_output_shape(input_shape))
        # Under these names files of version 0.3 and before have them.
        self.inner_normalization = self.first.normalization
        self.normalization = self.second.normalization

    @property
    def stages(self):
        return [self.first, self.second]

    @property
    def variables(self):
        if not self.built:
            return super().variables
        # In the order of those files, in which their optimizers have their state.
        kernels = [*self.first.own_kernels, *self.second.own_kernels]
        norms = [self.normalization, self.inner_normalization]
        return kernels + [each for norm in norms for each in norm.variables]

    @property
    def weights(self):
        # Keras builds optimizers of the ones or of the others, and expects one order.
        return self.variables

    def terms(self, source, weights=None):
        inner = self.first.terms(source, relu_follows=True)
        return self.second.terms(source, weights, inner)


@register_operation("dil_conv_3x3", kernel_size=3)
@register_operation("dil_conv_5x5", kernel_size=5)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class DilatedConvolution(StagedOperation):
    """ReLU, depthwise convolution with dilation 2, pointwise, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.stage = self.add_stage(input_shape, strides=self.strides, dilation_rate=2)
        self.normalization = self.stage.normalization

    @property
    def stages(self):
        return [self.stage]

    def terms(self, source, weights=None):
        return self.stage.terms(source, weights)


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

    def results(self, source):
        rectified, results = tf.nn.relu(source.x), []
        for row, column in zip(
            tf.unstack(self.row_kernel), tf.unstack(self.column_kernel), strict=True
        ):
            x = convolution(rectified, row, (1, self.strides))
            results.append(convolution(x, column, (self.strides, 1)))
        return results

    def normalized_kernels(self):
        return [((self.column_kernel,), self.normalization)]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}
