"""The candidate operations of a cell and their registry.

A new operation is one class in this file, or anywhere else:

    @register_operation("doubled")
    @keras.saving.register_keras_serializable(package="mine")
    class Doubled(Operation):
        has_weights = False  # One result serves all edges.

        def branches(self, shared, training):
            x = shared.x if self.strides == 1 else subsample_even(shared.x)
            return [2 * x]

It can then be searched, derived, drawn, saved, and the tests that run over the
registry cover it.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 3.1; Shin, Bae, A New Neural Architecture Search Using Self-Attention
    Operation, section 2.2.
"""

import keras
import tensorflow as tf

from keras_atdarts import kernels
from keras_atdarts.attention import ChannelGate
from keras_atdarts.attention import SpatialGate
from keras_atdarts.blocks import EdgeLayer
from keras_atdarts.blocks import FactorizedReduce
from keras_atdarts.blocks import SharedInput
from keras_atdarts.blocks import strided_shape
from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name

_REGISTRY = {}

DARTS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
SEARCH_SPACES = {
    "darts": DARTS,
    "at_darts": (*DARTS, "channel_attention", "spatial_attention"),
}


def register_operation(name, **arguments):
    """Decorator that makes an `Operation` class known under a name.

    Args:
        name: String, as it stands in genotypes.
        **arguments: Given to the class beside `filters` and `strides`.

    Raises:
        ValueError: The name is taken.
    """

    def register(operation_class):
        if name in _REGISTRY:
            raise ValueError(
                f"An operation named '{name}' exists already: "
                f"{_REGISTRY[name][0].__name__}. Choose another name."
            )
        _REGISTRY[name] = (operation_class, arguments)
        return operation_class

    return register


def operation_names():
    """Returns the names of all registered operations, as a tuple."""
    return tuple(_REGISTRY)


def operation_class(name):
    """Returns the class behind a name; `InputError` if there is none."""
    if name not in _REGISTRY:
        raise unknown_name("operation", name, _REGISTRY)
    return _REGISTRY[name][0]


def attention_names():
    """Returns the names of the operations that are attention, as a tuple."""
    return tuple(name for name in _REGISTRY if operation_class(name).is_attention)


def build_operation(operation, filters, strides=1, **kwargs):
    """Returns a new `Operation` layer.

    Args:
        operation: String, a registered name.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        **kwargs: Further arguments of `Operation`.

    Raises:
        InputError: The name is not registered.
    """
    layer_class = operation_class(operation)
    arguments = _REGISTRY[operation][1]
    return layer_class(filters=filters, strides=strides, **arguments, **kwargs)


def resolve_operations(names):
    """Returns the operations of a search space, as a checked tuple of names.

    Args:
        names: Name of a search space, or an iterable of operation names.

    Raises:
        InputError: A name is unknown or repeated, or nothing could be chosen.
    """
    if isinstance(names, str):
        names = (names,)
    names = tuple(names)
    if len(names) == 1 and names[0] in SEARCH_SPACES:
        return SEARCH_SPACES[names[0]]
    for name in names:
        if name not in _REGISTRY:
            known = (*_REGISTRY, *SEARCH_SPACES)
            raise unknown_name("operation or search space", name, known)
    if len(set(names)) != len(names):
        raise InputError(f"Operations must differ. Received: {', '.join(names)}.")
    if all(operation_class(name).is_zero for name in names):
        raise InputError(
            "A search space needs an operation other than 'none'. "
            f"Received: {', '.join(names) or 'no operation'}."
        )
    return names


