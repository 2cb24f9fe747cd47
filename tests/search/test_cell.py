import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.networks.derived import derived_cell
from keras_atdarts.networks.plan import cell_plan
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.operations import place_attention
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixed_attention import MixedAttention
from keras_atdarts.search.mixed_operation import MixedOperation
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.mixing_weights import weights_by_source
from keras_atdarts.search.samplers import Softmax

OPERATIONS = SEARCH_SPACES["at_darts"]
NUM_EDGES = 14
FILTERS = 4

# Operations that end in a batch norm, or in none, in both kinds of cell.
CELL = CellGenotype(
    nodes=[
        [("sep_conv_3x3", 0), ("dil_conv_5x5", 1)],
        [("skip_connect", 0), ("sep_conv_5x5", 2)],
        [("dil_conv_3x3", 1), ("skip_connect", 3)],
        [("skip_connect", 1), ("sep_conv_3x3", 4)],
    ],
    concat=[2, 3, 4, 5],
)


ATTENDED_CELL = CellGenotype(
    nodes=[
        [("sep_conv_3x3+channel_attention", 0), ("dil_conv_5x5+spatial_attention", 1)],
        [("skip_connect+spatial_attention", 0), ("sep_conv_5x5", 2)],
        [("dil_conv_3x3", 1), ("skip_connect+channel_attention", 3)],
        [("skip_connect", 1), ("sep_conv_3x3+spatial_attention", 4)],
    ],
    concat=[2, 3, 4, 5],
)


def test_edges_of_a_cell():
    edges = cell_edges(4)
    assert len(edges) == NUM_EDGES
    assert edges[:5] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    leaving = [sum(source == s for _, source in edges) for s in range(6)]
    assert leaving == [4, 4, 3, 2, 1, 0]


def test_reductions_at_one_and_two_thirds():
    plans = cell_plan(8, 16)
    assert [index for index, plan in enumerate(plans) if plan.reduction] == [2, 5]
    assert [plan.filters for plan in plans] == [16, 16, 32, 32, 32, 64, 64, 64]
    assert [i for i, plan in enumerate(plans) if plan.after_reduction] == [3, 6]
    assert [i for i, plan in enumerate(cell_plan(20, 36)) if plan.reduction] == [6, 13]
    with pytest.raises(InputError, match="num_cells=2"):
        cell_plan(2, 16)
    with pytest.raises(InputError, match="filters=0"):
        cell_plan(8, 0)


def test_mixing_weights_are_the_softmax_of_the_edge():
    alphas = random_images((NUM_EDGES, len(OPERATIONS)))
    exponents = np.exp(alphas)
    softmax = exponents / exponents.sum(axis=1, keepdims=True)
    weights = weights_by_source(Softmax().mean(tf.constant(alphas)), num_nodes=4)
    for source in range(5):
        rows = [i for i, (_, start) in enumerate(cell_edges(4)) if start == source]
        np.testing.assert_allclose(weights[source], softmax[rows], rtol=1e-5, atol=1e-7)


def test_mixed_operation_sums_its_candidates():
    layer = MixedOperation(["none", "skip_connect", "max_pool_3x3"], 2, num_edges=2)
    x = random_images((2, 4, 4, 2))
    weights = tf.constant([[0.5, 0.2, 0.3], [0.0, 0.3, 0.7]])
    mixtures = layer(x, weights=weights)
    pooled = layer.candidates[2](tf.constant(x))
    for mixture, (_, of_skip, of_pool) in zip(mixtures, weights, strict=True):
        expected = of_skip * x + of_pool * pooled
        np.testing.assert_allclose(mixture, expected, rtol=1e-5, atol=1e-6)


def test_mixed_attention_sums_identity_and_gated_tensors():
    layer = MixedAttention(["channel_attention", "spatial_attention"], 2, num_edges=2)
    layer.build((None, 4, 4, 2))
    tensors = [tf.constant(x) for x in random_images((2, 2, 4, 4, 2))]
    weights = [[0.5, 0.2, 0.3], [0.1, 0.6, 0.3]]
    mixtures = layer(tensors, weights=tf.constant(weights))
    gates = [candidate.gate(tensors) for candidate in layer.candidates]
    for edge, x in enumerate(tensors):
        gate = sum(weights[edge][1 + a] * gates[a][edge] for a in range(2))
        expected = (weights[edge][0] + gate) * x
        np.testing.assert_allclose(mixtures[edge], expected, rtol=1e-5, atol=1e-6)


