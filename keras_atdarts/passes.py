"""Whether a graph that is being made is one in which kernels learn.

The gradients of the alphas need none of the kernels' gradients. What computes both
at once is told so.
"""

import contextlib

_FIXED = []  # One entry for each `kernels_fixed` that is open.


def learns_kernels():
    """Whether the gradients of convolutions' kernels can be asked for."""
    return not _FIXED


@contextlib.contextmanager
def kernels_fixed():
    """Within the block, kernels of our own have no gradients of what they learn."""
    _FIXED.append(True)
    try:
        yield
    finally:
        _FIXED.pop()
