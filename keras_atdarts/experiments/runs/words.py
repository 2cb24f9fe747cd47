"""Settings as the words of a command line."""


def flag_name(name):
    """Returns the flag of the setting `name`, e.g. `--image-size`."""
    return "--" + name.replace("_", "-")


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
