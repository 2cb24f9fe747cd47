"""The search cell.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    sections 2.1 and 2.2.
"""

import keras
import tensorflow as tf

from keras_atdarts.genotypes.genotype import NUM_INPUTS
from keras_atdarts.kernels import kernels
from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.shapes import strided_shape
from keras_atdarts.networks.plan import CELL_TYPES
from keras_atdarts.networks.plan import input_layer
from keras_atdarts.search.mixing import MixedAttention
from keras_atdarts.search.mixing import MixedOperation
from keras_atdarts.search.mixing import cell_edges
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

    Call arguments:
        inputs: Outputs of cells k-2 and k-1, `(batch, height, width, channels)`.
        weights: `MixingWeights` of the cell's type.
        attention_weights: `MixingWeights` of the attention that follows, if any.
        training: Boolean, as for batch norm.

    Output shape:
        `(batch, height, width, num_nodes * filters)`, halved in a reduction cell.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_partial_channels(filters, partial_channels)
        self.filters = filters
        self.partial_channels = partial_channels
        self.mixed_filters = filters // partial_channels
        self.operations = tuple(operations)
        self.attention = tuple(attention)
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
        self.mixed_attentions = []
        if self.attention:
            self.mixed_attentions = [
                self._mixed_attention(source) for source in range(num_nodes + 1)
            ]

    def _mixed_operation(self, source):
        return MixedOperation(
            self.operations,
            self.mixed_filters,
            strides=self._strides(source),
            num_edges=len(self._targets(source)),
            name=f"mixed_operation_{source}",
            dtype=self.dtype_policy,
        )

    def _mixed_attention(self, source):
        return MixedAttention(
            self.attention,
            self.mixed_filters,
            num_edges=len(self._targets(source)),
            name=f"mixed_attention_{source}",
            dtype=self.dtype_policy,
        )

    def _strides(self, source):
        return 2 if self.reduction and source < NUM_INPUTS else 1

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
        parts = (*parts, self.partial_channels)
        return self.reduction, self.compute_dtype, shapes, *parts

    def call(self, inputs, weights, attention_weights=None, training=None):
        states = self.prepare(inputs, training)
        return self.connect(states, weights, attention_weights, training)

    def prepare(self, inputs, training=None):
        """Returns the cell's inputs, brought to its size and filters."""
        return [
            layer(x, training=training)
            for layer, x in zip(self.input_layers, inputs, strict=True)
        ]

    def connect(self, states, weights, attention_weights=None, training=None):
        """Returns the cell's output, given what `prepare` returns."""
        states, rests = [*states], []
        terms = [[] for _ in range(self.num_nodes)]
        shares = (attention_weights or weights).shares

        def add_node(node):  # All edges to it are known by now.
            states.append(self._node(terms[node], rests, shares(node)))

        for source, mixed_operation in enumerate(self.mixed_operations):
            if source >= NUM_INPUTS:
                add_node(source - NUM_INPUTS)
            x = states[source]
            if self.partial_channels > 1:
                x, rest = split_channels(x, self.partial_channels)
                rests.append(rest if self._strides(source) == 1 else halve(rest))
            mixtures = mixed_operation(
                x, weights=weights.leaving(source), training=training
            )
            if self.attention:
                mixtures = self.mixed_attentions[source](
                    [kernels.add(mixture) for mixture in mixtures],
                    weights=attention_weights.leaving(source),
                    training=training,
                )
            for node, mixture in zip(self._targets(source), mixtures, strict=True):
                if source == node + 1:  # The last that the node reads.
                    terms[node] = kernels.added_early(terms[node])
                terms[node].extend(mixture)
        add_node(self.num_nodes - 1)
        return tf.concat(states[NUM_INPUTS:], axis=constant(3))

    def _node(self, terms, rests, shares):
        """Returns a node, the sum of its edges.

        Args:
            terms: List of what `kernels.add` takes, whose sum is that of the
                weighted mixtures.
            rests: List of what goes past them, if anything does, edge by edge.
            shares: The weights of the edges, see `MixingWeights.shares`.
        """
        mixed = kernels.add(terms)
        if not rests:
            return mixed
        # Once for all edges: sums and shuffles can be done in any order.
        rest = weighted_sum(rests, shares)
        return join_channels(mixed, rest, self.partial_channels)

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
        }
