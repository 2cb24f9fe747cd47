"""How the alphas learn: their gradients, given a supernet's loss and two batches.

An architect is the seam for the order of approximation and for regularizers.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.3.
"""

import functools

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.search.regularizers import Penalty

SMALLEST_LENGTH = 1e-30


class Architect:
    """Base of the ways to learn alphas.

    Args:
        regularizers: Functions of the labelled alphas that return a scalar, which is
            added to the validation loss; see `search.regularizers`. To be saved with
            a supernet, they are registered there or with Keras.

    Example:

    >>> class Signs(Architect):
    ...     def gradients(self, loss, optimizer, weight_batch, alpha_batch):
    ...         gradients, logits = loss.alpha_gradients(alpha_batch)
    ...         return [tf.sign(gradient) for gradient in gradients], logits
    """

    differentiates_twice = False  # Within one gradient.

    def __init__(self, regularizers=()):
        self.regularizers = tuple(regularizers)

    def check(self, weight_optimizer):
        """Raises `InputError` if it cannot work with the weights' optimizer."""

    def gradients(self, loss, optimizer, weight_batch, alpha_batch):
        """Returns the gradients of the alphas; changes no weight and no alpha.

        Args:
            loss: The `SupernetLoss`.
            optimizer: The optimizer of the weights.
            weight_batch: `(images, labels)` that the weights learn on.
            alpha_batch: `(images, labels)` that the alphas learn on.

        Returns:
            `(gradients, logits)`: one gradient per alpha variable, and the
            logits of the alpha batch. Under a strategy the gradients are the
            replica's part: their sum over replicas is that of the whole batch.
        """
        raise NotImplementedError

    def penalty(self, alphas, step=0):
        """Returns the sum of all regularizers of the labelled alphas.

        Args:
            alphas: See `search.regularizers`.
            step: Integer, the steps that the weights have learned so far.
        """
        return sum(
            rule(alphas, step) if isinstance(rule, Penalty) else rule(alphas)
            for rule in self.regularizers
        )

    def penalty_at(self, optimizer):
        """Returns `penalty` at the step that the optimizer of the weights is at."""
        step = 0 if optimizer is None else tf.convert_to_tensor(optimizer.iterations)
        return functools.partial(self.penalty, step=step)

    def get_config(self):
        rules = [
            keras.saving.serialize_keras_object(rule) for rule in self.regularizers
        ]
        return {"regularizers": rules}

    @classmethod
    def from_config(cls, config):
        rules = map(keras.saving.deserialize_keras_object, config.pop("regularizers"))
        return cls(**config, regularizers=rules)


@keras.saving.register_keras_serializable(package="keras_atdarts")
class FirstOrder(Architect):
    """`grad_alpha L_val(w, alpha)`: the current weights stand for the best ones.

    Args:
        regularizers: See `Architect`.
    """

    def gradients(self, loss, optimizer, weight_batch, alpha_batch):
        return loss.alpha_gradients(alpha_batch, penalty=self.penalty_at(optimizer))


@keras.saving.register_keras_serializable(package="keras_atdarts")
class SecondOrder(Architect):
    """The weights answer to the alphas with one step of their optimizer.

    With `w' = w - eta * (momentum * buffer + g + decay * w)`, where `g` is the
    gradient of `L_train(w, alpha)`, the gradient of `L_val(w'(alpha), alpha)` is

        grad_alpha L_val(w', alpha)
        - eta * (d/dalpha d/dw L_train(w, alpha)) . grad_w' L_val(w', alpha)

    The product with the mixed second derivative is exact, by differentiating
    twice, or a finite difference of two gradients at `w +- epsilon * v` with
    `v = grad_w' L_val`. The step is not clipped, as in the reference.

    All losses are functions of weights that are passed in, so that neither the
    weights nor the statistics of batch norms change.

    Args:
        hessian: `"finite_difference"`, or `"exact"`, which needs every operation
            to have a second derivative.
        epsilon: Float, of the finite difference: the length of `epsilon * v`.
        regularizers: See `Architect`.
    """

    def __init__(self, hessian="finite_difference", epsilon=0.01, regularizers=()):
        super().__init__(regularizers)
        if hessian not in HESSIAN_PRODUCTS:
            raise unknown_name("hessian", hessian, HESSIAN_PRODUCTS)
        if not epsilon > 0:
            raise InputError(f"epsilon must be above 0. Received: {epsilon}.")
        self.hessian = hessian
        self.epsilon = epsilon

    @property
    def differentiates_twice(self):
        return self.hessian == "exact"

    def check(self, weight_optimizer):
        if not hasattr(weight_optimizer, "virtual_step"):
            raise InputError(
                "The second order looks one step of the weights' optimizer ahead, "
                "which keras_atdarts.SGD can tell. Received: "
                f"{type(weight_optimizer).__name__}."
            )

    def gradients(self, loss, optimizer, weight_batch, alpha_batch):
        weights = [tf.convert_to_tensor(variable) for variable in loss.weights]
        _, step, _ = loss.gradients_at(weight_batch, weights)
        stepped = optimizer.virtual_step(step, loss.weights)
        penalty = self.penalty_at(optimizer)
        direct, vector, logits = loss.gradients_at(alpha_batch, stepped, penalty)
        multiply = HESSIAN_PRODUCTS[self.hessian]
        products = multiply(loss, weight_batch, weights, vector, self.epsilon)
        rate = optimizer.learning_rate
        gradients = [
            x - tf.cast(rate, x.dtype) * y
            for x, y in zip(direct, products, strict=True)
        ]
        return gradients, logits

    def get_config(self):
        return {
            **super().get_config(),
            "hessian": self.hessian,
            "epsilon": self.epsilon,
        }


def exact_product(loss, batch, weights, vector, epsilon):
    """Returns `(d/dalpha d/dw L) . vector` by differentiating twice."""
    del epsilon
    found, _ = loss.average(slopes_along, batch, loss.alphas, weights, vector)
    return loss.of_alphas(found)


def slopes_along(loss, part, weights, mixing, statistics, *vector):
    """Returns the gradients of the mixing weights of `vector . grad_w L`."""
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(mixing)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(weights)
            value, logits, moved = loss(part, weights, mixing, statistics)
        slopes = inner.gradient(value, weights)
        pairs = zip(slopes, vector, strict=True)
        along = tf.add_n([tf.reduce_sum(x * v) for x, v in pairs])
    return outer.gradient(along, mixing), logits, moved


def finite_difference_product(loss, batch, weights, vector, epsilon):
    """Returns `(d/dalpha d/dw L) . vector` by a central difference."""
    length = tf.linalg.global_norm(vector)
    # A vector of zeros has the product zero, not nan.
    distance = epsilon / tf.maximum(length, SMALLEST_LENGTH)

    def slope(distance):
        shifted = [w + distance * v for w, v in zip(weights, vector, strict=True)]
        return loss.alpha_gradients(batch, shifted)[0]

    upper, lower = slope(distance), slope(-distance)
    return [
        (above - below) / (2 * distance)
        for above, below in zip(upper, lower, strict=True)
    ]


HESSIAN_PRODUCTS = {
    "finite_difference": finite_difference_product,
    "exact": exact_product,
}
