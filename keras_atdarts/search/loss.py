"""The loss of a supernet as a function of its weights and its alphas."""

import functools

import keras
import tensorflow as tf

from keras_atdarts.kernels.replicas import num_replicas
from keras_atdarts.kernels.replicas import sum_over_replicas
from keras_atdarts.layers.batch_normalization import is_synchronized
from keras_atdarts.training.accumulation import average_over_parts
from keras_atdarts.training.stateless import Traced
from keras_atdarts.training.stateless import assign_moved
from keras_atdarts.training.stateless import assigned_in_training
from keras_atdarts.training.stateless import values_of


class SupernetLoss:
    """`L(w, alpha)` of a batch, and its gradients over all parts and replicas.

    Architects see of a supernet nothing else. Nothing of the supernet changes here,
    until `assign_statistics` moves the statistics of its batch norms.

    Args:
        supernet: The built `Supernet`.
        function: Loss of labels and logits.
        num_parts: Integer, the equal parts in which a batch is worked off, one after
            the other. Gradients are the means over them.
        traced: Optional dict, to keep what is traced for the same supernet: other
            replicas and later steps use it again.

    Attributes:
        weights: List of the variables `w`.
        alphas: List of the variables `alpha`.
    """

    def __init__(self, supernet, function, num_parts=1, traced=None):
        self.supernet = supernet
        self.function = function
        self.num_parts = num_parts
        self.weights = supernet.operation_weights
        self.alphas = supernet.alpha_variables
        self._moving = assigned_in_training(supernet)
        self._moved = None
        self._traced = {} if traced is None else traced

    def __call__(
        self, batch, weights=None, alphas=None, statistics=None, kernels_learn=1.0
    ):
        """Returns the training loss of a batch, its logits, and the moved statistics.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors to stand for `self.weights`.
            alphas: Optional list of tensors to stand for `self.alphas`.
            statistics: Optional list of tensors to stand for the statistics of batch
                norms, as this returns them.
            kernels_learn: Float, 0 where nobody asks for the gradients of weights.
        """
        mapping = [
            pair
            for variables, values in (
                (self.weights, weights),
                (self.alphas, alphas),
                (self._moving, statistics),
            )
            for pair in zip(variables, values or values_of(variables), strict=True)
        ]
        images, labels = batch
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logits = self.supernet(images, training=True, kernels_learn=kernels_learn)
            loss = self.function(labels, logits)
        moved = [scope.get_current_value(variable) for variable in self._moving]
        return loss, logits, moved

    def weight_gradients(self, batch):
        """Returns this replica's part of the gradients of the weights, and the logits.

        The sum of the parts of all replicas is the gradient of the whole batch, as
        optimizers expect it.

        Args:
            batch: `(images, labels)`.
        """
        return self.average(slopes_of_weights, batch, self.weights)

    def alpha_gradients(self, batch, weights=None, penalty=None):
        """Returns this replica's part of the gradients of the alphas, and the logits.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors, see `__call__`. With them no statistics
                move.
            penalty: Optional function of the labelled alphas, see
                `search.regularizers`, that returns a scalar. It counts once, however
                many replicas there are.
        """
        found, logits = self.average(slopes_of_alphas, batch, self.alphas, weights)
        return self._with_penalty(found, penalty), logits

    def gradients_at(self, batch, weights, penalty=None):
        """Returns the gradients of the alphas, and of weights that are passed in.

        Args:
            batch: `(images, labels)`.
            weights: List of tensors, see `__call__`.
            penalty: See `alpha_gradients`.

        Returns:
            This replica's part of the gradients of the alphas, those of the weights
            for the whole batch of all replicas, and the logits.
        """
        both = [*self.alphas, *self.weights]
        found, logits = self.average(slopes_of_both, batch, both, weights)
        of_alphas = self._with_penalty(found[: len(self.alphas)], penalty)
        return of_alphas, sum_over_replicas(found[len(self.alphas) :]), logits

    def average(self, function, batch, like, weights=None, tensors=()):
        """Returns the means of what a function returns for the parts of a batch.

        Several replicas call one function, which is traced once.

        Args:
            function: Function of this loss, a part of the batch, the weights, the
                alphas, the statistics and `*tensors`, to a list of tensors, the
                logits and the moved statistics. It stands at the top of a module, and
                reads no variables.
            batch: `(images, labels)`.
            like: List of variables or tensors in the shapes of its tensors.
            weights: Optional list of tensors, see `__call__`.
            tensors: List of tensors that it takes beside.

        Returns:
            The list of means, and the logits of the batch.
        """
        if function not in self._traced:
            like = [tf.TensorSpec(each.shape, each.dtype) for each in like]
            self._traced[function] = Traced(
                functools.partial(self._average, function, like)
            )
        call = self._traced[function]
        # One replica need not share it; synchronized ones talk to each other within.
        if num_replicas() == 1 or is_synchronized(self.supernet):
            call = call.function
        found, logits, moved = call(
            batch,
            self._current_weights if weights is None else weights,
            values_of(self.alphas),
            values_of(self._moving) if self._moved is None else self._moved,
            list(tensors),
        )
        if weights is None:
            self._moved = moved
        return found, logits

    @functools.cached_property
    def _current_weights(self):
        return values_of(self.weights)

    def _average(self, function, like, batch, weights, alphas, statistics, tensors):
        supernet = self.supernet
        logits = tf.TensorSpec((None, supernet.num_classes), supernet.variable_dtype)

        def of_part(part, statistics):
            # In a loop over parts, a tape does not know tensors from without.
            values = tf.nest.map_structure(tf.identity, (weights, alphas))
            return function(self, part, *values, statistics, *tensors)

        return average_over_parts(
            of_part, batch, self.num_parts, like, logits, statistics
        )

    def assign_statistics(self):
        """Moves the statistics of batch norms as the passes since the last time did."""
        if self._moved is not None:
            assign_moved(self._moving, self._moved)
            self._moved = None

    def _with_penalty(self, gradients, penalty):
        """Returns the gradients of the alphas with that of their penalty."""
        alphas = [alpha.value for alpha in self.alphas]
        with tf.GradientTape() as tape:
            value = 0 if penalty is None else penalty(self.supernet.alphas.named())
        if not tf.is_tensor(value):  # There are no regularizers.
            return gradients
        zero = tf.UnconnectedGradients.ZERO
        of_penalty = tape.gradient(value, alphas, unconnected_gradients=zero)
        pairs = zip(gradients, of_penalty, strict=True)
        return [x + y / num_replicas() for x, y in pairs]


def slopes_of_weights(loss, part, weights, alphas, statistics):
    """Returns `grad_w L(w, alpha)`, see `SupernetLoss.average`."""
    return _slopes(weights, loss, part, weights, alphas, statistics)


def slopes_of_alphas(loss, part, weights, alphas, statistics):
    """Returns `grad_alpha L(w, alpha)`, see `SupernetLoss.average`."""
    values = weights, alphas, statistics
    return _slopes(alphas, loss, part, *values, kernels_learn=0.0)


def slopes_of_both(loss, part, weights, alphas, statistics):
    """Returns `grad_alpha L` and `grad_w L`, see `SupernetLoss.average`."""
    return _slopes([*alphas, *weights], loss, part, weights, alphas, statistics)


def _slopes(wanted, loss, *arguments, kernels_learn=1.0):
    # Watching nothing else spares all other gradients.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(wanted)
        value, logits, moved = loss(*arguments, kernels_learn=kernels_learn)
    return tape.gradient(value, wanted), logits, moved
