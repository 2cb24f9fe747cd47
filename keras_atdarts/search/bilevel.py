"""Bilevel learning: the alphas of a model and its weights learn in turn.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    algorithm 1
"""

import math

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.loss import SupernetLoss
from keras_atdarts.search.samplers import Draw
from keras_atdarts.training.optimizers import compile_updates
from keras_atdarts.training.stateless import SharedCalls


class BilevelModel(keras.Model):
    """Base of `Supernet`: how it learns. What it computes stands there.

    `fit` takes an infinite dataset of `(weight_batch, alpha_batch)`, each
    `(images, labels)`, with `steps_per_epoch`. Every step first updates the
    alphas on the one batch, then the weights on the other.

    Attributes:
        sampler: `Sampler`.
        alphas: `SupernetAlphas`, once it is built.
        operation_weights: List of the variables `w`.
        alpha_variables: List of the variables `alpha`.
        calls: `SharedCalls`, by which it calls its cells.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.learns_alphas = True
        self.calls = SharedCalls()
        self._traced = {}
        self.trackers = {
            prefix: (
                keras.metrics.SparseCategoricalCrossentropy(
                    from_logits=True, name=f"{prefix}loss"
                ),
                keras.metrics.SparseCategoricalAccuracy(name=f"{prefix}accuracy"),
            )
            for prefix in ("", "alpha_")
        }

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
            InputError: The policy is mixed_float16, both optimizers are one, the
                architect cannot work with the weights' optimizer, or it differentiates
                twice what XLA compiles.
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
        if jit_compile and self.architect.differentiates_twice:
            raise InputError(
                "What XLA compiles is differentiated once; received jit_compile with "
                "an architect that differentiates twice. Give --hessian "
                "finite_difference, or leave out --jit."
            )
        self.calls = SharedCalls(recompute, jit_compile)
        compile_updates(jit_compile, self.optimizer, self.alpha_optimizer)
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
        self.calls.compile()
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