class Operation(EdgeLayer):
    """Base of the candidate operations, on all edges that leave one node.

    A subclass says in `branches` how the results come from the node's tensor. In
    the supernet (`search=True`) every result is batch-normalised without affine
    parameters and weighted by its alpha; in the derived network only operations
    with weights end in a batch norm.

    Args:
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        num_edges: Integer, how many edges leave the node.
        search: Boolean, whether the operation is a candidate in the supernet.

    Call arguments:
        inputs: Tensor `(batch, height, width, filters)`.
        training: Boolean, as for batch norm.

    Input shape:
        `(batch, height, width, filters)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.
    """

    has_weights = True  # Otherwise all edges share one result.
    is_attention = False
    is_identity = False
    is_zero = False

    def __init__(self, filters, strides=1, num_edges=1, search=False, **kwargs):
        super().__init__(num_edges=num_edges, affine=not search, **kwargs)
        if strides not in (1, 2):
            raise ValueError(f"`strides` must be 1 or 2. Received: strides={strides}")
        self.filters = filters
        self.strides = strides
        self.search = search

    def build(self, input_shape):
        if input_shape[-1] != self.filters:
            raise ValueError(
                "An operation keeps the channels of its input: expected "
                f"{self.filters}, the `filters`. Received: {input_shape[-1]} "
                f"channels of input_shape={input_shape}"
            )
        self.normalization = None
        if self.is_normalized():
            self.normalization = self.add_batch_normalization(
                self.filters, num_edges=self.num_edges if self.has_weights else 1
            )

    def add_reduce(self, input_shape):
        """Returns a built `FactorizedReduce` for the edges."""
        layer = FactorizedReduce(
            self.filters, self.num_edges, self.affine, dtype=self.dtype_policy
        )
        layer.build(input_shape)
        return layer

    def is_normalized(self):
        """Whether the results end in a batch norm."""
        return self.search

    def branches(self, shared, training):
        """Returns the results before the final batch norm.

        Args:
            shared: `SharedInput` of the node.
            training: Boolean, as for batch norm.

        Returns:
            List of `num_edges` tensors, or of one if all edges share it.
        """
        raise NotImplementedError

    def mix(self, shared, weights=None, training=None):
        """Returns the weighted results on all edges.

        Args:
            shared: `SharedInput` of the node.
            weights: List of `num_edges` scalar tensors, the softmaxed alphas;
                `None` for 1.
            training: Boolean, as for batch norm.

        Returns:
            List of `num_edges` tensors.
        """
        results = self.branches(shared, training)
        if self.normalization is None:
            return _scaled(results, weights)
        if self.has_weights:
            return self.normalization.normalize(results, weights, training)
        results = self.normalization.normalize(results, training=training)
        return _scaled(results, weights)

    def call(self, inputs, training=None):
        return self.mix(SharedInput(inputs), training=training)[0]

    def compute_output_shape(self, input_shape):
        return strided_shape(input_shape, self.strides, self.filters)

    def get_config(self):
        config = super().get_config()
        del config["affine"]
        return {
            **config,
            "filters": self.filters,
            "strides": self.strides,
            "search": self.search,
        }


def _scaled(results, weights):
    """Multiplies results by weights; a single result serves every weight."""
    if weights is None:
        return results
    if len(results) == 1:
        results = results * len(weights)
    return [
        tf.cast(weight, x.dtype) * x for weight, x in zip(weights, results, strict=True)
    ]


@register_operation("none")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Zero(Operation):
    """No connection. Competes in the softmax and is never derived."""

    has_weights = False
    is_zero = True

    def is_normalized(self):
        return False

    def branches(self, shared, training):
        x = shared.x if self.strides == 1 else kernels.subsample_even(shared.x)
        return [tf.zeros_like(x)]


@register_operation("max_pool_3x3", pool="max")
@register_operation("avg_pool_3x3", pool="average")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Pooling(Operation):
    """3x3 pooling.

    Args:
        filters: Integer, the channels of input and output.
        pool: `"max"` or `"average"`.
        **kwargs: Of `Operation`.
    """

    has_weights = False
    POOLS = {"max": kernels.max_pool, "average": kernels.average_pool}

    def __init__(self, filters, pool, **kwargs):
        super().__init__(filters, **kwargs)
        if pool not in self.POOLS:
            raise unknown_name("pool", pool, self.POOLS)
        self.pool = pool

    def branches(self, shared, training):
        return [self.POOLS[self.pool](shared.x, self.strides)]

    def get_config(self):
        return {**super().get_config(), "pool": self.pool}


