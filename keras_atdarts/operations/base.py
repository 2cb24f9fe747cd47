"""What every candidate operation is, and the registry of their names."""

from keras_atdarts.errors import unknown_name
from keras_atdarts.genotypes.names import FOLLOWED_BY
from keras_atdarts.kernels import Reference
from keras_atdarts.layers.edge_layer import EdgeLayer
from keras_atdarts.layers.edge_layer import check_strides
from keras_atdarts.layers.edge_layer import strided_shape
from keras_atdarts.layers.stage import FactorizedReduce

_REGISTRY = {}


def register_operation(name, **arguments):
    """Decorator that makes an operation known under a name.

    Args:
        name: String, as it stands in genotypes.
        **arguments: Given to the class beside `filters` and `strides`.

    Returns:
        A decorator of a sub-class of `Operation`, or of any Keras layer that keeps
        the shape of images; see `LayerOperation`.

    Raises:
        ValueError: The name is taken, or would be read as two names.

    Example:

    >>> @register_operation("noise_0.1", stddev=0.1)
    ... class Noise(keras.layers.GaussianNoise):
    ...     pass
    """
    if FOLLOWED_BY in name:
        raise ValueError(
            f"An operation's name must not contain '{FOLLOWED_BY}', which stands "
            f"before the attention that follows it. Received: name='{name}'"
        )

    def register(layer_class):
        if name in _REGISTRY:
            raise ValueError(
                f"An operation named '{name}' exists already: "
                f"{_REGISTRY[name][0].__name__}. Choose another name."
            )
        _REGISTRY[name] = (layer_class, arguments)
        return layer_class

    return register


def operation_names():
    """Returns the names of all registered operations, as a sorted tuple."""
    return tuple(sorted(_REGISTRY))


def registered_operation(name):
    """Returns the class behind a name and the arguments registered with it.

    Raises:
        InputError: There is no such operation.
    """
    if name not in _REGISTRY:
        raise unknown_name("operation", name, _REGISTRY)
    return _REGISTRY[name]


def operation_class(name):
    """Returns the class behind a name, see `registered_operation`."""
    return registered_operation(name)[0]


def is_none(name):
    """Whether an operation is no connection at all, which is never derived."""
    return getattr(operation_class(name), "is_zero", False)


class Operation(EdgeLayer):
    """Base of the candidate operations, on all edges that leave one node.

    A subclass says in `results` how the results come from the node's tensor. In
    the supernet (`search=True`) every result is batch-normalised without affine
    parameters and weighted by its alpha; in the derived network only operations
    with weights end in a batch norm. A subclass whose last layer is a batch norm
    already overrides `terms`, and hands the weights to that layer.

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

    Example:

    >>> @register_operation("doubled")
    ... @keras.saving.register_keras_serializable(package="mine")
    ... class Doubled(Operation):
    ...     has_weights = False  # One result serves all edges.
    ...
    ...     def results(self, source):
    ...         x = source.x
    ...         return [2 * (x if self.strides == 1 else x[:, ::2, ::2])]

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, section 3.1
    """

    has_weights = True  # Otherwise all edges share one result.
    is_identity = False
    is_zero = False

    def __init__(self, filters, strides=1, num_edges=1, search=False, **kwargs):
        super().__init__(num_edges=num_edges, affine=not search, **kwargs)
        check_strides(strides)
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

    def add_part(self, layer_class, input_shape, **arguments):
        """Returns a built `Stage` or `FactorizedReduce` for the edges."""
        layer = layer_class(
            self.filters,
            num_edges=self.num_edges,
            affine=self.affine,
            dtype=self.dtype_policy,
            **arguments,
        )
        layer.build(input_shape)
        return layer

    def is_normalized(self):
        """Whether the results end in a batch norm of this class."""
        return self.search

    def results(self, source):
        """Returns the results before the final batch norm.

        Args:
            source: `Source`, the tensor `x` of the node, and whether in `training`.

        Returns:
            List of `num_edges` tensors, or of one if all edges share it.
        """
        raise NotImplementedError

    def terms(self, source, weights=None):
        results = self.results(source)
        if self.normalization is not None:
            return self.normalization.terms(results, source, weights)
        if weights is not None:
            return scaled(results, weights)
        return results

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


class ReducingOperation(Operation):
    """Base of operations that keep the size: at stride 2, they follow a reducer."""

    def build(self, input_shape):
        super().build(input_shape)
        if self.strides == 2:
            self.reduce = self.add_part(FactorizedReduce, input_shape)

    def inputs_of(self, source):
        """Returns a list of one tensor for all edges, or of one for each."""
        if self.strides == 1:
            return [source.x]
        return [source.backend.sum([term]) for term in self.reduce.terms(source)]


def scaled(tensors, weights):
    """Returns tensors times the weights of their edges, see `Reference.scale`."""
    return Reference().scale(list(tensors), weights)
