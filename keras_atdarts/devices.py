"""For which kind of device graphs are made: what is fast on one is slow on another."""

import contextlib

import tensorflow as tf

_FORMULATION = {}  # Set by `formulated_for` only.


def on_gpu():
    """Whether this process computes on GPUs."""
    found = bool(tf.config.list_logical_devices("GPU"))
    return _FORMULATION.get("on_gpu", found)


def joins_edges():
    """Whether the edges that leave a node are computed side by side in one tensor.

    On GPUs each launch of a kernel costs, and the kernels are then a few wide ones.
    On CPUs memory costs, which is why each edge there has tensors that fit the cache.
    """
    return _FORMULATION.get("joins_edges", on_gpu())


@contextlib.contextmanager
def formulated_for(kind, joins_edges=None):
    """Makes graphs within the block as for a kind of device, on any that there is.

    To count and to test what another machine would run.

    Args:
        kind: `"cpu"` or `"gpu"`.
        joins_edges: Optional boolean instead of what suits the device.
    """
    if kind not in ("cpu", "gpu"):
        raise ValueError(f"`kind` must be 'cpu' or 'gpu'. Received: kind={kind}")
    values = {"on_gpu": kind == "gpu", "joins_edges": joins_edges}
    if joins_edges is None:
        values["joins_edges"] = values["on_gpu"]
    earlier = dict(_FORMULATION)
    _FORMULATION.update(values)
    try:
        yield
    finally:
        _FORMULATION.clear()
        _FORMULATION.update(earlier)
