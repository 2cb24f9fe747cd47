"""Settings of a study's searches and retrainings, given as `name=value`."""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.errors import unknown_name
from keras_atdarts.experiments.runs.flags import parse_words

SWITCHES = {"on": True, "off": False}
# What a study decides for all its runs, and by which of its own flags.
OF_THE_STUDY = {
    "dataset": "--dataset",
    "data_dir": "--data-dir",
    "image_size": "--image-size",
    "seed": "--seeds",
    "strategy": "--arms",
    "operations": "--arms",
    "samples": "--arms",
}


def parse_overrides(config_class, flag, words):
    """Returns values by the names of settings; the configuration checks them.

    Args:
        config_class: The sub-class of `Config` whose settings they are.
        flag: String, the flag they follow, for messages.
        words: Iterable of strings `name=value`; several values are separated by
            commas, as in `alpha_betas=0.5,0.999`, and switches are `on` or `off`.

    Example:

    >>> parse_overrides(RetrainConfig, "--retrain", ["epochs=8", "flip=off"])
    {'epochs': 8, 'flip': False}
    """
    values = {}
    for word in words:
        with located(flag):
            name, value = _parse_override(config_class, word)
            if name in values:
                raise InputError(f"{name} is given twice. Leave one out.")
        values[name] = value
    return values


def _parse_override(config_class, word):
    name, equals, text = word.partition("=")
    name = name.replace("-", "_")
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    if not equals or not text:
        raise InputError(f"expected NAME=VALUE, such as epochs=8; received '{word}'.")
    if name in OF_THE_STUDY:
        raise InputError(
            f"{name} is the same for all runs of a study, or its own to choose; "
            f"received '{word}'. Give {OF_THE_STUDY[name]} instead."
        )
    if name not in fields:
        raise unknown_name("setting", name, fields.keys() - OF_THE_STUDY.keys())
    field = fields[name]
    if field.type is bool:
        if text not in SWITCHES:
            raise InputError(f"{name} must be on or off; received '{text}'.")
        return name, SWITCHES[text]
    return name, parse_words(
        field, text.split(",") if field.metadata["kind"].several else text
    )


def make_config(config_class, flag, preset, overrides, shared):
    """Returns the configuration of a preset with the values that were given.

    Args:
        config_class: The sub-class of `Config`.
        flag: String, `--search` or `--retrain`, for messages.
        preset: String, the name of the preset.
        overrides: Dict from `parse_overrides`.
        shared: Dict of the settings that the study's own flags give.
    """
    with located(flag):
        return config_class.preset(preset, **overrides, **shared)
