"""Networks for inference: in float32, and with convolutions that do batch norms' work.

With frozen statistics, a batch norm multiplies every channel by a factor and adds
a shift. The factor can as well be multiplied into the kernel of the convolution
before it, whose bias the shift then is.
"""

import keras

HALF = ("bfloat16", "float16")


def in_float32(network):
    """Returns a network whose activations are float32, with the same weights.

    The weights of mixed precision are float32 already; 16 bits save memory in
    training only.

    Args:
        network: A Functional `keras.Model`. If no part of it computes with 16
            bits, it is returned itself.

    Example:

    >>> network = in_float32(keras.saving.load_model("network.keras"))
    """
    config = network.get_config()
    widened = _widened(config)
    if widened == config:
        return network
    wide = keras.Model.from_config(widened)
    wide.set_weights(network.get_weights())
    return wide


def _widened(config):
    """Returns a configuration in which all dtypes of 16 bits are float32."""
    if isinstance(config, dict):
        return {key: _widened(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(map(_widened, config))
    if isinstance(config, str) and config.removeprefix("mixed_") in HALF:
        return "float32"
    return config


def folded(network):
    """Returns a network for inference that computes what another does, faster.

    Its batch norms only add: each kernel before one contains its factors. Not to
    be trained: `training` does not matter to them any more.

    A layer takes part that has a method `normalized_kernels`, which returns pairs:
    a tuple of kernels, and the `BatchNormalization` of what they give. Kernels have
    their channels in the last axis; those of several stand side by side.

    Args:
        network: A Functional `keras.Model`, which stays as it is.

    Example:

    >>> fast = folded(keras.saving.load_model("network.keras"))
    """
    copy = keras.Model.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    fold(copy)
    return copy


def fold(layer):
    """Folds the batch norms in a built layer or model into their kernels.

    Those of a supernet stay: alphas are their factors.
    """
    for part in layer._flatten_layers():
        if hasattr(part, "normalized_kernels"):
            for kernels, normalization in part.normalized_kernels():
                if normalization.affine:
                    normalization.fold_into(kernels)
