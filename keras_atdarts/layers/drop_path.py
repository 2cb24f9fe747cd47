"""Drop path, whose rate really changes during training.

Reference:
    Larsson, Maire, Shakhnarovich, FractalNet, ICLR 2017,
    https://arxiv.org/abs/1605.07648; Zoph et al., NASNet, CVPR 2018.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_atdarts")
class DropPath(keras.layers.Layer):
    """Zeroes whole samples at random in training and rescales the others.

    The rate is a weight, not a Python number: a compiled step would keep the
    number it was traced with.

    Args:
        rate: Float in [0, 1), the initial probability of a sample to be dropped.
        seed: Optional integer.

    Input shape:
        `(batch, ...)`.

    Output shape:
        The same.

    Example:

    >>> path = DropPath(0.2)(path, training=True)

    Reference:
        Larsson et al., FractalNet, 2017, https://arxiv.org/abs/1605.07648
    """

    def __init__(self, rate=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(
                f"`rate` must be at least 0 and less than 1. Received: rate={rate}"
            )
        self.initial_rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        self.rate = self.add_weight(
            name="rate",
            shape=(),
            initializer=keras.initializers.Constant(self.initial_rate),
            trainable=False,
            autocast=False,
        )

    def call(self, inputs, training=None):
        if not training:
            return inputs
        keep = 1 - ops.convert_to_tensor(self.rate)
        shape = (ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1))
        draw = keras.random.uniform(shape, dtype=keep.dtype, seed=self.seed_generator)
        mask = ops.where(draw < keep, 1 / keep, ops.zeros_like(keep))
        return inputs * ops.cast(mask, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.initial_rate, "seed": self.seed}
