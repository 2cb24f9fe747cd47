"""Trained networks without their classifier, to be fine-tuned for other images."""

import pathlib

from keras_atdarts.errors import InputError
from keras_atdarts.layers.classifier import Classifier
from keras_atdarts.networks.derived import DerivedNetwork
from keras_atdarts.networks.network_file import load_network_file
from keras_atdarts.networks.top import check_pooling
from keras_atdarts.networks.top import pooled
from keras_atdarts.training.callbacks import drop_path_layers


def load_backbone(path, pooling=None):
    """Returns the network of a training run without its classifier, with its weights.

    It takes what the network took: images of that size and channels, normalised by
    the `mean` and `std` that the run's `config.json` has under `dataset`. Its rates
    of drop path are 0, as in a new network.

    With `backbone.trainable = False` nothing of it changes, neither weights nor the
    statistics of its batch norms. Compile again after a change of `trainable`.

    Args:
        path: Path of the `network.keras` in the run's directory.
        pooling: As in `build_network`: `None`, `"avg"` or `"max"`.

    Returns:
        A `DerivedNetwork` from images to features, not compiled.

    Raises:
        InputError: The file is damaged or holds something else; an operation in it
            is not registered; there is no such pooling.

    Example:

    >>> backbone = load_backbone("runs/a-net/network.keras", pooling="avg")
    >>> backbone.trainable = False
    >>> network = keras.Sequential([backbone, keras.layers.Dense(num_classes)])

    Reference:
        Yosinski, Clune, Bengio, Lipson, How transferable are features in deep neural
        networks?, NeurIPS 2014, https://arxiv.org/abs/1411.1792
    """
    check_pooling(pooling)
    check_file(pathlib.Path(path))
    backbone = without_top(load_network_file(path), pooling)
    for layer in drop_path_layers(backbone):
        layer.rate.assign(0)
    return backbone


def check_file(path):
    """Raises `InputError` for a directory, and says which file to take."""
    if (path / "saved_model.pb").exists():
        raise InputError(
            f"'{path}' is a SavedModel: its batch norms are part of its convolutions, "
            "and its weights are constants, so it cannot be trained. Give the "
            "network.keras of the run that it was exported from."
        )
    if not path.is_file():
        raise InputError(
            f"There is no file '{path}': expected the network.keras in the directory "
            "of a run of retrain.py or import_weights.py."
        )


def without_top(network, pooling=None):
    """Returns a network without its classifier; it shares the weights.

    Args:
        network: A network of `build_network`, with or without auxiliary head.
        pooling: As in `build_network`: `None`, `"avg"` or `"max"`.

    Returns:
        A `DerivedNetwork` from images to features.

    Raises:
        InputError: It has no classifier, or there is no such pooling.

    Example:

    >>> network = build_network(Genotype.load("DARTS_V2"), (32, 32, 3), 10)
    >>> without_top(network, pooling="avg").output_shape
    (None, 576)
    """
    check_pooling(pooling)
    tops = [layer for layer in network.layers if isinstance(layer, Classifier)]
    if len(tops) != 1:
        raise InputError(
            f"The model '{network.name}' has no classifier to leave out: expected a "
            "network of build_network with include_top=True."
        )
    [top] = tops
    features = pooled(top.input, pooling, top.variable_dtype)
    return DerivedNetwork(network.input, features, name=network.name)
