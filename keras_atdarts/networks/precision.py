"""Networks of mixed precision, when their training is over."""

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
