"""The operations that learn nothing at stride 1: none, pooling, skip connection.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 3.1
"""

import keras
import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import ReducingOperation
from keras_atdarts.operations.base import register_operation

POOLS = ("max", "average")


@register_operation("none")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Zero(Operation):
    """No connection. Competes in the softmax and is never derived."""

    has_weights = False
    is_zero = True

    def is_normalized(self):
        return False

    def results(self, source):
        step = self.strides
        return [tf.zeros_like(source.x[:, ::step, ::step])]


@register_operation("max_pool_3x3", pool="max")
@register_operation("avg_pool_3x3", pool="average")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Pooling(Operation):
    """3x3 pooling.

    Args:
        filters: Integer, the channels of input and output.
        pool: `"max"` or `"average"`.
        **kwargs: Of `Operation`.
    """

    has_weights = False

    def __init__(self, filters, pool, **kwargs):
        super().__init__(filters, **kwargs)
        if pool not in POOLS:
            raise unknown_name("pool", pool, POOLS)
        self.pool = pool

    def results(self, source):
        return [source.backend.pool(source.x, self.pool, self.strides)]

    def get_config(self):
        return {**super().get_config(), "pool": self.pool}


@register_operation("skip_connect")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Skip(ReducingOperation):
    """The identity; `FactorizedReduce` at stride 2."""

    @property
    def is_identity(self):
        return self.strides == 1

    def is_normalized(self):
        return False  # The identity is not, FactorizedReduce is by itself.

    def terms(self, source, weights=None):
        if self.strides == 2:
            return self.reduce.terms(source, weights)
        if weights is None:
            return [source.x]
        return source.backend.scale([source.x], weights)
