"""The stage, of which operations and cells are made: ReLU, convolution, batch norm.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
"""

import keras
import numpy as np
import tensorflow as tf

from keras_atdarts.kernels import Reference
from keras_atdarts.layers.edge_layer import EdgeLayer
from keras_atdarts.layers.edge_layer import check_strides
from keras_atdarts.layers.edge_layer import strided_shape


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Stage(EdgeLayer):
    """ReLU, depthwise convolution if any, pointwise convolution, batch norm.

    `y = BN(P (D * max(x, 0)))`, on each edge with weights of its own. A separable
    convolution is two of them, a dilated one is one.

    Args:
        filters: Integer, the output channels.
        kernel_size: Optional integer, odd, of the depthwise convolution; `None`
            leaves it out.
        strides: Integer, 1, or with a depthwise convolution 2.
        dilation_rate: Integer, 1 or 2.
        num_edges: Integer, how many edges read the tensor.
        affine: Boolean, whether the batch norm learns a scale and an offset.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Example:

    >>> images = keras.random.normal((2, 32, 32, 16))
    >>> Stage(24, kernel_size=3, strides=2)(images).shape
    TensorShape([2, 16, 16, 24])

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, section 3.1
    """

    def __init__(
        self,
        filters,
        kernel_size=None,
        strides=1,
        dilation_rate=1,
        num_edges=1,
        affine=True,
        **kwargs,
    ):
        super().__init__(num_edges=num_edges, affine=affine, **kwargs)
        check_strides(strides)
        if strides == 2 and kernel_size is None:
            raise ValueError(
                "A stage without depthwise convolution has no strides: give a "
                f"`kernel_size`, or strides=1. Received: strides={strides}"
            )
        if kernel_size is not None and kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd, so that the padding is symmetric. "
                f"Received: kernel_size={kernel_size}"
            )
        if dilation_rate not in (1, 2):
            raise ValueError(
                f"`dilation_rate` must be 1 or 2. Received: {dilation_rate}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.dilation_rate = dilation_rate
        self.loaded_by_parent = False

    def build(self, input_shape):
        channels, size = input_shape[-1], self.kernel_size
        self.depthwise_kernel = None
        if size is not None:
            self.depthwise_kernel = self.add_edge_weight(
                "depthwise_kernel", (size, size, channels, 1), fan_in=size**2
            )
        self.pointwise_kernel = self.add_edge_weight(
            "pointwise_kernel", (channels, self.filters), fan_in=channels
        )
        self.normalization = self.add_batch_normalization(self.filters)

    def terms(self, source, weights=None, inputs=None, relu_follows=False):
        """Returns the results on all edges, see `EdgeLayer`.

        Args:
            source: The node's `Source`.
            weights: Optional tensor `(num_edges,)`.
            inputs: Optional terms of a stage before this one, one for each edge;
                by default the source's tensor.
            relu_follows: Boolean, whether in inference a ReLU follows, with which
                TensorFlow can fuse the bias of a folded batch norm. Where a sum of
                biases follows, as a node's, its remapper would fail, and then fuse
                nothing anywhere.
        """
        inputs = self.inputs_of(source) if inputs is None else inputs
        norm = self.normalization
        if norm.is_frozen(source):
            tensors = self.convolve(inputs, fusible=relu_follows and norm.folded)
            return norm.frozen(tensors, weights)
        backend = source.backend_for(norm.synchronized)
        scales, offsets = norm.scales_and_offsets(weights)
        terms, statistics = backend.stage(
            inputs,
            *self.kernels(),
            scales,
            offsets,
            self.kernel_strides,
            self.dilation_rate,
        )
        norm.move(statistics)
        return terms

    def convolve(self, inputs, fusible=False):
        """Returns what the batch norm gets in inference, see `Reference.convolve`."""
        walk = self.kernel_strides, self.dilation_rate
        return Reference().convolve(inputs, *self.kernels(), *walk, fusible)

    @property
    def own_kernels(self):
        """The variables of the convolutions."""
        return [*self._trainable_variables]

    @property
    def kernel_strides(self):
        """The strides of the depthwise convolution."""
        return self.strides

    def inputs_of(self, source):
        """Returns the list of the tensor that all edges read."""
        return [source.x]

    def kernels(self):
        """Returns the depthwise kernels, or `None`, and the pointwise kernels."""
        depthwise = self.depthwise_kernel
        if depthwise is not None:
            depthwise = tf.convert_to_tensor(depthwise)
        return depthwise, tf.convert_to_tensor(self.pointwise_kernel)

    def normalized_kernels(self):
        """Returns the kernels that folding multiplies, see `networks.inference`."""
        return [((self.pointwise_kernel,), self.normalization)]

    def load_own_variables(self, store):
        if self.loaded_by_parent and not store.keys():
            return  # Of version 0.3 or before, see `Operation.load_own_variables`.
        super().load_own_variables(store)

    def compute_output_shape(self, input_shape):
        return strided_shape(input_shape, self.strides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "dilation_rate": self.dilation_rate,
        }


@keras.saving.register_keras_serializable(package="keras_atdarts")
class ReLUConvBN(Stage):
    """A `Stage` without depthwise convolution: brings a cell's input to its filters.

    Args:
        filters: Integer, the output channels.
        affine: Boolean, whether the batch norm learns a scale and an offset.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height, width, filters)`.

    Example:

    >>> images = keras.random.normal((2, 32, 32, 48))
    >>> ReLUConvBN(16)(images).shape
    TensorShape([2, 32, 32, 16])

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055
    """

    def __init__(self, filters, affine=True, **kwargs):
        super().__init__(filters, affine=affine, **kwargs)

    def load_own_variables(self, store):
        # Version 0.3 had no axis of edges here.
        kernel = np.reshape(store["0"], self.pointwise_kernel.shape)
        super().load_own_variables({"0": kernel})

    def get_config(self):
        config = super().get_config()
        for name in ("kernel_size", "strides", "dilation_rate", "num_edges"):
            del config[name]
        return config


@keras.saving.register_keras_serializable(package="keras_atdarts")
class FactorizedReduce(Stage):
    """Halves height and width: ReLU, 1x1 convolutions of shifted pixels, batch norm.

    Half of the filters are computed from the pixels (0, 0), (0, 2), ..., the others
    from the pixels (1, 1), (1, 3), ...: a `Stage` that reads both side by side.

    Args:
        filters: Integer, the output channels. Odd sizes are rounded up, with zeros
            beyond the last pixel.
        num_edges: Integer, how many edges read the tensor.
        affine: Boolean, whether the batch norm learns a scale and an offset.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / 2), ceil(width / 2), filters)`.

    Example:

    >>> images = keras.random.normal((2, 32, 32, 16))
    >>> FactorizedReduce(32)(images).shape
    TensorShape([2, 16, 16, 32])

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055
    """

    kernel_strides = 1

    def __init__(self, filters, num_edges=1, affine=True, **kwargs):
        super().__init__(filters, num_edges=num_edges, affine=affine, **kwargs)
        self.strides = 2

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

    def inputs_of(self, source):
        return [source.even_and_odd]

    def kernels(self):
        even, odd = map(tf.convert_to_tensor, (self.even_kernel, self.odd_kernel))
        channels = even.shape[1]
        above = tf.pad(even, [[0, 0], [0, channels], [0, 0]])
        below = tf.pad(odd, [[0, 0], [channels, 0], [0, 0]])
        return None, tf.concat([above, below], axis=2)

    def convolve(self, inputs, fusible=False):
        # Each half by itself spares the products with zeros.
        pixels = zip(*(tf.split(x, 2, axis=-1) for x in inputs), strict=True)
        kernels = map(tf.convert_to_tensor, (self.even_kernel, self.odd_kernel))
        halves = [
            Reference().convolve(list(x), None, kernel, fusible=fusible)
            for x, kernel in zip(pixels, kernels, strict=True)
        ]
        return [tf.concat(pair, axis=-1) for pair in zip(*halves, strict=True)]

    def normalized_kernels(self):
        return [((self.even_kernel, self.odd_kernel), self.normalization)]

    def get_config(self):
        config = super().get_config()
        for name in ("kernel_size", "strides", "dilation_rate"):
            del config[name]
        return config
