"""What a supernet is worth with given mixing weights."""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.replicas import num_replicas


class MixingEvaluation:
    """Measures a supernet with mixing weights that are passed in.

    Batch norms take the statistics of each batch, as in training: those that were
    collected belong to other mixing weights. Nothing of the supernet changes, and one
    traced function serves all weights.

    Args:
        supernet: Compiled `Supernet`.
        batches: Finite iterable of `(images, labels)`, batches of one size.

    Call arguments:
        mixing: List of arrays, as of `SupernetAlphas.weights`.

    Call returns:
        Accuracy and mean loss, floats.

    Example:

    >>> evaluate = MixingEvaluation(supernet, batches)
    >>> accuracy, loss = evaluate(supernet.alphas.weights())
    """

    def __init__(self, supernet, batches):
        self.supernet = supernet
        self.batches = batches
        self._measure = tf.function(self._measure, autograph=False)

    def __call__(self, mixing):
        mixing = [tf.convert_to_tensor(x) for x in mixing]
        found = [self._measure(mixing, batch) for batch in self.batches]
        return tuple(np.mean([[float(x) for x in pair] for pair in found], axis=0))

    def _measure(self, mixing, batch):
        strategy = self.supernet.distribute_strategy

        def of_replica(mixing, batch):
            # All replicas see the whole batch.
            loss = self.supernet.training_loss(drawn=False)
            value, logits, _ = loss(batch, mixing=mixing, kernels_learn=0.0)
            labels = tf.cast(batch[1], tf.int64)
            hits = tf.cast(tf.argmax(logits, axis=-1) == labels, value.dtype)
            # The loss is this replica's part of the mean over all.
            return tf.reduce_mean(hits), value * num_replicas()

        found = strategy.run(of_replica, args=(mixing, batch))
        return [strategy.experimental_local_results(each)[0] for each in found]
