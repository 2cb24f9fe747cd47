"""The multiply-adds that a network spends on one image."""

import math

import keras
import tensorflow as tf

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
MATRIX_PRODUCTS = ("MatMul", "BatchMatMulV2")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
UNCOUNTED = ("Conv2DBackpropInput", "Conv3D", "Einsum", "If", "While")


def count_multiply_adds(model, input_shape):
    """Counts the multiply-adds of convolutions and dense layers for one image.

    This is the published convention: normalisation, pooling, activations and
    biases are not counted, and neither are the zeros that TensorFlow adds to
    split a dilated convolution. Where a layer multiplies by padding, the
    padding counts, as it does in the published numbers.

    Args:
        model: A `keras.Model`, called in inference mode, or a function of
            float32 images.
        input_shape: Tuple `(height, width, channels)`.

    Returns:
        Integer.

    Raises:
        ValueError: where a shape is unknown before the network runs, or an
            operation has multiply-adds that this function cannot count.

    Example:

    >>> count_multiply_adds(keras.applications.MobileNet(), (224, 224, 3))
    """

    def infer(images):
        if isinstance(model, keras.Layer):
            return model(images, training=False)
        return model(images)

    signature = tf.TensorSpec((1, *input_shape), tf.float32)
    graph = tf.function(infer).get_concrete_function(signature).graph
    graph = graph.as_graph_def(add_shapes=True)
    functions = {each.signature.name: each for each in graph.library.function}
    return count_nodes(graph.node, {}, functions)


def count_nodes(nodes, argument_shapes, functions):
    """Counts the multiply-adds of a graph or of a function's body.

    Args:
        nodes: The `NodeDef`s.
        argument_shapes: Dict from the name of a function's argument to its shape.
        functions: Dict from name to `FunctionDef`, for the calls among the nodes.
    """
    shapes = {**argument_shapes, **{node.name: first_shape(node) for node in nodes}}
    # TensorFlow runs a dilated convolution on sub-grids that it stacks on the
    # batch and pads to equal size; the merged result has the true size.
    merged = {
        producer(node.input[0]): shapes[node.name]
        for node in nodes
        if node.op == "BatchToSpaceND"
    }
    total = 0
    for node in nodes:
        if node.op in CALLS:
            function = functions[node.attr["f"].func.name]
            total += count_nodes(
                function.node_def, shapes_of_arguments(function), functions
            )
        elif node.op in CONVOLUTIONS:
            output = merged.get(node.name, shapes[node.name])
            total += count_convolution(node, output, shapes[producer(node.input[1])])
        elif node.op in MATRIX_PRODUCTS:
            total += count_product(node, shapes)
        elif node.op in UNCOUNTED:
            raise ValueError(
                f"Cannot count the multiply-adds of '{node.name}': expected "
                f"{', '.join(CONVOLUTIONS + MATRIX_PRODUCTS)}; received {node.op}."
            )
    return total


def count_convolution(node, output, kernel):
    """Counts kernel elements read per output element, times output elements."""
    # Keras traces some functions for any batch; here the batch is one image.
    output = (max(output[0], 1), *output[1:]) if output else output
    check_known(node, output, kernel)
    height, width, channels, _ = kernel
    if node.op == "DepthwiseConv2dNative":
        channels = 1
    return math.prod(output) * height * width * channels


def count_product(node, shapes):
    """Counts the inner dimension, times the elements of a matrix product."""
    output, left = shapes[node.name], shapes[producer(node.input[0])]
    check_known(node, output, left)
    transposed = node.attr["transpose_a"].b or node.attr["adj_x"].b
    return math.prod(output) * left[-2 if transposed else -1]


def check_known(node, *shapes):
    """Raises `ValueError` where a dimension is not known."""
    if any(not shape or min(shape) < 0 for shape in shapes):
        raise ValueError(
            f"Cannot count the multiply-adds of '{node.name}': expected shapes "
            f"that are known before the network runs; received {shapes}."
        )


def first_shape(node):
    """Returns the shape of a node's first output; empty where it is unknown."""
    outputs = node.attr["_output_shapes"].list.shape
    return tuple(dim.size for dim in outputs[0].dim) if outputs else ()


def shapes_of_arguments(function):
    """Returns the shapes of a function's arguments, by name."""
    return {
        argument.name: first_shape(function.arg_attr[position])
        for position, argument in enumerate(function.signature.input_arg)
    }


def producer(tensor_name):
    """Returns the name of the node or argument that a tensor comes from."""
    return tensor_name.split(":")[0]
