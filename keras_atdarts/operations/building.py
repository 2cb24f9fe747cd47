"""Layers by the name that an operation has in a genotype.

Reference:
    Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
    https://github.com/chomin/Att-DARTS: attention after an operation.
"""

import keras

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.cell import name_parts
from keras_atdarts.operations.attention import attention_names
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import registered_operation


def build_operation(operation, filters, strides=1, **kwargs):
    """Returns a new `Operation` layer.

    Args:
        operation: String, a registered name; or two, as in
            `"sep_conv_3x3+channel_attention"`, for an operation and the attention
            that follows it.
        filters: Integer, the channels of input and output.
        strides: Integer, 1, or 2 to halve height and width.
        **kwargs: Further arguments of `Operation`.

    Raises:
        InputError: A name is not registered, or what follows is no attention.
    """
    name, *attention = name_parts(operation)
    if attention:
        return AttendedOperation(filters, name, *attention, strides=strides, **kwargs)
    layer_class, arguments = registered_operation(name)
    return layer_class(filters=filters, strides=strides, **arguments, **kwargs)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class AttendedOperation(Operation):
    """An operation whose result is multiplied by a gate.

    Args:
        filters: Integer, the channels of input and output.
        operation: String, the operation's name.
        attention: String, the attention's name.
        **kwargs: Of `Operation`.
    """

    def __init__(self, filters, operation, attention, **kwargs):
        super().__init__(filters, **kwargs)
        if attention not in attention_names():
            raise unknown_name("attention", attention, attention_names())
        self.operation = operation
        self.attention = attention
        shared = {"num_edges": self.num_edges, "dtype": self.dtype_policy}
        self.attended = build_operation(
            operation, filters, self.strides, search=self.search, **shared
        )
        # It normalises nothing, also in a search: see `MixedAttention`.
        self.gating = build_operation(attention, filters, **shared)

    def is_normalized(self):
        return False

    def build(self, input_shape):
        super().build(input_shape)
        self.attended.build(input_shape)
        self.gating.build(self.compute_output_shape(input_shape))

    def terms(self, shared, weights=None, training=None):
        results = self.attended.mix(shared, training=training)
        return self.gating.attend(results, weights, training)

    def get_config(self):
        return {
            **super().get_config(),
            "operation": self.operation,
            "attention": self.attention,
        }
