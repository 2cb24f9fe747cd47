"""The operations that learn nothing at stride 1: none, pooling, skip connection.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055,
    section 3.1
"""

import keras
import tensorflow as tf

from keras_atdarts.errors import unknown_name
from keras_atdarts.kernels import pooling
from keras_atdarts.kernels.devices import computes_natively
from keras_atdarts.kernels.native import operations as native
from keras_atdarts.operations.base import Operation
from keras_atdarts.operations.base import register_operation
from keras_atdarts.operations.base import scaled_terms


@register_operation("none")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Zero(Operation):
    """No connection. Competes in the softmax and is never derived."""

    has_weights = False
    is_zero = True

    def is_normalized(self):
        return False

    def branches(self, shared, training):
        x = shared.x if self.strides == 1 else pooling.subsample_even(shared.x)
        return [tf.zeros_like(x)]


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
    POOLS = {"max": pooling.max_pool, "average": pooling.average_pool}

    def __init__(self, filters, pool, **kwargs):
        super().__init__(filters, **kwargs)
        if pool not in self.POOLS:
            raise unknown_name("pool", pool, self.POOLS)
        self.pool = pool

    def branches(self, shared, training):
        x = shared.x
        if computes_natively(x, training):
            return [native.pool(x, self.pool, self.strides)]
        return [self.POOLS[self.pool](x, self.strides)]

    def get_config(self):
        return {**super().get_config(), "pool": self.pool}


@register_operation("skip_connect")
@keras.saving.register_keras_serializable(package="keras_atdarts")
class Skip(Operation):
    """The identity; `FactorizedReduce` at stride 2."""

    @property
    def is_identity(self):
        return self.strides == 1

    def is_normalized(self):
        return False  # The identity is not, FactorizedReduce is by itself.

    def build(self, input_shape):
        super().build(input_shape)
        if self.strides == 2:
            self.reduce = self.add_reduce(input_shape)

    def terms(self, shared, weights=None, training=None):
        if self.strides == 1:
            return scaled_terms(shared.x, weights, training)
        return self.reduce.terms(shared, weights=weights, training=training)
