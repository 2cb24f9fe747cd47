"""The loss of a supernet as a function of its weights and its alphas."""

import keras
import tensorflow as tf

from keras_atdarts.kernels.replicas import sum_over_replicas
from keras_atdarts.training.accumulation import assigned_in_training
from keras_atdarts.training.accumulation import average_over_parts


class SupernetLoss:
    """`L(w, alpha)` of a batch, and its gradients over all parts and replicas.

    Architects see of a supernet nothing else. Neither weights nor alphas change here.

    Args:
        supernet: The built `Supernet`.
        function: Loss of labels and logits.
        num_parts: Integer, the equal parts in which a batch is worked off, one after
            the other. Gradients are the means over them.

    Attributes:
        weights: List of the variables `w`.
        alphas: List of the variables `alpha`.
    """

    def __init__(self, supernet, function, num_parts=1):
        self.supernet = supernet
        self.function = function
        self.num_parts = num_parts
        self.weights = supernet.operation_weights
        self.alphas = supernet.alpha_variables

    def __call__(self, batch, weights=None, kernels_learn=1.0):
        """Returns the training loss and the logits of a batch, or of a part of one.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors to stand for `self.weights`. With them
                nothing of the supernet changes, moving statistics included.
            kernels_learn: Float, 0 where nobody asks for the gradients of weights.
        """
        if weights is not None:
            values = zip(self.weights, weights, strict=True)
            with keras.StatelessScope(state_mapping=values):
                return self(batch, kernels_learn=kernels_learn)
        images, labels = batch
        logits = self.supernet(images, training=True, kernels_learn=kernels_learn)
        return self.function(labels, logits), logits

    def weight_gradients(self, batch):
        """Returns this replica's part of the gradients of the weights, and the logits.

        The sum of the parts of all replicas is the gradient of the whole batch, as
        optimizers expect it. The moving statistics of batch norms move.

        Args:
            batch: `(images, labels)`.
        """

        def gradients(part):
            with tf.GradientTape() as tape:
                loss, logits = self(part)
            weights = [weight.value for weight in self.weights]
            return tape.gradient(loss, weights), logits

        return self.average(gradients, batch, self.weights)

    def alpha_gradients(self, batch, weights=None, penalty=None):
        """Returns this replica's part of the gradients of the alphas, and the logits.

        Args:
            batch: `(images, labels)`.
            weights: Optional list of tensors, see `__call__`.
            penalty: Optional function of the labelled alphas, see
                `search.regularizers`, that returns a scalar. It counts once, however
                many replicas there are.
        """
        alphas = [alpha.value for alpha in self.alphas]

        def gradients(part):
            # Watching nothing else spares the gradients of all other weights.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(alphas)
                loss, logits = self(part, weights, kernels_learn=0.0)
                loss = self._with_penalty(loss, penalty)
            return tape.gradient(loss, alphas), logits

        return self.average(gradients, batch, alphas)

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
        alphas = [alpha.value for alpha in self.alphas]

        def gradients(part):
            # In a loop over parts, a tape does not know tensors from without.
            values = [tf.identity(weight) for weight in weights]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([alphas, values])
                loss, logits = self(part, values)
                loss = self._with_penalty(loss, penalty)
            return tape.gradient(loss, [*alphas, *values]), logits

        found, logits = self.average(gradients, batch, [*alphas, *weights])
        of_weights = sum_over_replicas(found[len(alphas) :])
        return found[: len(alphas)], of_weights, logits

    def average(self, function, batch, like):
        """Returns the means of what a function returns for the parts of a batch.

        Args:
            function: Function from a part to a list of tensors and the logits.
            batch: `(images, labels)`.
            like: List of variables or tensors in the shapes of its tensors.

        Returns:
            The list of means, and the logits of the batch.
        """
        supernet = self.supernet
        logits = tf.TensorSpec((None, supernet.num_classes), supernet.variable_dtype)
        return average_over_parts(
            function,
            batch,
            self.num_parts,
            like,
            outputs=logits,
            variables=assigned_in_training(supernet),
        )

    def _with_penalty(self, loss, penalty):
        if penalty is None:
            return loss
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return loss + penalty(self.supernet.alphas.named()) / replicas
