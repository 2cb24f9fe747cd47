"""Errors that a user can cause and mend, and the checks that raise them."""

import contextlib
import difflib
import reprlib


class InputError(ValueError):
    """Something given by the user cannot be used.

    The message is one line: what was received, what was expected, how to fix it.
    The scripts print it without a traceback and exit with code 2.
    """


def unknown_name(kind, name, known):
    """Returns the error for a name that is not among the known ones.

    Args:
        kind: String, what the name stands for, e.g. `"operation"`.
        name: The name received.
        known: Iterable of the names that exist.

    Returns:
        An `InputError` (to be raised by the caller) that gives the nearest
        known name, if there is one, and lists them all.
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return InputError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(known)}.")


@contextlib.contextmanager
def located(where):
    """Puts where the mistake is before the message of an `InputError`."""
    try:
        yield
    except InputError as error:
        error.args = (f"{where}: {error}",)
        raise


def check_keys(value, required, optional=()):
    """Checks that a value is a dictionary with the right keys."""
    if not isinstance(value, dict):
        raise InputError(
            f"expected an object with the keys {', '.join(required)}; "
            f"received {reprlib.repr(value)}."
        )
    for key in value:
        if key not in (*required, *optional):
            raise unknown_name("key", key, (*required, *optional))
    for key in required:
        if key not in value:
            raise InputError(
                f"the key '{key}' is missing; needed are {', '.join(required)}."
            )


def check_list(value, content):
    """Checks that a value is a list (tuple, range), and returns it.

    Args:
        value: The value received.
        content: String, what the list holds, e.g. `"edges"`.
    """
    if not isinstance(value, (list, tuple, range)):
        raise InputError(
            f"expected a list of {content}; received {reprlib.repr(value)}."
        )
    return value


def check_name(value, kind):
    """Checks that a value is a one-line text that can name something."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InputError(
            f"expected the name of {kind}; received {reprlib.repr(value)}."
        )


def check_integer(value):
    """Checks that a value is an integer; true and false are not."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"expected an integer; received {reprlib.repr(value)}.")
