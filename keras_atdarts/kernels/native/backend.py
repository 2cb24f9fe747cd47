"""The backend for CPUs: seven operations of our own, in C++.

TensorFlow computes ReLU, convolutions and batch norm one after the other, and each
writes its whole result to memory. Our operations take one image through all of them
while it is in the innermost cache.

Nothing is normalised before it is read: what is passed on are the numbers before a
batch norm and its line, three numbers for each channel, see `Line`. Whatever reads a
`Line` gives back the gradient of the *normalised* tensor, and the operation that made
it goes on from there.
"""

import numpy as np
import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.native import gradients  # noqa: F401  It registers them.
from keras_atdarts.kernels.native.library import native_library
from keras_atdarts.kernels.reference import EPSILON
from keras_atdarts.kernels.reference import Reference


class Line:
    """A term that is not computed yet: `factor * (number - origin) + offset`.

    Args:
        numbers: Tensor `(batch, height, width, channels)`.
        lines: Tensor `(3, num_edges, channels)`, the factors, origins and offsets of
            all edges that leave the same node.
        edge: Integer, which of them this is.
    """

    def __init__(self, numbers, lines, edge):
        self.numbers = numbers
        self.lines = lines
        self.edge = edge


class Native(Reference):
    """Computes in training what `Reference` does; terms are `Line`s or tensors.

    Args:
        kernels_learn: Float or scalar tensor; with 0 the gradients of the
            convolutions' kernels are zeros, which spares computing them.
    """

    def __init__(self, kernels_learn=1.0):
        self.kernels_learn = kernels_learn

    def stage(
        self,
        inputs,
        depthwise,
        pointwise,
        scales=None,
        offsets=None,
        strides=1,
        dilation_rate=1,
    ):
        edges, channels, filters = pointwise.shape
        dtype = pointwise.dtype
        lines = []
        if isinstance(inputs[0], Line):
            lines = [inputs[0].lines]
            if any(
                x.lines is not lines[0] or x.edge != i for i, x in enumerate(inputs)
            ):
                raise ValueError("Lines must be those of one batch norm, edge by edge.")
        tensors = [x.numbers if isinstance(x, Line) else x for x in inputs]
        if depthwise is None:
            depthwise = constant(np.zeros((edges, 0, 0, channels, 1)), dtype)
        results, line, statistics, _ = native_library().atdarts_stage(
            tensors,
            lines,
            depthwise,
            pointwise,
            _given(scales, 1, edges, dtype),
            _given(offsets, 0, edges, dtype, like=scales),
            constant(EPSILON, dtype),  # An attribute would be rounded.
            self._learning(dtype),
            E=edges,
            strides=strides,
            dilation=dilation_rate,
        )
        sizes = [size and -(-size // strides) for size in tensors[0].shape[1:3]]
        shape = (tensors[0].shape[0], *sizes, filters)
        return _lines(results, line, shape), _shaped(statistics, (2, edges, filters))

    def normalize(self, tensors, scales=None, offsets=None):
        edges = len(tensors) if scales is None else scales.shape[0]
        scales = _given(scales, 1, edges, tensors[0].dtype)
        offsets = _given(offsets, 0, edges, tensors[0].dtype, like=scales)
        return self._normalize(tensors, scales, offsets, has_statistics=True)

    def scale(self, tensors, weights):
        offsets = tf.zeros_like(weights)
        terms, _ = self._normalize(tensors, weights, offsets, has_statistics=False)
        return terms

    def pool(self, x, kind, strides=1):
        pooled = native_library().atdarts_pool(
            x, strides=strides, maximum=kind == "max"
        )
        batch, *sizes, channels = x.shape
        sizes = [size and -(-size // strides) for size in sizes]
        return _shaped(pooled, (batch, *sizes, channels))

    def sum(self, terms):
        if not any(isinstance(term, Line) for term in terms):
            return super().sum(terms)
        lines, line_of, edges, tensors = [], [], [], []
        for term in terms:
            if not isinstance(term, Line):
                tensors.append(term)
                line_of.append(-1)
                edges.append(0)
                continue
            if not any(term.lines is each for each in lines):
                lines.append(term.lines)
            tensors.append(term.numbers)
            line_of.append([term.lines is each for each in lines].index(True))
            edges.append(term.edge)
        result = native_library().atdarts_sum_of_lines(
            tensors, lines, line_of=line_of, row_of=edges
        )
        return _shaped(result, tensors[0].shape)

    def partial_sum(self, terms):
        """Adds up what is there: nothing else can run while a node is finished."""
        if any(isinstance(term, Line) for term in terms):
            return [self.sum(terms)]
        return terms

    def _learning(self, dtype):
        if tf.is_tensor(self.kernels_learn):
            return tf.cast(self.kernels_learn, dtype)
        return constant(self.kernels_learn, dtype)

    def _normalize(self, tensors, scales, offsets, has_statistics):
        tensors = list(tensors)
        results, line, statistics, _ = native_library().atdarts_normalize(
            tensors,
            scales,
            offsets,
            constant(EPSILON, scales.dtype),
            E=scales.shape[0],
            has_statistics=has_statistics,
        )
        shape = tensors[0].shape
        statistics = _shaped(statistics, (2, len(tensors), shape[-1]))
        return _lines(results, line, shape), statistics


def _given(values, default, edges, dtype, like=None):
    """Returns scales or offsets, where there are none one default for each edge."""
    if values is not None:
        return values
    shape = edges if like is None else like.shape
    return constant(np.full(shape, default), dtype)


def _lines(results, line, shape):
    """Returns the `Line` of each edge, of a known shape."""
    line = _shaped(line, (3, len(results), shape[-1]))
    return [Line(_shaped(x, shape), line, edge) for edge, x in enumerate(results)]


def _shaped(tensor, shape):
    """Returns a tensor that is known to have a shape."""
    tensor.set_shape(shape)
    return tensor
