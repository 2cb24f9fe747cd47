"""Layers by the name that an operation has in a genotype.

Reference:
    Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
    https://github.com/chomin/Att-DARTS: attention after an operation.
"""

import inspect

import keras

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.names import name_parts
from keras_atdarts.operations.attention import attention_names
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import ReducingOperation
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
    if not issubclass(layer_class, Operation):
        return LayerOperation(filters, name, strides=strides, **kwargs)
    return layer_class(filters=filters, strides=strides, **arguments, **kwargs)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class LayerOperation(ReducingOperation):
    """An operation made of a plain Keras layer that was registered under a name.

    Every edge has a layer of its own. If its class takes `filters` and `strides`, it
    is given them; one without `strides` follows a `FactorizedReduce` at stride 2.

    Args:
        filters: Integer, the channels of input and output.
        operation: String, the name.
        **kwargs: Of `Operation`.
    """

    def __init__(self, filters, operation, **kwargs):
        super().__init__(filters, **kwargs)
        self.operation = operation
        registered_operation(operation)  # Raises where a loaded model needs it.

    def build(self, input_shape):
        layer_class, arguments = registered_operation(self.operation)
        known = inspect.signature(layer_class).parameters
        own = {"filters": self.filters, "strides": self.strides}
        own = {name: value for name, value in own.items() if name in known}
        self.is_reduced = self.strides == 2 and "strides" not in known
        shape = input_shape
        if self.is_reduced:
            shape = self.compute_output_shape(input_shape)
        self.copies = [
            layer_class(**own, **arguments, dtype=self.dtype_policy)
            for _ in range(self.num_edges)
        ]
        image = keras.KerasTensor(shape, dtype=self.compute_dtype)
        outputs = [copy(image) for copy in self.copies]  # Builds them.
        expected = self.compute_output_shape(input_shape)
        if outputs[0].shape != tuple(expected):
            raise InputError(
                f"The layer {layer_class.__name__} of the operation "
                f"'{self.operation}' must return the shape {expected} for images "
                f"{shape}. Received: {outputs[0].shape}."
            )
        self.has_weights = self.is_reduced or bool(self.copies[0].weights)
        super().build(input_shape)

    def results(self, source):
        inputs = self.inputs_of(source) if self.is_reduced else [source.x]
        inputs = inputs * (self.num_edges // len(inputs))
        pairs = zip(self.copies, inputs, strict=True)
        if not self.has_weights:
            pairs = list(pairs)[:1]
        return [call_layer(layer, x, source.training) for layer, x in pairs]

    def get_config(self):
        return {**super().get_config(), "operation": self.operation}


def call_layer(layer, x, training):
    """Calls a Keras layer, whether or not it knows of training."""
    if "training" in inspect.signature(layer.call).parameters:
        return layer(x, training=training)
    return layer(x)


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

    def terms(self, source, weights=None):
        terms = self.attended.terms(source)
        results = [source.backend.sum([term]) for term in terms]
        return self.gating.attend(results, weights, source.training)

    def get_config(self):
        return {
            **super().get_config(),
            "operation": self.operation,
            "attention": self.attention,
        }
