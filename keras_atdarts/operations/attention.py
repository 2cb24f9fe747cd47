"""The attention operations, as candidates and after other operations.

Reference:
    Shin, Bae, A New Neural Architecture Search Using Self-Attention Operation,
    section 2.2
"""

import keras

from keras_atdarts.layers.attention import ChannelGate
from keras_atdarts.layers.attention import SpatialGate
from keras_atdarts.operations.base import ReducingOperation
from keras_atdarts.operations.base import operation_class
from keras_atdarts.operations.base import operation_names
from keras_atdarts.operations.base import register_operation
from keras_atdarts.operations.base import scaled


def attention_names():
    """Returns the names of the operations that are attention, as a sorted tuple."""
    return tuple(
        name
        for name in operation_names()
        if issubclass(operation_class(name), AttentionOperation)
    )


class AttentionOperation(ReducingOperation):
    """Base of the attention operations: a gate, at stride 2 after a reducer.

    In the supernet the result is normalised as the pools are: a gate near one
    half is otherwise a scaled skip connection and joins its collapse.

    Its attribute `revise_gates`, `None` at first, can be a function from the list
    of gates to those that are used instead: to record gates, or to replace them. It
    is not saved.
    """

    revise_gates = None

    def make_gate(self):
        """Returns the layer that computes the gates of all edges."""
        raise NotImplementedError

    def build(self, input_shape):
        self.gate = self.make_gate()
        self.gate.build([self.compute_output_shape(input_shape)])
        super().build(input_shape)

    def results(self, source):
        return self.attend(self.inputs_of(source), training=source.training)

    def attend(self, tensors, weights=None, training=None):
        """Multiplies tensors by their gates.

        Args:
            tensors: List of one tensor for each edge, or of one for all edges.
            weights: Optional tensor `(num_edges,)` that multiplies the results.
            training: Boolean, as for batch norm.

        Returns:
            List of `num_edges` tensors.
        """
        gates = self.gate(tensors, training=training)
        if self.revise_gates is not None:
            gates = self.revise_gates(gates)
        if weights is not None:
            gates = scaled(gates, weights)
        tensors = tensors * (self.num_edges // len(tensors))
        return [x * gate for x, gate in zip(tensors, gates, strict=True)]


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