@register_operation("skip_connect")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Skip(Operation):
    """The identity; `FactorizedReduce` at stride 2."""

    @property
    def is_identity(self):
        return self.strides == 1

    def is_normalized(self):
        return False  # The identity is not, FactorizedReduce is by itself.

    def build(self, input_shape):
        super().build(input_shape)
        if self.strides == 2:
            self.reduce = self.add_reduce(input_shape)

    def mix(self, shared, weights=None, training=None):
        if self.strides == 1:
            return _scaled([shared.x], weights)
        return self.reduce.reduce(shared, weights=weights, training=training)


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

    def convolve(self, tensors, weights, strides=1, dilation_rate=1):
        """Convolves one rectified tensor per edge with that edge's weights."""
        depthwise, pointwise = weights
        return [
            kernels.pointwise_convolution(
                kernels.depthwise_convolution(x, kernel, strides, dilation_rate), mixer
            )
            for x, kernel, mixer in zip(
                tensors, tf.unstack(depthwise), tf.unstack(pointwise), strict=True
            )
        ]

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


@register_operation("sep_conv_3x3", kernel_size=3)
@register_operation("sep_conv_5x5", kernel_size=5)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class SeparableConvolution(DepthwiseOperation):
    """Twice: ReLU, depthwise, pointwise convolution, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.first = self.add_kernels("first")
        self.inner_normalization = self.add_batch_normalization(self.filters)
        self.second = self.add_kernels("second")

    def branches(self, shared, training):
        tensors = [shared.relu] * self.num_edges
        tensors = self.convolve(tensors, self.first, self.strides)
        tensors = self.inner_normalization.normalize(tensors, training=training)
        return self.convolve([tf.nn.relu(x) for x in tensors], self.second)


@register_operation("dil_conv_3x3", kernel_size=3)
@register_operation("dil_conv_5x5", kernel_size=5)
@keras.saving.register_keras_serializable(package="keras_atdarts")
class DilatedConvolution(DepthwiseOperation):
    """ReLU, depthwise convolution with dilation 2, pointwise, batch norm."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernels = self.add_kernels("only")

    def branches(self, shared, training):
        tensors = [shared.relu] * self.num_edges
        return self.convolve(tensors, self.kernels, self.strides, dilation_rate=2)


class AttentionOperation(Operation):
    """Base of the attention operations: a gate, at stride 2 after a reducer.

    In the supernet the result is normalised as the pools are: a gate near one
    half is otherwise a scaled skip connection and joins its collapse.
    """

    is_attention = True

    def make_gate(self):
        """Returns the layer that computes the gates of all edges."""
        raise NotImplementedError

    def build(self, input_shape):
        super().build(input_shape)
        self.gate = self.make_gate()
        self.gate.build([self.compute_output_shape(input_shape)])
        if self.strides == 2:
            self.reduce = self.add_reduce(input_shape)

    def branches(self, shared, training):
        inputs = [shared.x]
        if self.strides == 2:
            inputs = self.reduce.reduce(shared, training=training)
        gates = self.gate(inputs, training=training)
        if len(inputs) == 1:
            inputs = inputs * self.num_edges
        return [x * gate for x, gate in zip(inputs, gates, strict=True)]


@register_operation("channel_attention")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class ChannelAttentionOperation(AttentionOperation):
    """CBAM's channel attention, see `keras_atdarts.ChannelAttention`."""

    def make_gate(self):
        return ChannelGate(num_gates=self.num_edges, dtype=self.dtype_policy)


@register_operation("spatial_attention")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class SpatialAttentionOperation(AttentionOperation):
    """CBAM's spatial attention, see `keras_atdarts.SpatialAttention`."""

    def make_gate(self):
        return SpatialGate(num_gates=self.num_edges, dtype=self.dtype_policy)
