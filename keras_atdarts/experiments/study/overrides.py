"""Settings of a study's runs, as words `name=value` of the command line."""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.errors import unknown_name
from keras_atdarts.experiments.runs.flags import parse_words

SWITCHES = {"on": True, "off": False}
# Settings that a study decides for all its runs, and the flag that decides each.
DECIDED_BY_STUDY = {
    "dataset": "--dataset",
    "data_dir": "--data-dir",
    "image_size": "--image-size",
    "seed": "--seeds",
    **dict.fromkeys(("strategy", "operations", "samples"), "--arms"),
}


def parse_overrides(config_class, flag, words, free=()):
    """Returns the values of settings by their names; the configuration checks them.

    Args:
        config_class: The sub-class of `Config` whose settings they are.
        flag: String, the flag they follow, for messages.
        free: Settings that the study does not decide here.
        words: Iterable of strings `name=value`. Commas separate several values, as in
            `alpha_betas=0.5,0.999`, and switches are `on` or `off`.

    Example:

    >>> parse_overrides(RetrainConfig, "--retrain", ["epochs=8", "flip=off"])
    {'epochs': 8, 'flip': False}
    """
    values = {}
    for word in words:
        with located(flag):
            name, value = parse_override(config_class, word, free)
            if name in values:
                raise InputError(f"{name} is given twice. Leave one out.")
        values[name] = value
    return values


def parse_override(config_class, word, free=()):
    """Returns the name and the value of a setting from a word `name=value`."""
    name, _, text = word.partition("=")
    name = name.replace("-", "_")
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    if not text:
        raise InputError(f"expected NAME=VALUE, such as epochs=8; received '{word}'.")
    if name in DECIDED_BY_STUDY and name not in free:
        raise InputError(
            f"the study decides {name} for its runs; received '{word}'. Give "
            f"{DECIDED_BY_STUDY[name]} instead."
        )
    if name not in fields:
        raise unknown_name(
            "setting", name, fields.keys() - DECIDED_BY_STUDY.keys() | {*free}
        )
    field = fields[name]
    if field.type is not bool:
        several = field.metadata["kind"].several
        return name, parse_words(field, text.split(",") if several else text)
    if text not in SWITCHES:
        raise InputError(f"{name} must be on or off; received '{text}'.")
    return name, SWITCHES[text]
