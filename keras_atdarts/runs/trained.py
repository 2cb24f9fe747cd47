"""What later scripts read from a retraining's directory."""

import keras

from keras_atdarts.errors import InputError
from keras_atdarts.network import without_auxiliary_head
from keras_atdarts.precision import in_float32
from keras_atdarts.runs import workdir

NEEDED_FILES = (workdir.CONFIG, workdir.GENOTYPE, workdir.NETWORK)


def open_trained_run(path):
    """Returns the `RunDirectory` of a finished retraining.

    Raises:
        InputError: where something is missing in it.
    """
    return workdir.RunDirectory.open(path, needs=NEEDED_FILES)


def load_network(run):
    """Returns the trained network of a run, from images to logits, in float32.

    Args:
        run: A `RunDirectory` from `open_trained_run`.

    Raises:
        InputError: where the file is damaged or holds something else.
    """
    path = run.file(workdir.NETWORK)
    try:
        network = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"Cannot load '{path}': {reason} Expected the network that "
            "train/retrain.py writes."
        ) from error
    return in_float32(without_auxiliary_head(network))
