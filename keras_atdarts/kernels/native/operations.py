"""The operations that our own kernels for CPUs make of a search cell.

TensorFlow computes ReLU, convolutions and batch norm one after the other, and each
writes its whole result to memory. Our kernels take one image through all of them
while it is in the innermost cache.

Nothing is normalised before it is read: what is passed on are the numbers before a
batch norm and its line, three numbers for each channel, see `Line`. Whatever reads a
`Line` gives back the gradient of the *normalised* tensor, and the operation that made
it goes on from there.
"""

import tensorflow as tf

from keras_atdarts.kernels.constants import constant
from keras_atdarts.kernels.native.library import native_library
from keras_atdarts.kernels.passes import learning_of_kernels
from keras_atdarts.kernels.shapes import strided_shape


class Line:
    """The normalised and weighted tensor of an edge, as what it is made of.

    It is `factor * (number - origin) + offset`.

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


def stage(inputs, depthwise, pointwise, scales, offsets, epsilon, strides, dilation):
    """ReLU, depthwise and pointwise convolution, and batch norm of several edges.

    Args:
        inputs: List of one tensor `(batch, height, width, channels)` that all edges
            read, or a list of one `Line` for each edge, all of one batch norm.
        depthwise: Tensor `(num_edges, size, size, channels, 1)`; with a `size` of 0
            there is no depthwise convolution.
        pointwise: Tensor `(num_edges, channels, filters)`.
        scales: Tensor `(num_edges, filters)`, or `(num_edges,)`.
        offsets: Tensor like `scales`.
        epsilon: Float added to the variances.
        strides: Integer, 1 or 2.
        dilation: Integer, 1 or 2.

    Returns:
        A list of `Line`, and the means and unbiased variances
        `(2, num_edges, filters)`.

    Raises:
        ValueError: The lines are not those of one batch norm, in order.
    """
    lines = []
    if isinstance(inputs[0], Line):
        lines = [inputs[0].lines]
        if any(x.lines is not lines[0] or x.edge != i for i, x in enumerate(inputs)):
            raise ValueError("Lines must be those of one batch norm, edge by edge.")
    tensors = [x.numbers if isinstance(x, Line) else x for x in inputs]
    results, line, statistics, _ = native_library().atdarts_stage(
        tensors,
        lines,
        depthwise,
        pointwise,
        scales,
        offsets,
        constant(epsilon, scales.dtype),  # An attribute would be rounded.
        learning_of_kernels(scales.dtype),
        E=pointwise.shape[0],
        strides=strides,
        dilation=dilation,
    )
    shape = strided_shape(tensors[0].shape, strides, pointwise.shape[-1])
    statistics.set_shape((2, *pointwise.shape[::2]))
    return lines_of(results, line, shape), statistics


def normalize(tensors, scales, offsets, epsilon):
    """Batch norm of one tensor per edge, or of one that all edges share.

    Args:
        tensors: List of tensors `(batch, height, width, channels)`, one for each
            edge, or one.
        scales: Tensor `(num_edges, channels)`, or `(num_edges,)`.
        offsets: Tensor like `scales`.
        epsilon: Float added to the variances.

    Returns:
        A list of `Line`, and the means and unbiased variances
        `(2, len(tensors), channels)`.
    """
    return _normalize(tensors, scales, offsets, epsilon, has_statistics=True)


def scale(tensors, weights):
    """Returns a `Line` for each of the weights `(num_edges,)` of a tensor."""
    offsets = tf.zeros_like(weights)
    lines, _ = _normalize(tensors, weights, offsets, 0.0, has_statistics=False)
    return lines


def _normalize(tensors, scales, offsets, epsilon, has_statistics):
    results, line, statistics, _ = native_library().atdarts_normalize(
        tensors,
        scales,
        offsets,
        constant(epsilon, scales.dtype),
        E=scales.shape[0],
        has_statistics=has_statistics,
    )
    shape = tensors[0].shape
    statistics.set_shape((2, len(tensors), shape[-1]))
    return lines_of(results, line, shape), statistics


def lines_of(results, line, shape):
    """Returns the `Line` of each edge, of a known shape."""
    line.set_shape((3, len(results), shape[-1]))
    for x in results:
        x.set_shape(shape)
    return [Line(x, line, edge) for edge, x in enumerate(results)]


def add(terms):
    """Returns the sum of tensors and `Line`s, as a tensor."""
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
    result.set_shape(tensors[0].shape)
    return result


def pool(x, kind, strides):
    """Pools 3x3 pixels with symmetric padding, of which an average counts nothing.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kind: `"max"` or `"average"`.
        strides: Integer, 1 or 2.
    """
    maximum = kind == "max"
    result = native_library().atdarts_pool(x, strides=strides, maximum=maximum)
    result.set_shape(strided_shape(x.shape, strides, x.shape[-1]))
    return result


def with_shapes_of(tensors, models):
    """Returns tensors that are known to have the shapes of others."""
    for x, model in zip(tensors, models, strict=True):
        x.set_shape(model.shape)
    return tensors


@tf.RegisterGradient("AtdartsStage")
def _stage_gradient(op, *slopes):
    num_tensors, num_lines, edges = map(op.get_attr, ("N", "L", "E"))
    tensors, others = op.inputs[:num_tensors], op.inputs[num_tensors:]
    lines, (depthwise, pointwise, scales, *_) = others[:num_lines], others[num_lines:]
    of_tensors, *others = native_library().atdarts_stage_gradient(
        slopes[:edges],
        tensors,
        lines,
        depthwise,
        pointwise,
        scales,
        op.outputs[:edges],
        op.outputs[-1],
        op.inputs[-1],
        strides=op.get_attr("strides"),
        dilation=op.get_attr("dilation"),
    )
    with_shapes_of(of_tensors, tensors)
    with_shapes_of(others, (depthwise, pointwise, scales, scales))
    # Lines have none: the tensors' gradients are those of what is normalised.
    return [*of_tensors, *[None] * num_lines, *others, None, None]


@tf.RegisterGradient("AtdartsNormalize")
def _normalize_gradient(op, *slopes):
    num_tensors, edges = map(op.get_attr, ("N", "E"))
    tensors, scales = op.inputs[:num_tensors], op.inputs[num_tensors]
    of_tensors, of_scales, of_offsets = native_library().atdarts_normalize_gradient(
        slopes[:edges],
        tensors,
        scales,
        op.outputs[-1],
        has_statistics=op.get_attr("has_statistics"),
    )
    with_shapes_of([*of_tensors, of_scales, of_offsets], [*tensors, scales, scales])
    return [*of_tensors, of_scales, of_offsets, None]


@tf.RegisterGradient("AtdartsSumOfLines")
def _sum_gradient(op, slope):
    return [slope] * op.get_attr("N") + [None] * op.get_attr("L")


@tf.RegisterGradient("AtdartsPool")
def _pool_gradient(op, slope):
    [x] = op.inputs
    kind = {name: op.get_attr(name) for name in ("strides", "maximum")}
    gradient = native_library().atdarts_pool_gradient(slope, x, **kind)
    gradient.set_shape(x.shape)
    return gradient
