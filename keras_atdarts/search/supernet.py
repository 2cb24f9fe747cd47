"""The supernet: every architecture of the search space at once.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
"""

import math

import keras

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.pruning import kept_from_dict
from keras_atdarts.genotypes.pruning import kept_to_dict
from keras_atdarts.layers.classifier import Classifier
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.networks.plan import STEM_MULTIPLIER
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.networks.plan import check_image_shape
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.alphas import SupernetAlphas
from keras_atdarts.search.alphas import search_choices
from keras_atdarts.search.bilevel import BilevelModel
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.cell_calls import call_cell
from keras_atdarts.search.kept_operations import kept_rows
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.samplers import get_sampler


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Supernet(BilevelModel):
    """The network in which every edge mixes all operations, and its alphas.

    `fit` takes an infinite dataset of `(weight_batch, alpha_batch)`, each
    `(images, labels)`, with `steps_per_epoch`. Every step first updates the
    alphas on the one batch, then the weights on the other; see also `AlphaWarmUp`.

    Args:
        num_classes: Integer.
        filters: Integer, the channels of a node in the first cells; doubled by
            each reduction cell.
        num_cells: Integer, at least 3; those at one and two thirds reduce.
        operations: Name of a search space, or operation names.
        num_nodes: Integer, the intermediate nodes of a cell.
        attention_placement: `"among_operations"`, as in the AT-DARTS paper, or
            `"after_operations"`, as in Att-DARTS: every edge then chooses, with
            alphas of their own, one attention operation or none to follow.
        partial_channels: Integer, 1, or K to mix only the first of K parts of the
            channels on every edge, in less time and memory.
        edge_normalization: Boolean, whether the edges that enter a node are
            weighted by a softmax as well, of alphas of their own: the betas. Where
            partial channels make the alphas waver, it makes the edges stable.
        sampler: How alphas become mixing weights: one of `search.samplers`, or its
            name, `"softmax"`, `"sigmoid"`, `"gumbel_softmax"` or `"dirichlet"`.
        kept: Optional `{cell type: {(node, source): tuple of names}}`: the operations
            that are left on each edge, as `strongest_operations` returns them. The
            others are not built, so that a step is cheaper.

    Call arguments:
        inputs: Normalised images `(batch, height, width, channels)`.
        training: Boolean, as for batch norm.
        mixing: Optional `MixingWeights`; by default those of the alphas, of which
            nothing is drawn.

    Input shape:
        `(batch, height, width, channels)`, at least 4 pixels a side.

    Output shape:
        Logits `(batch, num_classes)`.

    Example:

    >>> supernet = Supernet(num_classes=10, filters=8, num_cells=5)
    >>> supernet.build((None, 32, 32, 3))
    >>> supernet.compile(SGD(0.025, momentum=0.9, clip_norm=5.0), Adam(3e-4))
    >>> supernet.fit(batches, epochs=50, steps_per_epoch=390)
    >>> genotype = derive_genotype(supernet.labelled_alphas())

    Reference:
        Liu et al., DARTS, 2019, https://arxiv.org/abs/1806.09055, algorithm 1;
        partial channels and edge normalization: Xu, Xie, Zhang, Chen, Qi, Tian,
        Xiong, PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737; kept operations:
        Chen, Xie, Wu, Tian, P-DARTS, ICCV 2019, https://arxiv.org/abs/1904.12760
    """

    def __init__(
        self,
        num_classes,
        filters=16,
        num_cells=8,
        operations="at_darts",
        num_nodes=4,
        attention_placement="among_operations",
        partial_channels=1,
        edge_normalization=False,
        sampler="softmax",
        kept=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_nodes < 1:
            raise InputError(
                f"A cell needs at least one node. Received: num_nodes={num_nodes}."
            )
        self.num_classes = num_classes
        self.filters = filters
        self.num_cells = num_cells
        self.operations = resolve_operations(operations)
        self.num_nodes = num_nodes
        self.attention_placement = attention_placement
        self.partial_channels = partial_channels
        self.edge_normalization = edge_normalization
        self.sampler = get_sampler(sampler)
        self.choices = search_choices(
            self.operations, attention_placement, edge_normalization
        )
        self.kept = kept and kept_rows(kept, self.choices.operations, num_nodes)
        self.stem = ConvBN(
            STEM_MULTIPLIER * filters, name="stem", dtype=self.dtype_policy
        )
        self.cells = [
            SearchCell(
                plan.filters,
                self.choices.operations,
                num_nodes,
                plan.reduction,
                plan.after_reduction,
                (self.choices.attention or ())[1:],  # The identity is no layer.
                partial_channels,
                self.kept and self.kept[plan.cell_type],
                name=f"cell_{index}",
                dtype=self.dtype_policy,
            )
            for index, plan in enumerate(cell_plan(num_cells, filters))
        ]
        self.classifier = Classifier(num_classes, dtype=self.dtype_policy)

    def build(self, input_shape):
        check_image_shape(input_shape[1:])
        self.stem.build(input_shape)
        shapes = [self.stem.compute_output_shape(input_shape)] * 2
        for cell in self.cells:
            cell.build(shapes)
            shapes = [shapes[1], cell.compute_output_shape(shapes)]
        self.classifier.build(shapes[1])
        self.alphas = SupernetAlphas(
            self.choices, self.num_nodes, self.sampler, self.add_weight, self.kept
        )

    @property
    def operation_weights(self):
        """The trainable variables of the layers: all but the alphas."""
        layers = (self.stem, *self.cells, self.classifier)
        return [weight for layer in layers for weight in layer.trainable_variables]

    @property
    def alpha_variables(self):
        """The variables of the alphas, see `SupernetAlphas`."""
        return self.alphas.variables

    def labelled_alphas(self):
        """Returns the alphas as floats, by cell type, edge and name.

        Returns:
            `{"normal": CellAlphas, "reduction": CellAlphas}` of dictionaries: from
            `(node, source)` to `{operation: alpha}`, to `{attention: alpha}` where
            attention follows operations, and to a number with edge normalization.
            Operations that were dropped are left out.
        """
        return self.alphas.labelled()

    def summary(self, line_length=None, positions=None, print_fn=None, **kwargs):
        """Prints stem, cells and classifier, their output shapes and parameters.

        The alphas, which belong to no layer, follow the totals that they are part of.

        Args:
            line_length, positions, print_fn, **kwargs: As of `keras.Model.summary`.
        """
        super().summary(line_length, positions, print_fn, **kwargs)
        if self.built:
            shapes = ", ".join(
                f"{alpha.name} {tuple(alpha.shape)}" for alpha in self.alpha_variables
            )
            count = sum(math.prod(alpha.shape) for alpha in self.alpha_variables)
            (print_fn or print)(f" Alphas among them: {count:,} ({shapes})")

    def call(self, inputs, training=None, mixing=None, kernels_learn=1.0):
        if mixing is None:
            mixing = self.alphas.by_cell(self.alphas.weights())
        states = [self.stem(inputs, training=training)] * 2
        for cell in self.cells:
            of_cell = mixing[cell.cell_type]
            outputs = call_cell(
                self.calls, cell, states, of_cell, training, kernels_learn
            )
            states = [states[1], outputs]
        return self.classifier(states[1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "filters": self.filters,
            "num_cells": self.num_cells,
            "operations": self.operations,
            "num_nodes": self.num_nodes,
            "attention_placement": self.attention_placement,
            "partial_channels": self.partial_channels,
            "edge_normalization": self.edge_normalization,
            "sampler": keras.saving.serialize_keras_object(self.sampler),
            "kept": self.kept and kept_to_dict(self._labelled_kept()),
        }

    def _labelled_kept(self):
        edges = cell_edges(self.num_nodes)
        return {
            cell_type: dict(zip(edges, rows, strict=True))
            for cell_type, rows in self.kept.items()
        }

    @classmethod
    def from_config(cls, config):
        kept = config.get("kept")  # Missing before version 0.7.
        return cls(**{**config, "kept": kept and kept_from_dict(kept)})
