"""How the alphas learn: their gradients, given a supernet and two batches.

An architect is the seam for the order of approximation and for regularizers. It
sees of the supernet only its list of variables `alphas` and its method
`loss_and_logits(batch)`.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 2.3.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_atdarts")
class FirstOrder:
    """`grad_alpha L_val(w, alpha)`: the current weights stand for the best ones.

    Args:
        regularizers: Functions of the list of alphas, variables of TensorFlow
            `(num_edges, num_operations)`, that return a scalar to be added to
            the validation loss. To be saved with a supernet, they are
            registered with Keras.
    """

    def __init__(self, regularizers=()):
        self.regularizers = tuple(regularizers)

    def gradients(self, supernet, weight_batch, alpha_batch):
        """Returns the gradients of the alphas.

        Args:
            supernet: The `Supernet`.
            weight_batch: `(images, labels)` that the weights learn on; read by
                the second order only.
            alpha_batch: `(images, labels)` that the alphas learn on.

        Returns:
            `(gradients, logits)`: one gradient per alpha variable, and the
            logits of the alpha batch.
        """
        del weight_batch
        alphas = [alpha.value for alpha in supernet.alphas]
        # Watching nothing else spares the gradients of all other weights.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(alphas)
            loss, logits = supernet.loss_and_logits(alpha_batch)
            objective = loss + sum(rule(alphas) for rule in self.regularizers)
        return tape.gradient(objective, alphas), logits

    def get_config(self):
        rules = [
            keras.saving.serialize_keras_object(rule) for rule in self.regularizers
        ]
        return {"regularizers": rules}

    @classmethod
    def from_config(cls, config):
        return cls(map(keras.saving.deserialize_keras_object, config["regularizers"]))
