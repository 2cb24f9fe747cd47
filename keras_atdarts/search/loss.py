"""The loss of a supernet as a function of its weights and its alphas."""

import functools

import keras
import tensorflow as tf

from keras_atdarts.kernels.replicas import num_replicas
from keras_atdarts.kernels.replicas import read_here
from keras_atdarts.kernels.replicas import sum_over_replicas
from keras_atdarts.kernels.traced import Traced
from keras_atdarts.layers.batch_normalization import is_synchronized
from keras_atdarts.training.accumulation import average_over_parts
from keras_atdarts.training.stateless import assign_moved
from keras_atdarts.training.stateless import assigned_in_training
from keras_atdarts.training.stateless import values_of


class SupernetLoss:
    """`L(w, alpha)` of a batch, and its gradients over all parts and replicas.

    The passes through the supernet know mixing weights only; `of_alphas` goes from
    their gradients to those of the alphas, by the chain rule.

    Architects see of a supernet nothing else. Nothing of the supernet changes here,
    until `assign_statistics` moves the statistics of its batch norms.

    Args:
        supernet: The built `Supernet`.
        function: Loss of labels and logits.
        num_parts: Integer, the equal parts in which a batch is worked off, one after
            the other. Gradients are the means over them.
        traced: Optional dict, to keep what is traced for the same supernet: other
            replicas and later steps use it again.
        draws: Two `Draw` where mixing weights are random, for learning the alphas and
            for learning the weights; by default the weights are the mean ones.
        perturbation: Optional function, see `search.perturbation`, that the weights
            are learned with.

    Attributes:
        weights: List of the variables `w`.
        alphas: List of the variables `alpha`.
    """

    def __init__(
        self,
        supernet,
        function,
        num_parts=1,
        traced=None,
        draws=(None, None),
        perturbation=None,
    ):
        self.supernet = supernet
        self.function = function
        self.num_parts = num_parts
        self.weights = supernet.operation_weights
        self.alphas = supernet.alpha_variables
        self._moving = assigned_in_training(supernet)
        self._moved = None
        self._traced = {} if traced is None else traced
        self._draws = draws
        self._perturbation = perturbation

    def __call__(
        self, batch, weights=None, mixing=None, statistics=None, kernels_learn=1.0
    ):
        """Returns the training loss of a batch, its logits, and the moved statistics.

        The loss is divided by the number of replicas: the sum over them is the mean.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors to stand for `self.weights`.
            mixing: Optional list of tensors, the mixing weights that the alphas stand
                for, see `SupernetAlphas.weights`; by default the mean ones.
            statistics: Optional list of tensors to stand for the statistics of batch
                norms, as this returns them.
            kernels_learn: Float, 0 where nobody asks for the gradients of weights.
        """
        mapping = [
            pair
            for variables, values in (
                (self.weights, weights),
                (self._moving, statistics),
            )
            for pair in zip(variables, values or values_of(variables), strict=True)
        ]
        images, labels = batch
        if mixing is not None:
            mixing = self.supernet.alphas.by_cell(mixing)
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logits = self.supernet(
                images, training=True, mixing=mixing, kernels_learn=kernels_learn
            )
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
        alphas, draw = self.supernet.alphas, self._draws[1]
        mixing = alphas.weights(draw=draw)
        if self._perturbation is not None:
            mixing = alphas.perturbed(mixing, self._perturbation, draw)
        return self.average(slopes_of_weights, batch, self.weights, mixing=mixing)

    def alpha_gradients(self, batch, weights=None, penalty=None, alphas=None):
        """Returns this replica's part of the gradients of the alphas, and the logits.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors, see `__call__`. With them no statistics
                move.
            penalty: Optional function of the labelled alphas, see
                `search.regularizers`, that returns a scalar. It counts once, however
                many replicas there are.
            alphas: Optional list of tensors to stand for `self.alphas`.
        """
        mixing = self._mixing(alphas)
        found, logits = self.average(
            slopes_of_mixing, batch, self.alphas, weights, mixing=mixing
        )
        return self.of_alphas(found, penalty, alphas), logits

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
        of_alphas = self.of_alphas(found[: len(self.alphas)], penalty)
        return of_alphas, sum_over_replicas(found[len(self.alphas) :]), logits

    def of_alphas(self, slopes, penalty=None, alphas=None):
        """Returns the gradients of the alphas, given those of the mixing weights.

        Args:
            slopes: List of tensors, one for each of `self.alphas`.
            penalty: See `alpha_gradients`.
            alphas: See `alpha_gradients`.
        """
        values = alphas or [alpha.value for alpha in self.alphas]
        with tf.GradientTape() as tape:
            tape.watch(values)
            targets = self._mixing(values)
            value = 0 if penalty is None else penalty(self.supernet.alphas.named())
            if tf.is_tensor(value):  # There are regularizers.
                targets = [*targets, value]
                slopes = [*slopes, tf.ones_like(value) / num_replicas()]
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(
            targets, values, output_gradients=slopes, unconnected_gradients=zero
        )

    def _mixing(self, alphas=None):
        """Returns the mixing weights with which the alphas are learned."""
        return self.supernet.alphas.weights(alphas, self._draws[0])

    def average(self, function, batch, like, weights=None, tensors=(), mixing=None):
        """Returns the means of what a function returns for the parts of a batch.

        Several replicas call one function, which is traced once.

        Args:
            function: Function of this loss, a part of the batch, the weights, the
                mixing weights, the statistics and `*tensors`, to a list of tensors,
                the logits and the moved statistics. It stands at the top of a module,
                and reads no variables.
            batch: `(images, labels)`.
            like: List of variables or tensors in the shapes of its tensors.
            weights: Optional list of tensors, see `__call__`.
            tensors: List of tensors that it takes beside.
            mixing: Optional list of tensors, see `__call__`; by default those with
                which the alphas are learned.

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
            self._mixing() if mixing is None else mixing,
            [*map(read_here, self._moving)] if self._moved is None else self._moved,
            list(tensors),
        )
        if weights is None:
            self._moved = moved
        return found, logits

    @functools.cached_property
    def _current_weights(self):
        return [*map(read_here, self.weights)]

    def _average(self, function, like, batch, weights, mixing, statistics, tensors):
        supernet = self.supernet
        logits = tf.TensorSpec((None, supernet.num_classes), supernet.variable_dtype)

        def of_part(part, statistics):
            # In a loop over parts, a tape does not know tensors from without.
            values = tf.nest.map_structure(tf.identity, (weights, mixing))
            return function(self, part, *values, statistics, *tensors)

        return average_over_parts(
            of_part, batch, self.num_parts, like, logits, statistics
        )

    def assign_statistics(self):
        """Moves the statistics of batch norms as the passes since the last time did."""
        if self._moved is not None:
            assign_moved(self._moving, self._moved)
            self._moved = None


def slopes_of_weights(loss, part, weights, mixing, statistics):
    """Returns `grad_w L(w, alpha)`, see `SupernetLoss.average`."""
    return _slopes(weights, loss, part, weights, mixing, statistics)


def slopes_of_mixing(loss, part, weights, mixing, statistics):
    """Returns the gradients of the mixing weights, see `SupernetLoss.average`."""
    values = weights, mixing, statistics
    return _slopes(mixing, loss, part, *values, kernels_learn=0.0)


def slopes_of_both(loss, part, weights, mixing, statistics):
    """Returns those of the mixing weights, and `grad_w L`, as `average` takes them."""
    return _slopes([*mixing, *weights], loss, part, weights, mixing, statistics)


def _slopes(wanted, loss, *arguments, kernels_learn=1.0):
    # Watching nothing else spares all other gradients.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(wanted)
        value, logits, moved = loss(*arguments, kernels_learn=kernels_learn)
    return tape.gradient(value, wanted), logits, moved
