"""The attention operations.

Reference:
    Shin, Bae, A New Neural Architecture Search Using Self-Attention Operation,
    section 2.2
"""

import keras

from keras_atdarts.attention import ChannelGate
from keras_atdarts.attention import SpatialGate
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import register_operation


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
