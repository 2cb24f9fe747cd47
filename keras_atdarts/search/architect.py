"""How the alphas learn: their gradients, given a supernet and two batches.

An architect is the seam for the order of approximation and for regularizers. It
sees of the supernet its variables (`alphas`, `operation_weights`), its weights'
`optimizer`, its loss as a function: `loss_and_logits(batch, weights)`, and
`average_over_parts`, for whatever is computed from a batch.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.3.
"""

import functools

import keras
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.kernels.devices import tensorflow_only
from keras_atdarts.kernels.passes import kernels_fixed
from keras_atdarts.kernels.replicas import sum_over_replicas

SMALLEST_LENGTH = 1e-30


class Architect:
    """Base of the ways to learn alphas.

    Args:
        regularizers: Functions of the list of alphas, variables of TensorFlow
            `(num_edges, num_operations)`, that return a scalar to be added to
            the validation loss. To be saved with a supernet, they are
            registered with Keras.
    """

    def __init__(self, regularizers=()):
        self.regularizers = tuple(regularizers)

    def check(self, weight_optimizer):
        """Raises `InputError` if the weights' optimizer does not do."""

    def gradients(self, supernet, weight_batch, alpha_batch):
        """Returns the gradients of the alphas; changes no weight and no alpha.

        Args:
            supernet: The `Supernet`.
            weight_batch: `(images, labels)` that the weights learn on.
            alpha_batch: `(images, labels)` that the alphas learn on.

        Returns:
            `(gradients, logits)`: one gradient per alpha variable, and the
            logits of the alpha batch. Under a strategy the gradients are the
            replica's part: their sum over replicas is that of the whole batch.
        """
        raise NotImplementedError

    def objective(self, loss, alphas):
        """Returns the loss with all regularizers, counted once by all replicas."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        penalty = sum(rule(alphas) for rule in self.regularizers)
        return loss + penalty / replicas

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

    def gradients(self, supernet, weight_batch, alpha_batch):
        del weight_batch
        alphas = [alpha.value for alpha in supernet.alphas]

        def gradients(part):
            # Watching nothing else spares the gradients of all other weights.
            with (
                kernels_fixed(),
                tf.GradientTape(watch_accessed_variables=False) as tape,
            ):
                tape.watch(alphas)
                loss, logits = supernet.loss_and_logits(part)
                objective = self.objective(loss, alphas)
            return tape.gradient(objective, alphas), logits

        return supernet.average_over_parts(gradients, alpha_batch, alphas)


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
            raise InputError(f"epsilon must be above 0; received {epsilon}.")
        self.hessian = hessian
        self.epsilon = epsilon

    def check(self, weight_optimizer):
        if not hasattr(weight_optimizer, "virtual_step"):
            raise InputError(
                "The second order looks one step of the weights' optimizer ahead, "
                "which keras_atdarts.SGD can tell. Received: "
                f"{type(weight_optimizer).__name__}."
            )

    def gradients(self, supernet, weight_batch, alpha_batch):
        optimizer, variables = supernet.optimizer, supernet.operation_weights
        alphas = [alpha.value for alpha in supernet.alphas]
        weights = [tf.convert_to_tensor(variable) for variable in variables]

        def training_loss(part):
            return functools.partial(supernet.loss_and_logits, part)

        def training_slope(part):
            return gradient(training_loss(part), weights)

        step, _ = supernet.average_over_parts(training_slope, weight_batch, weights)
        stepped = optimizer.virtual_step(sum_over_replicas(step), variables)

        def validation_slope(part):
            # In a loop over parts, a tape does not know tensors from without.
            values = [tf.identity(value) for value in stepped]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([alphas, values])
                loss, logits = supernet.loss_and_logits(part, values)
                objective = self.objective(loss, alphas)
            return tape.gradient(objective, [*alphas, *values]), logits

        slopes, logits = supernet.average_over_parts(
            validation_slope, alpha_batch, [*alphas, *stepped]
        )
        direct, vector = slopes[: len(alphas)], slopes[len(alphas) :]
        vector = sum_over_replicas(vector)

        def product(part):
            multiply = HESSIAN_PRODUCTS[self.hessian]
            return multiply(training_loss(part), weights, alphas, vector, self.epsilon)

        products, _ = supernet.average_over_parts(product, weight_batch, alphas)
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


def gradient(function, values):
    """Returns the gradient of a loss at a list of tensors, and the logits.

    Args:
        function: Function from a list of tensors to the loss and the logits.
        values: List of tensors.
    """
    # In a loop over parts, a tape does not know tensors from without.
    values = [tf.identity(value) for value in values]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss, logits = function(values)
    return tape.gradient(loss, values), logits


def exact_product(training_loss, weights, alphas, vector, epsilon):
    """Returns `(d/dalpha d/dw L) . vector` by differentiating twice, and logits."""
    del epsilon
    # Kernels of our own have no second derivatives.
    with (
        tensorflow_only(),
        tf.GradientTape(watch_accessed_variables=False) as tape,
    ):
        tape.watch(alphas)
        slopes, logits = gradient(training_loss, weights)
        along = tf.add_n(
            [tf.reduce_sum(x * v) for x, v in zip(slopes, vector, strict=True)]
        )
    return tape.gradient(along, alphas), logits


def finite_difference_product(training_loss, weights, alphas, vector, epsilon):
    """Returns `(d/dalpha d/dw L) . vector` by a central difference, and logits."""
    length = tf.linalg.global_norm(vector)
    # A vector of zeros has the product zero, not nan.
    distance = epsilon / tf.maximum(length, SMALLEST_LENGTH)

    def slope(distance):
        with (
            kernels_fixed(),
            tf.GradientTape(watch_accessed_variables=False) as tape,
        ):
            tape.watch(alphas)
            shifted = [w + distance * v for w, v in zip(weights, vector, strict=True)]
            loss, logits = training_loss(shifted)
        return tape.gradient(loss, alphas), logits

    (upper, logits), (lower, _) = slope(distance), slope(-distance)
    products = [
        (above - below) / (2 * distance)
        for above, below in zip(upper, lower, strict=True)
    ]
    return products, logits


HESSIAN_PRODUCTS = {
    "finite_difference": finite_difference_product,
    "exact": exact_product,
}
