"""Whether XLA compiles what is being computed."""

import contextlib

from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops
from tensorflow.python.ops import control_flow_util


@contextlib.contextmanager
def traced_for_xla():
    """Within it, graphs are made that XLA will compile: conditions, too."""
    context = control_flow_ops.XLAControlFlowContext()
    context.Enter()
    try:
        yield
    finally:
        context.Exit()


def is_compiled_by_xla():
    """Whether the graph that is being made, or one around it, is for XLA."""
    return control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph())
