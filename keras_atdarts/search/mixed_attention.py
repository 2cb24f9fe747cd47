"""Attention after the operations: its mixture follows that of the operations.

Reference:
    Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
    https://github.com/chomin/Att-DARTS
"""

import keras
import tensorflow as tf

from keras_atdarts.kernels import Source
from keras_atdarts.operations.base import scaled
from keras_atdarts.search.mixed_operation import Mixture
from keras_atdarts.search.mixed_operation import by_edge


@keras.saving.register_keras_serializable(package="keras_atdarts")
class MixedAttention(Mixture):
    """The identity and all attention operations, after a `MixedOperation`.

    On each edge, with its alphas, the mixture `x` becomes `w_identity x` plus the
    sum over attention operations of `w_a a(x)`, with `w = softmax(alphas)`. No batch
    norm follows: the mixture before is made of normalised results, and with the
    identity among the choices it is to stay what it is.

    Args:
        attention: Tuple of the names of attention operations.
        filters: Integer, the channels of input and output.
        num_edges: Integer, how many edges leave the node.

    Call arguments:
        tensors: List of `num_edges` tensors `(batch, height, width, filters)`, the
            mixtures of a `MixedOperation`.
        weights: Tensor `(num_edges, 1 + num_attention)`, of a sampler, that of the
            identity first.
        training: Boolean, as for batch norm.

    Output shape:
        List of `num_edges` tensors `(batch, height, width, filters)`.

    Example:

    >>> mixed = MixedAttention(("channel_attention",), 16, num_edges=2)
    >>> mixed.build((None, 32, 32, 16))
    >>> first, second = mixed([images, images], weights=weights)

    Reference:
        Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
        https://github.com/chomin/Att-DARTS
    """

    def __init__(self, attention, filters, num_edges=1, **kwargs):
        super().__init__(attention, filters, 1, num_edges, search=False, **kwargs)
        self.attention = tuple(attention)

    def terms(self, mixtures, source, weights):
        """Returns what each edge adds to its node, see `MixedOperation.terms`.

        Args:
            mixtures: What the method of `MixedOperation` returns.
            source: The node's `Source`.
            weights: Tensor `(num_edges, 1 + num_attention)`.
        """
        tensors = list(map(source.backend.sum, mixtures))
        of_identity, *columns = tf.unstack(weights, axis=1)
        terms = [scaled(tensors, of_identity)]
        for candidate, of_candidate in zip(self.candidates, columns, strict=True):
            terms.append(candidate.attend(tensors, of_candidate, source.training))
        return by_edge(terms)

    def call(self, tensors, weights, training=None):
        source = Source(tensors[0], training)
        weights = tf.cast(weights, self.variable_dtype)
        terms = self.terms([[x] for x in tensors], source, weights)
        return list(map(source.backend.sum, terms))

    def get_config(self):
        return {**super().get_config(), "attention": self.attention}
