"""Named sets of operations to search."""

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.operations.base import operation_class
from keras_atdarts.operations.base import operation_names

DARTS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
SEARCH_SPACES = {
    "darts": DARTS,
    "at_darts": (*DARTS, "channel_attention", "spatial_attention"),
}


def resolve_operations(names):
    """Returns the operations of a search space, as a checked tuple of names.

    Args:
        names: Name of a search space, or an iterable of operation names.

    Raises:
        InputError: A name is unknown or repeated, or nothing could be chosen.
    """
    if isinstance(names, str):
        names = (names,)
    names = tuple(names)
    if len(names) == 1 and names[0] in SEARCH_SPACES:
        return SEARCH_SPACES[names[0]]
    for name in names:
        if name not in operation_names():
            known = (*operation_names(), *SEARCH_SPACES)
            raise unknown_name("operation or search space", name, known)
    if len(set(names)) != len(names):
        raise InputError(f"Operations must differ. Received: {', '.join(names)}.")
    if all(operation_class(name).is_zero for name in names):
        raise InputError(
            "A search space needs an operation other than 'none'. "
            f"Received: {', '.join(names) or 'no operation'}."
        )
    return names
