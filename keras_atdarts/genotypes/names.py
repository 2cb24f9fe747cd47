"""What the parts of a cell are called, and how an operation's name is put together."""

NUM_INPUTS = 2
FOLLOWED_BY = "+"  # Stands between an operation and the attention after it.
IDENTITY = "identity"  # Stands for no attention where there could be one.


def attended_name(operation, attention):
    """Returns the name of an operation that attention, or `IDENTITY`, follows."""
    if attention == IDENTITY:
        return operation
    return f"{operation}{FOLLOWED_BY}{attention}"


def name_parts(name):
    """Returns the operation and, if one follows, the attention in a name."""
    return tuple(name.split(FOLLOWED_BY, maxsplit=1))


def source_name(source):
    """Returns what a source is called: `"c_{k-2}"`, `"c_{k-1}"`, `"node 0"`, ..."""
    if source < NUM_INPUTS:
        return f"c_{{k-{NUM_INPUTS - source}}}"
    return f"node {source - NUM_INPUTS}"
