"""PyTorch's SGD and Adam, in which weight decay is coupled: part of the gradient.

Keras' own `weight_decay` is decoupled, its momentum carries the learning rate of
earlier steps, and its Adam places epsilon elsewhere; the published results and
the second-order virtual step rest on the forms below. Gradients are clipped
(`clip_norm`) before the decay is added, as in the reference.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.replicas import assign_here
from keras_atdarts.kernels.replicas import flatten
from keras_atdarts.kernels.replicas import sum_vector
from keras_atdarts.kernels.replicas import unflatten


class Optimizer(keras.optimizers.Optimizer):
    """Base that clips the gradient of the whole batch, on any number of replicas.

    Keras clips what one replica sees and then sums over replicas. Here the
    gradients are summed first (Keras' losses are divided by the number of
    replicas already), so that several devices step exactly as one would.

    Args:
        learning_rate: Float or `LearningRateSchedule`.
        clip_norm: Optional float, the largest global norm of the gradients.
        coupled_weight_decay: Float, added to the clipped gradient as `decay * w`.
        **kwargs: Of `keras.optimizers.Optimizer`.
    """

    def __init__(
        self, learning_rate, clip_norm=None, coupled_weight_decay=0.0, **kwargs
    ):
        super().__init__(learning_rate=learning_rate, **kwargs)
        if clip_norm is not None and clip_norm <= 0:
            raise ValueError(
                "`clip_norm` must be positive, or None for no clipping. "
                f"Received: clip_norm={clip_norm}"
            )
        self.clip_norm = clip_norm
        self.coupled_weight_decay = coupled_weight_decay
        self.jit_compile = False  # Whether XLA compiles all updates as one, in graphs.

    def apply(self, grads, trainable_variables=None):
        grads = list(grads)
        variables = trainable_variables or self._trainable_variables
        known = [index for index, each in enumerate(grads) if each is not None]
        if known:
            given = [grads[index] for index in known]
            learning = [variables[index] for index in known]
            vector = self._prepared(flatten(given), learning)
            for index, gradient in zip(known, unflatten(vector, given), strict=True):
                grads[index] = gradient
        super().apply(grads, trainable_variables)

    def _prepared(self, gradient, variables):
        """Sums over replicas, clips and decays a vector of all gradients.

        In one vector, because each operation on each variable would cost by itself.
        """
        gradient = sum_vector(gradient)
        if self.clip_norm is not None:
            [gradient], _ = tf.clip_by_global_norm([gradient], self.clip_norm)
        if not self.coupled_weight_decay:
            return gradient
        return self.decayed(gradient, flatten(variables))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Keras' step, which sums over replicas first: `apply` has done that.

        Every replica updates its own copies, all by the same gradients.
        """

        def update_all(gradients, rate):
            for gradient, variable in zip(gradients, trainable_variables, strict=True):
                self.update_step(gradient, variable, rate)

        if self.jit_compile and not tf.executing_eagerly():
            update_all = tf.function(update_all, autograph=False, jit_compile=True)
        update_all(grads, tf.convert_to_tensor(learning_rate))

    def assign(self, variable, value):
        assign_here(variable, value)

    def assign_sub(self, variable, value):
        assign_here(variable, variable - value)

    def load_own_variables(self, store):
        # In files of version 0.3 some kernels lack their first axis, of one edge.
        super().load_own_variables(
            {
                str(index): np.reshape(store[str(index)], variable.shape)
                for index, variable in enumerate(self.variables[: len(store.keys())])
            }
        )

    def decayed(self, gradient, variable):
        """Returns the gradient with the weight decay added."""
        if not self.coupled_weight_decay:
            return gradient
        decay = constant(self.coupled_weight_decay, gradient.dtype)
        return gradient + decay * ops.cast(variable, gradient.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "clip_norm": self.clip_norm,
            "coupled_weight_decay": self.coupled_weight_decay,
        }


def compile_updates(jit_compile, *optimizers):
    """Sets whether XLA compiles the updates of optimizers of this module."""
    for optimizer in optimizers:
        if isinstance(optimizer, Optimizer):
            optimizer.jit_compile = jit_compile


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SGD(Optimizer):
    """`buffer = momentum * buffer + gradient + decay * w; w -= rate * buffer`.

    Args:
        learning_rate: Float or `LearningRateSchedule`.
        momentum: Float.
        **kwargs: Of `Optimizer`.
    """

    def __init__(self, learning_rate=0.025, momentum=0.0, name="sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.buffers = []
        if self.momentum:
            self.buffers = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, gradient.dtype)
        if not self.momentum:
            self.assign_sub(variable, rate * gradient)
            return
        # The class' formula as one operation, of which a supernet needs hundreds.
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.value.handle,
            accum=self._buffer(variable).value.handle,
            lr=rate,
            grad=gradient,
            momentum=constant(self.momentum, gradient.dtype),
        )

    def virtual_step(self, gradients, variables):
        """Returns the values that unclipped gradients lead to; changes nothing.

        Args:
            gradients: List of tensors, of the whole batch.
            variables: List of the variables that the optimizer was built with.
        """
        values = []
        for gradient, variable in zip(gradients, variables, strict=True):
            rate = ops.cast(self.learning_rate, gradient.dtype)
            values.append(variable - rate * self._direction(gradient, variable))
        return values

    def _direction(self, gradient, variable):
        step = self.decayed(gradient, variable)
        if not self.momentum:
            return step
        return constant(self.momentum, step.dtype) * self._buffer(variable) + step

    def _buffer(self, variable):
        return self.buffers[self._get_variable_index(variable)]

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


@keras.saving.register_keras_serializable(package="keras_atdarts")
class Adam(Optimizer):
    """Adam with `decay * w` added to the gradient, as PyTorch has it.

    Args:
        learning_rate: Float or `LearningRateSchedule`.
        beta_1: Float.
        beta_2: Float.
        epsilon: Float, added to the root of the corrected second moment.
        **kwargs: Of `Optimizer`.

    Reference:
        Kingma, Ba, Adam, ICLR 2015, https://arxiv.org/abs/1412.6980, algorithm 1.
    """

    def __init__(
        self,
        learning_rate=3e-4,
        beta_1=0.5,
        beta_2=0.999,
        epsilon=1e-8,
        name="adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.first, self.second = self.add_optimizer_variables(
            variables, ["first_moment", "second_moment"]
        )

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        first, second = self.first[index], self.second[index]
        self.assign(first, self.beta_1 * first + (1 - self.beta_1) * gradient)
        self.assign(
            second, self.beta_2 * second + (1 - self.beta_2) * ops.square(gradient)
        )
        mean = first / self._correction(self.beta_1, gradient.dtype)
        scale = second / self._correction(self.beta_2, gradient.dtype)
        rate = ops.cast(learning_rate, gradient.dtype)
        self.assign_sub(variable, rate * mean / (ops.sqrt(scale) + self.epsilon))

    def _correction(self, beta, dtype):
        """Of the bias towards zero; in float32, `1 - 0.999` is wrong by 1e-5."""
        count = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float64)
        return tf.cast(1 - tf.constant(beta, tf.float64) ** count, dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
