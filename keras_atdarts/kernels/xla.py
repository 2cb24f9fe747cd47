"""Whether XLA compiles what is being computed."""

import contextlib
import contextvars

from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util

_FOR_XLA = contextvars.ContextVar("for_xla", default=False)


@contextlib.contextmanager
def traced_for_xla():
    """Within it, graphs are made that XLA will compile."""
    token = _FOR_XLA.set(True)
    try:
        yield
    finally:
        _FOR_XLA.reset(token)


def is_compiled_by_xla():
    """Whether the graph that is being made, or one around it, is for XLA."""
    graph = ops.get_default_graph()
    return _FOR_XLA.get() or control_flow_util.GraphOrParentsInXlaContext(graph)
