"""Settings that carry their own help, group and range of values."""

import dataclasses
import math
import numbers

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name


@dataclasses.dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    Args:
        expected: String, the values in words, to follow "must be".
        accepts: Function from a value to True or False.
        parse: Function from a command-line word to a value; it may raise
            `ValueError`.
        several: Boolean, whether a value is a tuple whose elements are parsed
            one by one.
        choices: Optional tuple of the only values there are.
    """

    expected: str
    accepts: callable
    parse: callable
    several: bool = False
    choices: tuple = None


def whole_number(minimum, maximum=math.inf):
    """Returns the kind of the integers from `minimum` to `maximum`."""
    highest = "" if maximum == math.inf else f" and at most {maximum}"

    def accepts(value):
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        return is_whole and minimum <= value <= maximum

    return Kind(f"a whole number of at least {minimum}{highest}", accepts, int)


def number(above=None, minimum=None, below=math.inf):
    """Returns the kind of the finite numbers from an open or closed minimum on."""
    lowest = f"above {above:g}" if minimum is None else f"of at least {minimum:g}"
    highest = "" if below == math.inf else f" and below {below:g}"

    def accepts(value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return False
        is_high_enough = value > above if minimum is None else value >= minimum
        return is_high_enough and value < below

    return Kind(f"a number {lowest}{highest}", accepts, float)


TEXT = Kind(
    "a non-empty text", lambda value: isinstance(value, str) and value != "", str
)
ON_OR_OFF = Kind("True or False", lambda value: isinstance(value, bool), bool)


def one_of(*choices):
    """Returns the kind of the given strings."""
    expected = f"one of {', '.join(choices)}"
    return Kind(expected, lambda value: value in choices, str, choices=choices)


def several(kind, count=None):
    """Returns the kind of the tuples of `count` (None: one or more) values."""
    amount = "one or more values" if count is None else f"{count} values"

    def accepts(value):
        if not isinstance(value, tuple) or not value:
            return False
        return count in (None, len(value)) and all(map(kind.accepts, value))

    expected = f"{amount}, each {kind.expected}"
    return Kind(expected, accepts, kind.parse, several=True)


def optional(kind):
    """Returns the kind that also takes None (on the command line: `none`)."""

    def parse(word):
        return None if word == "none" else kind.parse(word)

    return dataclasses.replace(
        kind,
        expected=f"{kind.expected}, or none",
        accepts=lambda value: value is None or kind.accepts(value),
        parse=parse,
    )


def setting(default, kind, group, help, metavar=None, only_with=None):
    """Returns a dataclass field that knows its kind, group and help text.

    Args:
        default: The value where neither preset nor user gives another.
        kind: A `Kind`.
        group: String, the heading under which `--help` lists the setting.
        help: String, what the setting does, for `--help`.
        metavar: What stands for the value in `--help`: a string, or of several
            values a tuple of two. Defaults to N or X for numbers, else NAME.
        only_with: Optional dict from the name of another setting to the one
            value of it beside which this setting decides anything.
    """
    metadata = {
        "kind": kind,
        "group": group,
        "help": help,
        "metavar": metavar,
        "only_with": only_with or {},
    }
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of the configurations: checked when built, named presets, JSON form.

    Sub-classes are frozen dataclasses whose fields come from `setting`. The
    class attribute `presets` maps a name to the values that differ from the
    defaults.
    """

    presets = {}

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = field.metadata["kind"]
            if not kind.accepts(value):
                raise InputError(
                    f"{field.name} must be {kind.expected}; received {value!r}."
                )

    @classmethod
    def conditions(cls, name):
        """Returns the values, by setting, beside which the setting `name` counts.

        Those settings have to count themselves, so their conditions come first.
        """
        own = cls.__dataclass_fields__[name].metadata["only_with"]
        inherited = {}
        for other in own:
            inherited.update(cls.conditions(other))
        return {**inherited, **own}

    def counts(self, name):
        """Whether the setting `name` decides anything in this configuration."""
        needed = self.conditions(name)
        return all(getattr(self, other) == value for other, value in needed.items())

    @classmethod
    def preset(cls, name, **overrides):
        """Returns the configuration of the preset `name`, with `overrides`.

        Raises:
            InputError: There is no such preset, a value is out of range, or an
                override would decide nothing beside the other values.
        """
        if name not in cls.presets:
            raise unknown_name("preset", name, cls.presets)
        config = cls(**{**cls.presets[name], **overrides})
        for override in overrides:
            if not config.counts(override):
                raise config._without_effect(override, overrides, name)
        return config

    def _without_effect(self, name, overrides, preset):
        """Returns the error for an override that decides nothing."""
        needed = self.conditions(name)
        other = next(each for each in needed if getattr(self, each) != needed[each])
        expected = " ".join(flag_words(other, needed[other]))
        found = " ".join(flag_words(other, getattr(self, other)))
        origin = "received" if other in overrides else f"the preset {preset} has"
        return InputError(
            f"{flag_name(name)} only counts with {expected}; {origin} {found}. "
            f"Leave it out, or give {expected}."
        )

    def to_dict(self):
        """Returns the values by name, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Returns the configuration that `to_dict` (through JSON) came from."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise unknown_name(f"setting of {cls.__name__}", name, known)
        return cls(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        )


def flag_name(name):
    """Returns the flag of the setting `name`, e.g. `--image-size`."""
    # `import` cannot be a name in Python.
    return "--import" if name == "imports" else "--" + name.replace("_", "-")


def flag_words(name, value):
    """Returns what to type to give the setting `name` the value `value`.

    Example:

    >>> flag_words("image_size", (64, 96))
    ['--image-size', '64', '96']
    >>> flag_words("flip", False)
    ['--no-flip']
    """
    if isinstance(value, bool):
        return [flag_name(name if value else f"no_{name}")]
    values = value if isinstance(value, tuple) else (value,)
    return [flag_name(name), *map(show_value, values)]


def show_value(value):
    """Returns `value` as the user would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "none" if value is None else str(value)
