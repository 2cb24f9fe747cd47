"""Perturbed mixing weights, on which the weights of operations learn.

Reference:
    Chen, Hsieh, Stabilizing Differentiable Architecture Search via Perturbation-based
    Regularization (SmoothDARTS), ICML 2020, https://arxiv.org/abs/2002.05283
"""

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.search.samplers import value_at


@keras.saving.register_keras_serializable(package="keras_atdarts")
class RandomPerturbation:
    """Adds `d ~ U(-epsilon, epsilon)` to each mixing weight in the step of the weights.

    The weights of operations then descend the mean loss around the alphas, so that the
    loss stays low where the derived network is: the landscape becomes smooth.

    Args:
        epsilon: Float above 0, or a `LearningRateSchedule` of steps.

    Reference:
        SmoothDARTS, https://arxiv.org/abs/2002.05283, equation 5 (SDARTS-RS)
    """

    def __init__(self, epsilon=0.03):
        if not callable(epsilon) and not epsilon > 0:
            raise InputError(f"epsilon must be above 0. Received: {epsilon}.")
        self.epsilon = epsilon

    def __call__(self, weights, draw):
        """Returns the perturbed weights of one kind of choices.

        Args:
            weights: Tensor `(num_edges, num_choices)`.
            draw: `Draw`.
        """
        epsilon = value_at(self.epsilon, draw, weights.dtype)
        uniform = tf.random.stateless_uniform(
            weights.shape, draw.seed, minval=-1.0, dtype=weights.dtype
        )
        return weights + epsilon * uniform

    def get_config(self):
        return {"epsilon": keras.saving.serialize_keras_object(self.epsilon)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["epsilon"]))
