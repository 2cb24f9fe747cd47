"""The gates of a derived network: how to find, read and replace them."""

import contextlib
from typing import NamedTuple

import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.names import FOLLOWED_BY
from keras_atdarts.genotypes.names import name_parts
from keras_atdarts.genotypes.names import source_name
from keras_atdarts.networks.derived import DerivedCell
from keras_atdarts.networks.derived import operation_layer
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.operations import AttendedOperation
from keras_atdarts.operations import AttentionOperation


class PlacedGate(NamedTuple):
    """A gate, and where in the network it is.

    Args:
        cell: Integer, the number of the cell.
        cell_type: String, `"normal"` or `"reduction"`.
        node: Integer, the node that the gate's edge leads to.
        edge: Integer, which of the edges of that node.
        source: String, what the edge reads: `"c_{k-2}"`, `"c_{k-1}"`, `"node 0"`, ...
        operation: String, the name of the attention, after that of an operation that
            it follows: `"sep_conv_3x3+channel_attention"`.
        layer: The `AttentionOperation`.
    """

    cell: int
    cell_type: str
    node: int
    edge: int
    source: str
    operation: str
    layer: AttentionOperation

    @property
    def name(self):
        """The name of the gate, which no other gate of the network has."""
        return f"cell_{self.cell} node_{self.node} edge_{self.edge} {self.operation}"

    @property
    def attention(self):
        """The name of the attention alone."""
        return name_parts(self.operation)[-1]


def derived_cells(network):
    """Returns the cells of a network, a list of Functional models."""
    return [layer for layer in network.layers if isinstance(layer, DerivedCell)]


def find_gates(network, genotype):
    """Returns a list of all `PlacedGate`s, from the first cell to the last.

    Raises:
        InputError: The network was built of another genotype.
    """
    cells = derived_cells(network)
    genotypes = dict(genotype.cells())
    found = []
    for index, plan in enumerate(cell_plan(len(cells), filters=1)):
        for node, edges in enumerate(genotypes[plan.cell_type].nodes):
            for number, edge in enumerate(edges):
                place = (index, plan.cell_type, node, number, source_name(edge.source))
                operation = _operation_on_edge(cells[index], place, edge)
                for name, layer in _attentions(operation, edge.parts):
                    found.append(PlacedGate(*place, name, layer))
    return found


def _operation_on_edge(cell, place, edge):
    index, _, node, number, _ = place
    try:
        return operation_layer(cell, node, number, edge)
    except ValueError as error:
        raise InputError(
            f"The network was built of another genotype: cell {index} has no "
            f"{edge.operation} as edge {number} of node {node}. Give a network and "
            "its own genotype."
        ) from error


def _attentions(operation, parts):
    """Yields the name and the layer of each attention in an operation."""
    if isinstance(operation, AttendedOperation):
        yield from _attentions(operation.attended, parts[:1])
        yield FOLLOWED_BY.join(parts), operation.gating
    elif isinstance(operation, AttentionOperation):
        yield parts[0], operation


@contextlib.contextmanager
def revising(gates, revise):
    """Lets a function see and replace gates while the network is called or traced.

    Args:
        gates: List of `PlacedGate`.
        revise: Function from a gate's place in the list and its tensor to the tensor
            that takes its place.
    """
    for index, gate in enumerate(gates):
        # In a derived network each edge has a layer of its own, with one gate.
        gate.layer.revise_gates = lambda tensors, index=index: [
            revise(index, tensor) for tensor in tensors
        ]
    try:
        yield
    finally:
        for gate in gates:
            gate.layer.revise_gates = None


def image_batches(network):
    """Returns the `tf.TensorSpec` of batches of any size for a network."""
    images = network.inputs[0]
    return tf.TensorSpec(images.shape, images.dtype, "images")


def gate_reader(network, gates):
    """Returns the function from images to logits and gates.

    Returns:
        `tf.function` from normalised images to logits and a list of one tensor for
        each gate, `(batch, height, width, channels)`. A channel gate has one pixel, a
        spatial gate one channel.
    """

    def read(images):
        tensors = [None] * len(gates)

        def note(index, tensor):
            tensors[index] = tensor
            return tensor

        with revising(gates, note):
            logits = network(images, training=False)
        return logits, tensors

    return tf.function(read, input_signature=[image_batches(network)])


def gate_replacer(network, gates, replacements):
    """Returns the function from images to logits without some of the gates.

    Args:
        network: Functional `keras.Model` from images to logits.
        gates: List of `PlacedGate` in it.
        replacements: List of one array for each gate, `(1, height, width, channels)`.

    Returns:
        `tf.function` from normalised images, and a boolean for each gate (whether its
        replacement takes its place), to logits.
    """

    def classify(images, replaced):
        def revise(index, tensor):
            constant = tf.cast(replacements[index], tensor.dtype)
            return tf.where(replaced[index], constant, tensor)

        with revising(gates, revise):
            return network(images, training=False)

    which = tf.TensorSpec((len(gates),), tf.bool, "replaced")
    return tf.function(classify, input_signature=[image_batches(network), which])
