"""The search cell, in which every edge is a mixture of all operations.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    sections 2.1 and 2.2.
"""

import keras
import tensorflow as tf

from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.kernels import Node
from keras_atdarts.kernels import Source
from keras_atdarts.layers.edge_layer import strided_shape
from keras_atdarts.networks.plan import input_layer
from keras_atdarts.search.mixed_attention import MixedAttention
from keras_atdarts.search.mixed_operation import MixedOperation
from keras_atdarts.search.mixing_weights import by_node
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.mixing_weights import weights_by_source
from keras_atdarts.search.partial_channels import check_partial_channels
from keras_atdarts.search.partial_channels import halve
from keras_atdarts.search.partial_channels import join_channels
from keras_atdarts.search.partial_channels import split_channels
from keras_atdarts.search.partial_channels import weighted_sum


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SearchCell(keras.layers.Layer):
    """A cell in which every edge carries the mixture of all operations.

    Args:
        filters: Integer, the channels of each node.
        operations: Tuple of operation names.
        num_nodes: Integer, the intermediate nodes.
        reduction: Boolean, whether edges from the cell's inputs have stride 2.
        after_reduction: Boolean, whether the cell before is a reduction cell.
        attention: Tuple of the names of the attention operations, one of which
            or none can follow the mixture on every edge. Empty for no choice.
        partial_channels: Integer, 1, or K to mix only the first of K parts of the
            channels, as in PC-DARTS. The rest goes past the operations.
        kept: Optional tuple of a tuple of names for each edge, edges as in
            `cell_edges`: the operations that are left on it, see `kept_rows`.

    Call arguments:
        inputs: Outputs of cells k-2 and k-1, `(batch, height, width, channels)`.
        weights: `CellAlphas` of mixing weights, such as the softmax of the alphas:
            tensors `(num_edges, num_choices)`, edges as in `cell_edges`, choices as in
            `operations` and `attention`.
        training: Boolean, as for batch norm.
        kernels_learn: Float or scalar tensor, 0 where nobody asks for the gradients
            of convolutions' kernels, see `kernels.choose_backend`.

    Output shape:
        `(batch, height, width, num_nodes * filters)`, halved in a reduction cell.

    Example:

    >>> cell = SearchCell(16, ("none", "skip_connect", "sep_conv_3x3"))
    >>> cell.build([(None, 32, 32, 48)] * 2)
    >>> weights = CellAlphas(operations=tf.fill((14, 3), 1 / 3))
    >>> cell([stem, stem], weights=weights).shape
    TensorShape([2, 32, 32, 64])

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, section 2.1.
    """

    def __init__(
        self,
        filters,
        operations,
        num_nodes=4,
        reduction=False,
        after_reduction=False,
        attention=(),
        partial_channels=1,
        kept=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_partial_channels(filters, partial_channels)
        self.filters = filters
        self.partial_channels = partial_channels
        self.mixed_filters = filters // partial_channels
        self.operations = tuple(operations)
        self.attention = tuple(attention)
        self.kept = kept and tuple(map(tuple, kept))
        self.num_nodes = num_nodes
        self.reduction = reduction
        self.after_reduction = after_reduction
        self.cell_type = CELL_TYPES[reduction]
        self.input_layers = [
            input_layer(filters, halve, affine=False, dtype=self.dtype_policy)
            for halve in (after_reduction, False)
        ]
        self.mixed_operations = [
            self._mixed_operation(source) for source in range(num_nodes + 1)
        ]
        self.mixed_attentions = [
            MixedAttention(
                self.attention,
                self.mixed_filters,
                num_edges=len(self._targets(source)),
                name=f"mixed_attention_{source}",
                dtype=self.dtype_policy,
            )
            for source in range(num_nodes + 1 if self.attention else 0)
        ]

    def _mixed_operation(self, source):
        rows = zip(cell_edges(self.num_nodes), self.kept or (), strict=False)
        return MixedOperation(
            self.operations,
            self.mixed_filters,
            strides=2 if self.reduction and source < NUM_INPUTS else 1,
            num_edges=len(self._targets(source)),
            kept=tuple(names for (_, start), names in rows if start == source) or None,
            name=f"mixed_operation_{source}",
            dtype=self.dtype_policy,
        )

    def _targets(self, source):
        """The nodes that read a source; the last node is read by none."""
        edges = cell_edges(self.num_nodes)
        return [node for node, start in edges if start == source]

    def build(self, input_shape):
        for layer, shape in zip(self.input_layers, input_shape, strict=True):
            layer.build(shape)
        shape = self.input_layers[1].compute_output_shape(input_shape[1])
        shape = (*shape[:-1], self.mixed_filters)
        for source, mixed_operation in enumerate(self.mixed_operations):
            mixed_operation.build(shape)
            if source == NUM_INPUTS - 1:  # What follows reads nodes, not inputs.
                shape = strided_shape(
                    shape, mixed_operation.strides, self.mixed_filters
                )
        for mixed_attention in self.mixed_attentions:
            mixed_attention.build(shape)  # All edges end at nodes.

    @property
    def connections(self):
        """The layers that `connect` calls."""
        return [*self.mixed_operations, *self.mixed_attentions]

    def kind(self, states):
        """Returns what cells have in common whose `connect` differs in weights only.

        Args:
            states: What `prepare` returns.
        """
        shapes = tuple(tuple(x.shape) for x in states)
        parts = self.filters, self.operations, self.num_nodes, self.attention
        parts = (*parts, self.partial_channels, self.kept)
        return self.reduction, self.compute_dtype, shapes, *parts

    def call(self, inputs, weights, training=None, kernels_learn=1.0):
        states = self.prepare(inputs, training, kernels_learn)
        return self.connect(states, weights, training, kernels_learn)

    def prepare(self, inputs, training=None, kernels_learn=1.0):
        """Returns the cell's inputs, brought to its size and filters."""
        states = []
        for layer, x in zip(self.input_layers, inputs, strict=True):
            source = Source(x, training, kernels_learn)
            states.append(source.backend.sum(layer.terms(source)))
        return states

    def connect(self, states, weights, training=None, kernels_learn=1.0):
        """Returns the cell's output, given what `prepare` returns.

        Each node is the sum, over the edges that enter it, of the mixture on the
        edge; the output is all nodes side by side.
        """
        of_edges = weights.edges
        if of_edges is not None:
            of_edges = by_node(of_edges, self.num_nodes)
        backend = Source(states[0], training, kernels_learn).backend
        nodes = [Node(NUM_INPUTS + node, backend) for node in range(self.num_nodes)]
        states, rests = list(states), []
        by_source = self._by_source(weights)
        for source, mixed_operation in enumerate(self.mixed_operations):
            x = states[source]
            if self.partial_channels > 1:
                x, rest = split_channels(x, self.partial_channels)
                rests.append(rest if mixed_operation.strides == 1 else halve(rest))
            x = Source(x, training, kernels_learn)
            of_operations, of_attention = (each[source] for each in by_source)
            mixtures = mixed_operation.terms(x, of_operations)
            if self.attention:
                mixed_attention = self.mixed_attentions[source]
                mixtures = mixed_attention.terms(mixtures, x, of_attention)
            for node, mixture in zip(self._targets(source), mixtures, strict=True):
                nodes[node].add(mixture)
            node = source + 1 - NUM_INPUTS
            if node >= 0:  # All edges that enter it are known by now.
                of_node = None if of_edges is None else of_edges[node]
                states.append(self._value(nodes[node], rests, of_node))
        return tf.concat(states[NUM_INPUTS:], axis=-1)

    def _by_source(self, weights):
        """Returns the weights of operations and of attention, source by source.

        Those of the edges multiply the last that is done on an edge.
        """
        kinds = [weights.operations, *([weights.attention] if self.attention else [])]
        if weights.edges is not None:
            kinds[-1] *= weights.edges
        by_source = [weights_by_source(each, self.num_nodes) for each in kinds]
        return by_source if self.attention else [*by_source, [None] * len(by_source[0])]

    def _value(self, node, rests, of_edges):
        """Returns a node's value: of partial channels, with what went past them."""
        value = node.value()
        if not rests:
            return value
        # Once for all edges: sums and shuffles can be done in any order.
        rest = weighted_sum(rests, of_edges)
        return join_channels(value, rest, self.partial_channels)

    def compute_output_shape(self, input_shape):
        channels = self.num_nodes * self.filters
        return strided_shape(input_shape[1], 2 if self.reduction else 1, channels)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "operations": self.operations,
            "num_nodes": self.num_nodes,
            "reduction": self.reduction,
            "after_reduction": self.after_reduction,
            "attention": self.attention,
            "partial_channels": self.partial_channels,
            "kept": self.kept,
        }
