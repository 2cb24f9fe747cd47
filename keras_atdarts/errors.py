"""Errors that a user can cause and mend."""

import difflib


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
