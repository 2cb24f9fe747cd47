"""What every candidate operation is, and the registry of their names."""

import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.cell import FOLLOWED_BY
from keras_atdarts.kernels import kernels
from keras_atdarts.kernels.devices import computes_natively
from keras_atdarts.kernels.native import operations as native
from keras_atdarts.kernels.shapes import strided_shape
from keras_atdarts.layers.blocks import EdgeLayer
from keras_atdarts.layers.blocks import FactorizedReduce
from keras_atdarts.layers.blocks import SharedInput

_REGISTRY = {}


def register_operation(name, **arguments):
    """Decorator that makes an `Operation` class known under a name.

    Args:
        name: String, as it stands in genotypes.
        **arguments: Given to the class beside `filters` and `strides`.

    Raises:
        ValueError: The name is taken, or would be read as two names.
    """
    if FOLLOWED_BY in name:
        raise ValueError(
            f"An operation's name must not contain '{FOLLOWED_BY}', which stands "
            f"before the attention that follows it. Received: name='{name}'"
        )

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
    """Returns the names of all registered operations, as a sorted tuple."""
    return tuple(sorted(_REGISTRY))


def operation_class(name):
    """Returns the class behind a name; `InputError` if there is none."""
    return registered_operation(name)[0]


def registered_operation(name):
    """Returns the class behind a name and the arguments registered with it."""
    if name not in _REGISTRY:
        raise unknown_name("operation", name, _REGISTRY)
    return _REGISTRY[name]


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

    def terms(self, shared, weights=None, training=None):
        """Returns the weighted results on all edges, in what is added up fastest.

        Args:
            shared: `SharedInput` of the node.
            weights: Tensor `(num_edges,)`, the softmaxed alphas; `None` for 1.
            training: Boolean, as for batch norm.

        Returns:
            List of `num_edges` tensors, `kernels.Phases` or `native.Line`s.
        """
        results = self.branches(shared, training)
        if self.normalization is None:
            return scaled(results, weights)
        return self.normalization.terms(results, weights, training)

    def mix(self, shared, weights=None, training=None):
        """Returns what `terms` does as a list of tensors."""
        return list(map(kernels.as_tensor, self.terms(shared, weights, training)))

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


def scaled(results, weights):
    """Multiplies results by weights; a single result serves every weight."""
    if weights is None:
        return results
    weights = tf.unstack(tf.cast(weights, results[0].dtype))
    if len(results) == 1:
        results = results * len(weights)
    return [weight * x for weight, x in zip(weights, results, strict=True)]


def scaled_terms(x, weights, training):
    """Returns `scaled([x], weights)`, in the form that is added up fastest."""
    if weights is not None and computes_natively(x, training):
        return native.scale([x], weights)
    return scaled([x], weights)
