"""The supernet: every architecture of the search space at once.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055
"""

import math

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import IDENTITY
from keras_atdarts.layers.classifier import Classifier
from keras_atdarts.layers.conv_bn import ConvBN
from keras_atdarts.networks.plan import STEM_MULTIPLIER
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.networks.plan import check_image_shape
from keras_atdarts.operations import place_attention
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.alphas import SupernetAlphas
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.cell_calls import call_cell
from keras_atdarts.search.loss import SupernetLoss
from keras_atdarts.search.samplers import Draw
from keras_atdarts.search.samplers import get_sampler
from keras_atdarts.training.stateless import SharedCalls


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Supernet(keras.Model):
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
        Xiong, PC-DARTS, ICLR 2020, https://arxiv.org/abs/1907.05737
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
        self.learns_alphas = True
        self.calls = SharedCalls()
        self._traced = {}
        mixed, attention = place_attention(self.operations, attention_placement)
        self.choices = CellAlphas(
            operations=mixed,
            attention=(IDENTITY, *attention) if attention else None,
            edges=("edge",) if edge_normalization else None,
        )
        self.stem = ConvBN(
            STEM_MULTIPLIER * filters, name="stem", dtype=self.dtype_policy
        )
        self.cells = [
            SearchCell(
                plan.filters,
                mixed,
                num_nodes,
                plan.reduction,
                plan.after_reduction,
                attention,
                partial_channels,
                name=f"cell_{index}",
                dtype=self.dtype_policy,
            )
            for index, plan in enumerate(cell_plan(num_cells, filters))
        ]
        self.classifier = Classifier(num_classes, dtype=self.dtype_policy)
        self.trackers = {
            prefix: (
                keras.metrics.SparseCategoricalCrossentropy(
                    from_logits=True, name=f"{prefix}loss"
                ),
                keras.metrics.SparseCategoricalAccuracy(name=f"{prefix}accuracy"),
            )
            for prefix in ("", "alpha_")
        }

    def build(self, input_shape):
        check_image_shape(input_shape[1:])
        self.stem.build(input_shape)
        shapes = [self.stem.compute_output_shape(input_shape)] * 2
        for cell in self.cells:
            cell.build(shapes)
            shapes = [shapes[1], cell.compute_output_shape(shapes)]
        self.classifier.build(shapes[1])
        self.alphas = SupernetAlphas(
            self.choices, self.num_nodes, self.sampler, self.add_weight
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
        """
        return self.alphas.labelled()

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

    def compile(
        self,
        weight_optimizer,
        alpha_optimizer,
        loss=None,
        architect=None,
        jit_compile=False,
        recompute=False,
        gradient_accumulation=1,
        perturbation=None,
        seed=0,
        **kwargs,
    ):
        """Sets how the supernet learns.

        Args:
            weight_optimizer: Optimizer of the weights, or its name.
            alpha_optimizer: Another optimizer, of the alphas, or its name.
            loss: Loss of logits; by default the cross-entropy of integer labels.
            architect: Computes the gradients of the alphas: `FirstOrder()`, the
                default, or `SecondOrder()`.
            jit_compile: Boolean, whether XLA compiles the cells: one function for
                each kind of cell, and one for its gradients. On CPUs its depthwise
                convolutions are very slow.
            recompute: Boolean, whether the backward pass computes the activations
                of each cell anew, which takes less memory and more time.
            gradient_accumulation: Integer, the equal parts in which each batch is
                worked off, one after the other; their gradients are averaged.
                Batch norms see one part at a time.
            perturbation: Optional, of the mixing weights in the step of the weights,
                see `search.perturbation`.
            seed: Integer, of random mixing weights and perturbations.
            **kwargs: `run_eagerly` or `steps_per_execution`, as of
                `keras.Model.compile`. Loss and accuracy are always measured.

        Raises:
            InputError: The policy is mixed_float16, both optimizers are one, or
                the architect cannot work with the weights' optimizer.
            TypeError: An argument is unknown.
        """
        check_compile_options(kwargs)
        if self.dtype_policy.name == "mixed_float16":
            raise InputError(
                "The supernet does not scale its losses as mixed_float16 needs. "
                "Use the dtype policy mixed_bfloat16."
            )
        if weight_optimizer is alpha_optimizer and not isinstance(alpha_optimizer, str):
            raise InputError(
                "Weights and alphas need an optimizer each; received one for both."
            )
        super().compile(
            optimizer=keras.optimizers.get(weight_optimizer),
            jit_compile=False,
            **kwargs,
        )
        self.alpha_optimizer = keras.optimizers.get(alpha_optimizer)
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, dtype=self.variable_dtype
        )
        self.loss_function = keras.losses.get(loss) or cross_entropy
        self.architect = architect or FirstOrder()
        self.architect.check(self.optimizer)
        self.calls = SharedCalls(recompute, jit_compile)
        self._traced = {}
        self.gradient_accumulation = gradient_accumulation
        self.perturbation = perturbation
        self.seed = seed
        if self.built:  # `fit` could not create the optimizers' variables by itself.
            self.optimizer.build(self.operation_weights)
            self.alpha_optimizer.build(self.alpha_variables)

    def fit(self, *args, **kwargs):
        """Trains weights and alphas, as `keras.Model.fit` trains weights."""
        if not self.built:
            raise InputError(
                "The supernet is not built. Before fit, call "
                "supernet.build((None, height, width, channels))."
            )
        return super().fit(*args, **kwargs)

    @property
    def metrics(self):
        return [metric for pair in self.trackers.values() for metric in pair]

    def training_loss(self, drawn=True):
        """Returns the `SupernetLoss`, as `compile` has set it.

        Args:
            drawn: Boolean, whether random mixing weights are drawn, or the mean ones.
        """
        return SupernetLoss(
            self,
            self.loss_function,
            self.gradient_accumulation,
            self._traced,
            self._draws() if drawn else (None, None),
            self.perturbation if drawn else None,
        )

    def _draws(self):
        """Returns a `Draw` for learning alphas, and for weights, if any is random."""
        if not self.sampler.is_random and self.perturbation is None:
            return None, None
        step = tf.cast(self.optimizer.iterations, tf.int64)
        seeds = [tf.stack([self.seed, 2 * step + of_pass]) for of_pass in (0, 1)]
        return [Draw(seed, step) for seed in seeds]

    def learn_alphas(self, learning):
        """Sets whether steps teach the alphas too, as at first, or weights only.

        Args:
            learning: Boolean.
        """
        if learning != self.learns_alphas:
            self.learns_alphas = learning
            if self.train_function is not None:  # It does the steps of before.
                self.make_train_function(force=True)

    def train_step(self, data):
        """Algorithm 1 of DARTS: one step of the alphas, then one of the weights."""
        weight_batch, alpha_batch = data
        loss = self.training_loss()
        if self.learns_alphas:
            # alpha descends grad_alpha L_val(w - eta grad_w L_train(w, alpha), alpha).
            gradients, logits = self.architect.gradients(
                loss, self.optimizer, weight_batch, alpha_batch
            )
            self.alpha_optimizer.apply(gradients, self.alpha_variables)
            self._track("alpha_", alpha_batch[1], logits)
        # w descends grad_w L_train(w, alpha).
        gradients, logits = loss.weight_gradients(weight_batch)
        self.optimizer.apply(gradients, loss.weights)
        self._track("", weight_batch[1], logits)
        loss.assign_statistics()
        return self.get_metrics_result()

    def get_metrics_result(self):
        results = super().get_metrics_result()
        if not self.learns_alphas:  # Then they are of no images, and not zero.
            for metric in self.trackers["alpha_"]:
                results[metric.name] = results[metric.name] * math.nan
        return results

    def test_step(self, data):
        images, labels = data
        self._track("", labels, self(images, training=False))
        return {metric.name: metric.result() for metric in self.trackers[""]}

    def _track(self, prefix, labels, logits):
        for metric in self.trackers[prefix]:
            metric.update_state(labels, logits)

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
        }

    def get_compile_config(self):
        return keras.saving.serialize_keras_object(
            {
                "weight_optimizer": self.optimizer,
                "alpha_optimizer": self.alpha_optimizer,
                "loss": self.loss_function,
                "architect": self.architect,
                "recompute": self.calls.recompute,
                "gradient_accumulation": self.gradient_accumulation,
                "perturbation": self.perturbation,
                "seed": self.seed,
            }
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def check_compile_options(options):
    """Raises `TypeError` for what `compile` would accept and ignore."""
    unknown = set(options) - {"run_eagerly", "steps_per_execution"}
    if unknown:
        raise TypeError(
            f"Supernet.compile takes no {', '.join(sorted(unknown))}. Expected "
            "run_eagerly or steps_per_execution beside its own arguments."
        )
