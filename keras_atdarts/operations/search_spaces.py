"""Named sets of operations to search, and where attention stands among them.

`darts` and `at_darts` are the spaces of the two papers; `channel_attention` and
`spatial_attention` add only one attention to DARTS' operations. `no_none` is
`at_darts` without `none`, which in the end is never chosen but takes weight from
the operations that are.

Reference:
    Nakai, Matsubara, Uehara, Att-DARTS, IJCNN 2020,
    https://github.com/chomin/Att-DARTS: attention after the operations.
"""

from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.operations.attention import attention_names
from keras_atdarts.operations.base import is_none
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
AT_DARTS = (*DARTS, "channel_attention", "spatial_attention")
SEARCH_SPACES = {
    "darts": DARTS,
    "at_darts": AT_DARTS,
    "channel_attention": (*DARTS, "channel_attention"),
    "spatial_attention": (*DARTS, "spatial_attention"),
    "no_none": tuple(name for name in AT_DARTS if name != "none"),
}
ATTENTION_PLACEMENTS = ("among_operations", "after_operations")


def resolve_operations(names):
    """Returns the operations of a search space, as a checked tuple of names.

    One name that is both a search space's and an operation's is the space: with
    a single operation there would be nothing to search. In a list of several
    names every one is an operation.

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
        _check_operation(name)
    if len(set(names)) != len(names):
        raise InputError(f"Operations must differ. Received: {', '.join(names)}.")
    if all(is_none(name) for name in names):
        raise InputError(
            "A search space needs an operation other than 'none'. "
            f"Received: {', '.join(names) or 'no operation'}."
        )
    return names


def _check_operation(name):
    if name in operation_names():
        return
    if name in SEARCH_SPACES:
        raise InputError(
            f"'{name}' is a search space and stands alone. Received it among "
            f"others; list operations instead: {', '.join(SEARCH_SPACES[name])}."
        )
    known = (*operation_names(), *SEARCH_SPACES)
    raise unknown_name("operation or search space", name, known)


def place_attention(operations, placement):
    """Returns what an edge mixes first, and the attention it then chooses from.

    Args:
        operations: Tuple of operation names, see `resolve_operations`.
        placement: `"among_operations"`, where attention is an operation like the
            others, or `"after_operations"`, where it follows their mixture.

    Returns:
        Two tuples of names; the second is empty with `"among_operations"`.

    Raises:
        InputError: The placement is unknown, or nothing is left to choose from
            before or after.
    """
    if placement not in ATTENTION_PLACEMENTS:
        raise unknown_name("attention placement", placement, ATTENTION_PLACEMENTS)
    if placement == "among_operations":
        return operations, ()
    attention = tuple(name for name in operations if name in attention_names())
    others = tuple(name for name in operations if name not in attention)
    if not attention:
        raise InputError(
            f"No attention could follow the operations {', '.join(operations)}. Add "
            f"{' or '.join(attention_names())}, or place attention among_operations."
        )
    if all(is_none(name) for name in others):
        raise InputError(
            "Attention must have an operation other than 'none' to follow. Received: "
            f"{', '.join(operations)}. Add one, or place attention among_operations."
        )
    return others, attention
