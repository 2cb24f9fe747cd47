"""For which kind of device graphs are made: what is fast on one is slow on another."""

import contextlib

import tensorflow as tf

from keras_atdarts.kernels.native.library import native_library

_OPEN = []  # What the blocks that are open have set, the innermost last.


def on_gpu():
    """Whether this process computes on GPUs."""
    chosen = _chosen("on_gpu")
    return bool(tf.config.list_logical_devices("GPU")) if chosen is None else chosen


def joins_edges():
    """Whether the edges that leave a node are computed side by side in one tensor.

    On GPUs each launch of a kernel costs, and the kernels are then a few wide ones.
    On CPUs memory costs, which is why each edge there has tensors that fit the cache.
    """
    chosen = _chosen("joins_edges")
    return on_gpu() if chosen is None else chosen


def runs_native():
    """Whether cells are trained by the kernels of `keras_atdarts.kernels.native`."""
    chosen = _chosen("native")
    if chosen is not None:
        return chosen
    return not on_gpu() and native_library() is not None


def computes_natively(x, training):
    """Whether what reads a tensor is to be one of our own kernels: in training only."""
    return bool(training) and x.dtype in (tf.float32, tf.float64) and runs_native()


def formulated_for(kind, joins_edges=None):
    """Makes graphs within the block as for a kind of device, on any that there is.

    To count and to test what another machine would run.

    Args:
        kind: `"native"`, a CPU for which our own kernels are compiled; `"cpu"`, any
            other; or `"gpu"`.
        joins_edges: Optional boolean instead of what suits the device.
    """
    if kind not in ("native", "cpu", "gpu"):
        raise ValueError(
            f"`kind` must be 'native', 'cpu' or 'gpu'. Received: kind={kind}"
        )
    if kind == "native" and native_library() is None:
        raise ValueError(
            "Nothing is compiled for `kind` 'native' on this machine. Install the "
            "package again where there is a C++ compiler."
        )
    if joins_edges is None:
        joins_edges = kind == "gpu"
    return _with(native=kind == "native", on_gpu=kind == "gpu", joins_edges=joins_edges)


def tensorflow_only():
    """Makes graphs within the block of TensorFlow's operations only.

    They can be compiled by XLA, and be differentiated twice.
    """
    return _with(native=False)


def compiled_by_xla(jit_compile):
    """Makes graphs within the block that XLA can compile, if it is to."""
    return tensorflow_only() if jit_compile else contextlib.nullcontext()


def _chosen(name):
    """Returns what the innermost block has set, or `None`."""
    for values in reversed(_OPEN):
        if name in values:
            return values[name]
    return None


@contextlib.contextmanager
def _with(**values):
    _OPEN.append(values)
    try:
        yield
    finally:
        # Not the last one: the threads of several replicas leave in any order.
        _OPEN[:] = [each for each in _OPEN if each is not values]