def one_hot_alphas(cell, names, part):
    """Alphas that leave each edge of a cell its choice, other edges the default.

    Args:
        cell: `CellGenotype`.
        names: The names to choose from, the default first.
        part: Integer, 0 for operations, 1 for the attention that follows.
    """
    chosen = {
        (node, edge.source): edge.parts[part]
        for node, edges in enumerate(cell.nodes)
        for edge in edges
        if part < len(edge.parts)
    }
    alphas = np.full((NUM_EDGES, len(names)), -1e4)
    for row, edge in enumerate(cell_edges(4)):
        alphas[row, names.index(chosen.get(edge, names[0]))] = 1e4
    return tf.constant(alphas)


def copy_weights(search_cell, network_cell, cell):
    """Gives the derived cell the weights of the search cell's chosen operations."""
    for layer, number in zip(search_cell.input_layers, (0, 1), strict=True):
        copy_edge(layer, network_cell.get_layer(f"input_{number}"))
    for node, edges in enumerate(cell.nodes):
        for index, edge in enumerate(edges):
            operation, *attention = edge.parts
            mixed = search_cell.mixed_operations[edge.source]
            targets = [n for n, start in cell_edges(4) if start == edge.source]
            name = "_".join((f"node_{node}_edge_{index}", *edge.parts))
            layer = network_cell.get_layer(name)
            if attention:
                gates = search_cell.mixed_attentions[edge.source].candidates
                gate = gates[search_cell.attention.index(*attention)]
                copy_values(gate.weights, layer.gating.weights, targets.index(node))
                layer = layer.attended
            candidate = mixed.candidates[search_cell.operations.index(operation)]
            copy_edge(candidate, layer, targets.index(node))


def copy_edge(candidate, layer, edge=0):
    own = [w for w in layer.weights if w.name not in ("gamma", "beta")]
    copy_values(candidate.weights, own, edge)


def copy_values(of_edges, weights, edge):
    """The edge is the axis in which the shapes of both differ."""
    for weight, stacked in zip(weights, of_edges, strict=True):
        value = stacked.numpy()
        for axis, size in enumerate(weight.shape):
            if value.shape[axis] != size:
                value = np.take(value, [edge], axis)
        weight.assign(value)


@pytest.mark.parametrize("cell", [CELL, ATTENDED_CELL], ids=["plain", "attended"])
@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("after_reduction", [False, True])
def test_one_hot_alphas_make_the_derived_cell(reduction, after_reduction, cell):
    size = 12 if after_reduction else 6
    inputs = [
        tf.constant(random_images((4, size, size, 5), "float64")),
        tf.constant(random_images((4, 6, 6, 7), "float64")),
    ]
    placement = "after_operations" if cell is ATTENDED_CELL else "among_operations"
    mixed, attention = place_attention(OPERATIONS, placement)
    search_cell = SearchCell(
        FILTERS, mixed, 4, reduction, after_reduction, attention, dtype="float64"
    )
    search_cell.build([x.shape for x in inputs])
    alphas = CellAlphas(operations=one_hot_alphas(cell, mixed, part=0))
    if attention:
        choices = one_hot_alphas(cell, ("identity", *attention), part=1)
        alphas = alphas._replace(attention=choices)
    weights = alphas.map(Softmax().mean)
    expected = search_cell(inputs, weights=weights, training=True)
    plan = cell_plan(3, FILTERS)[0]._replace(
        reduction=reduction, after_reduction=after_reduction
    )
    keras.config.set_dtype_policy("float64")
    try:
        network_cell = derived_cell(cell, plan, [x.shape[1:] for x in inputs])
        copy_weights(search_cell, network_cell, cell)
        outputs = network_cell(inputs, training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert (
        outputs.shape
        == expected.shape
        == search_cell.compute_output_shape([x.shape for x in inputs])
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-7, atol=1e-9)
