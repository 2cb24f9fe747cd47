"""Trained networks in the files that Keras writes."""

import keras

from keras_atdarts.errors import InputError


def load_network_file(path):
    """Returns the network of a `.keras` file, not compiled.

    Args:
        path: Path of the file, the `network.keras` of a run.

    Raises:
        InputError: It is damaged, holds something else, or an operation in it is not
            registered.
    """
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = first_cause(error)
        reason = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
        raise InputError(
            f"Cannot load '{path}': {reason} Expected the network.keras that "
            "retrain.py writes."
        ) from error


def first_cause(error):
    """Returns the user's mistake behind Keras' errors; without one, the error."""
    cause = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    return cause or error
