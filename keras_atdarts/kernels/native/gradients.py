"""The gradients of our own operations, and the gradients of these.

A second derivative is rarely asked for and not worth kernels of its own: it is that
of `Reference`, differentiated twice.
"""

import tensorflow as tf

from keras_atdarts.kernels.native.library import native_library
from keras_atdarts.kernels.reference import Reference

POOLS = {True: "max", False: "average"}


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
    _with_shapes_of(of_tensors, tensors)
    _with_shapes_of(others, (depthwise, pointwise, scales, scales))
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
    _with_shapes_of([*of_tensors, of_scales, of_offsets], [*tensors, scales, scales])
    return [*of_tensors, of_scales, of_offsets, None]


@tf.RegisterGradient("AtdartsSumOfLines")
def _sum_gradient(op, slope):
    return [slope] * op.get_attr("N") + [None] * op.get_attr("L")


@tf.RegisterGradient("AtdartsPool")
def _pool_gradient(op, slope):
    [x] = op.inputs
    kind = {name: op.get_attr(name) for name in ("strides", "maximum")}
    gradient = native_library().atdarts_pool_gradient(slope, x, **kind)
    return _with_shapes_of([gradient], [x])[0]


def _with_shapes_of(tensors, models):
    """Returns tensors that are known to have the shapes of others."""
    for x, model in zip(tensors, models, strict=True):
        x.set_shape(model.shape)
    return tensors


@tf.RegisterGradient("AtdartsStageGradient")
def _second_stage_gradient(op, *upstream):
    edges, num_tensors, num_lines = map(op.get_attr, ("E", "N", "L"))
    inputs = iter(op.inputs)
    slopes, tensors, lines = (
        [next(inputs) for _ in range(count)]
        for count in (edges, num_tensors, num_lines)
    )
    depthwise, pointwise, scales, *unused = inputs
    if lines:  # The gradients are those of what the lines make of the numbers.
        factors, origins, offsets = map(tf.unstack, tf.unstack(lines[0]))
        rows = zip(tensors, factors, origins, offsets, strict=True)
        tensors = [a * (x - origin) + b for x, a, origin, b in rows]

    def stage(*inputs):
        *tensors, depthwise, pointwise, scales, offsets = inputs
        return Reference().stage(
            tensors,
            depthwise if depthwise.shape[1] else None,
            pointwise,
            scales,
            offsets,
            op.get_attr("strides"),
            op.get_attr("dilation"),
        )[0]

    inputs = [*tensors, depthwise, pointwise, scales, tf.zeros_like(scales)]
    of_slopes, of_inputs = _second_derivative(stage, inputs, slopes, upstream)
    *of_tensors, of_depthwise, of_pointwise, of_scales, _ = of_inputs
    of_kernels = [of_depthwise, of_pointwise, of_scales]
    nothing = [None] * len(unused)
    return [*of_slopes, *of_tensors, *[None] * num_lines, *of_kernels, *nothing]


@tf.RegisterGradient("AtdartsNormalizeGradient")
def _second_normalize_gradient(op, *upstream):
    edges, num_tensors = map(op.get_attr, ("E", "N"))
    slopes, inputs = list(op.inputs[:edges]), op.inputs[edges:]
    *tensors, scales = inputs[: num_tensors + 1]

    def normalize(*inputs):
        *tensors, scales, offsets = inputs
        if op.get_attr("has_statistics"):
            return Reference().normalize(tensors, scales, offsets)[0]
        offsets = tf.unstack(offsets)
        scaled = Reference().scale(tensors, scales)
        return [x + offset for x, offset in zip(scaled, offsets, strict=True)]

    inputs = [*tensors, scales, tf.zeros_like(scales)]
    of_slopes, of_inputs = _second_derivative(normalize, inputs, slopes, upstream)
    return [*of_slopes, *of_inputs[:-1], None]


@tf.RegisterGradient("AtdartsPoolGradient")
def _second_pool_gradient(op, upstream):
    slope, x = op.inputs

    def pool(x):
        kind = POOLS[op.get_attr("maximum")]
        return [Reference().pool(x, kind, op.get_attr("strides"))]

    [of_slope], [of_x] = _second_derivative(pool, [x], [slope], [upstream])
    return [of_slope, of_x]


def _second_derivative(function, inputs, slopes, upstream):
    """Returns the gradients of the gradient of a function.

    Args:
        function: Function from tensors to a list of tensors.
        inputs: List of tensors, where it is differentiated.
        slopes: List of tensors like its results, the gradients of these.
        upstream: List of tensors like `inputs`, the gradients of the gradients.

    Returns:
        Two lists: what belongs to `slopes`, and what belongs to `inputs`.
    """
    inputs, slopes = tf.nest.map_structure(tf.identity, (list(inputs), list(slopes)))
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch([inputs, slopes])
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(inputs)
            results = function(*inputs)
        first = inner.gradient(
            results, inputs, slopes, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    second = outer.gradient(first, [*slopes, *inputs], list(upstream))
    return second[: len(slopes)], second[len(slopes) :]
