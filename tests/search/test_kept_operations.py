"""A supernet that has lost operations is the whole one with weights of zero."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.pruning import strongest_operations
from keras_atdarts.operations import SEARCH_SPACES
from keras_atdarts.search.alphas import Choices
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.expected_cost import CostTarget
from keras_atdarts.search.kept_operations import is_kept
from keras_atdarts.search.kept_operations import kept_rows
from keras_atdarts.search.kept_operations import weights_of_kept
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.operation_costs import operation_costs
from keras_atdarts.search.regularizers import resolve_regularizers
from keras_atdarts.search.samplers import SAMPLERS
from keras_atdarts.search.samplers import Draw
from keras_atdarts.search.samplers import get_sampler
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

OPERATIONS = SEARCH_SPACES["at_darts"]
NUM_NODES = 2
EDGES = cell_edges(NUM_NODES)
# Each is left on one edge that leaves an input, none is left on both.
ROWS = (
    ("none", "max_pool_3x3", "sep_conv_3x3", "channel_attention"),
    ("avg_pool_3x3", "skip_connect", "dil_conv_5x5"),
    ("skip_connect", "sep_conv_3x3", "dil_conv_3x3"),
    ("sep_conv_5x5", "spatial_attention"),
    ("none", "dil_conv_3x3"),
)
KEPT = is_kept(ROWS, OPERATIONS)


def draw():
    return Draw(tf.constant([3, 1], tf.int64), tf.constant(0))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("drawn", [False, True])
def test_weights_are_those_of_what_is_left(name, drawn):
    sampler = get_sampler(name)
    alphas = tf.constant(random_images(KEPT.shape, "float64"))
    factors = tf.constant(random_images((2, *KEPT.shape), "float64")[1])

    def function(alphas):
        return sampler.sample(alphas, draw()) if drawn else sampler.mean(alphas)

    with tf.GradientTape() as tape:
        tape.watch(alphas)
        weights = weights_of_kept(function, alphas, KEPT)
        value = tf.reduce_sum(weights * factors)
    gradient = tape.gradient(value, alphas).numpy()
    assert np.all(weights.numpy()[~KEPT] == 0) and np.all(gradient[~KEPT] == 0)
    assert np.all(np.isfinite(gradient)) and np.any(gradient[KEPT] != 0)
    if name != "sigmoid":
        np.testing.assert_allclose(np.sum(weights, axis=1), 1)
    if drawn and sampler.is_random:
        return  # Of other shapes, other numbers are drawn.
    for row, left in enumerate(KEPT):
        few = tf.constant(alphas.numpy()[row : row + 1, left])
        with tf.GradientTape() as tape:
            tape.watch(few)
            expected = function(few)
            value = tf.reduce_sum(expected * factors.numpy()[row, left])
        np.testing.assert_allclose(weights.numpy()[row, left], expected[0], rtol=1e-12)
        slopes = tape.gradient(value, few)[0]
        np.testing.assert_allclose(gradient[row, left], slopes, rtol=1e-9, atol=1e-15)


def variables_of(whole, fewer):
    """Yields the variables of two cells that belong together, and how to take edges."""
    pairs = zip(whole.mixed_operations, fewer.mixed_operations, strict=True)
    for of_whole, mixed in pairs:
        for candidate, column, edges in zip(
            mixed.candidates, mixed.columns, mixed.edges, strict=True
        ):
            others = of_whole.candidates[column].variables
            for one, other in zip(others, candidate.variables, strict=True):
                yield one, other, functools.partial(take, edges, other.shape)


def take(edges, shape, values):
    """Returns the values of some edges; their axis is the one that is longer."""
    for axis, size in enumerate(shape):
        if values.shape[axis] != size:
            values = np.take(values, edges, axis)
    return values


def make_cells(**options):
    """Returns the whole cell, and one with what is left of its operations."""
    cells = []
    for kept in (None, ROWS):
        cell = SearchCell(4, OPERATIONS, NUM_NODES, kept=kept, **options)
        cell.build([(None, 6, 6, 5), (None, 6, 6, 7)])
        cells.append(cell)
    whole, fewer = cells
    for one, other in zip(whole.input_layers, fewer.input_layers, strict=True):
        other.set_weights(one.get_weights())
    for one, other, taken in variables_of(whole, fewer):
        other.assign(taken(one.numpy()))
    return whole, fewer


def outputs_and_slopes(cell, states, weights, variables):
    with tf.GradientTape() as tape:
        tape.watch([states, weights])
        outputs = cell.connect(states, CellAlphas(weights), training=True)
        value = tf.reduce_sum(outputs * tf.constant(random_images(outputs.shape)))
    variables = [variable.value for variable in variables]
    return outputs, *tape.gradient(value, [states, weights, variables])


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("backend", ["reference", "native", "joined"])
def test_a_cell_is_the_whole_one_with_weights_of_zero(backend, reduction, monkeypatch):
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", backend)
    whole, fewer = make_cells(reduction=reduction)
    states = [tf.constant(x) for x in random_images((2, 3, 6, 6, 4))]
    alphas = tf.constant(random_images(KEPT.shape))
    weights = weights_of_kept(get_sampler("softmax").mean, alphas, KEPT)
    triples = [each for each in variables_of(whole, fewer) if each[0].trainable]
    of_whole, of_fewer, takes = zip(*triples, strict=True)
    expected = outputs_and_slopes(whole, states, weights, of_whole)
    found = outputs_and_slopes(fewer, states, weights, of_fewer)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3)
    close(found[0], expected[0])
    close(found[1], expected[1])
    close(found[2].numpy()[KEPT], expected[2].numpy()[KEPT])
    assert np.all(found[2].numpy()[~KEPT] == 0)  # Nothing was computed of these.
    for slope, taken, other in zip(expected[3], takes, found[3], strict=True):
        close(other, taken(slope.numpy()))


def test_what_was_dropped_is_not_built():
    whole, fewer = make_cells()
    names = [each.name for each in fewer.mixed_operations[0].candidates]
    # From input 0, of the edges to node 0 and node 1.
    left = {*ROWS[EDGES.index((0, 0))], *ROWS[EDGES.index((1, 0))]}
    assert names == [name for name in OPERATIONS if name in left]
    for mixed, mixed_whole in zip(
        fewer.mixed_operations, whole.mixed_operations, strict=True
    ):
        expected = 0
        for column, edges in zip(mixed.columns, mixed.edges, strict=True):
            of_one = mixed_whole.candidates[column]
            if of_one.trainable_variables:
                parameters = sum(
                    int(np.prod(x.shape)) for x in of_one.trainable_variables
                )
                expected += parameters * len(edges) // mixed_whole.num_edges
        found = sum(int(np.prod(x.shape)) for x in mixed.trainable_variables)
        assert found == expected
    assert whole.kind([]) != fewer.kind([])


def test_regularizers_see_what_is_left():
    values = random_images(KEPT.shape, "float64")
    few = [values[row, left] for row, left in enumerate(KEPT)]
    for word, sampler in (
        ("beta_decay", "softmax"),
        ("zero_one", "sigmoid"),
        ("dirichlet_distance", "dirichlet"),
    ):
        [rule] = resolve_regularizers([word])
        alphas = tf.constant(values)
        with tf.GradientTape() as tape:
            tape.watch(alphas)
            choices = Choices(OPERATIONS, alphas, get_sampler(sampler), KEPT)
            penalty = rule({"normal": CellAlphas(choices)})
        assert np.all(tape.gradient(penalty, alphas).numpy()[~KEPT] == 0)
        by_edge = [
            rule(
                {
                    "normal": CellAlphas(
                        Choices(range(len(x)), x[np.newaxis], get_sampler(sampler))
                    )
                }
            ).numpy()
            for x in few
        ]
        counts = KEPT.sum(axis=1)
        expected = {
            "beta_decay": np.mean(by_edge),
            "zero_one": np.average(by_edge, weights=counts),
            "dirichlet_distance": np.sum(by_edge),
        }[word]
        np.testing.assert_allclose(penalty, expected, rtol=1e-9)


SPACE = ("none", "skip_connect", "avg_pool_3x3", "max_pool_3x3")


@pytest.fixture(scope="module")
def supernets():
    """A whole supernet and one with half of its operations."""
    keras.utils.set_random_seed(0)
    whole = Supernet(3, 2, 3, SPACE, num_nodes=1)
    whole.build((None, 8, 8, 1))
    kept = strongest_operations(whole.labelled_alphas(), 2)
    fewer = Supernet(3, 2, 3, SPACE, num_nodes=1, kept=kept)
    fewer.build((None, 8, 8, 1))
    fewer.compile(SGD(0.1), SGD(0.1))
    return whole, fewer, kept


def test_alphas_of_what_was_dropped_have_no_label(supernets, tmp_path):
    _, fewer, kept = supernets
    labelled = fewer.labelled_alphas()
    for cell_type, edges in kept.items():
        found = labelled[cell_type].operations
        assert {edge: tuple(of_edge) for edge, of_edge in found.items()} == edges
    chosen = derive_genotype(labelled).normal.nodes[0]
    assert all(x.operation in kept["normal"][0, x.source] for x in chosen)
    fewer.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    assert loaded.get_config() == fewer.get_config()
    assert loaded.labelled_alphas() == labelled
    images = random_images((2, 8, 8, 1))
    np.testing.assert_array_equal(loaded(images), fewer(images))


def test_the_expected_cost_is_of_what_is_left(supernets):
    _, fewer, kept = supernets
    costs = operation_costs(
        "parameters", fewer.choices, (8, 8, 1), 3, 2, 3, num_nodes=1
    )
    found = float(CostTarget(costs, costs.smallest()).expected(fewer.alphas.named()))
    expected = costs.fixed
    weights = dict(zip(("normal", "reduction"), fewer.alphas.weights(), strict=True))
    for cell_type, edges in kept.items():
        shares, total = 0.0, 0.0
        for row, names in enumerate(edges.values()):
            for name in names:
                if name != "none":
                    column = SPACE.index(name)
                    weight = float(weights[cell_type][row, column])
                    cost = costs.cells[cell_type].operations[row][column]
                    shares, total = shares + weight, total + weight * cost
        expected += 2 * total / shares
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda kept: kept.pop("reduction"), "cell type 'reduction' is missing"),
        (lambda kept: kept["normal"].pop((0, 1)), "edge '0<-1' is missing"),
        (lambda kept: kept["normal"].update({(7, 0): SPACE}), "Unknown edge '7<-0'"),
        (
            lambda kept: kept["normal"].update({(0, 0): ("skip",)}),
            "edge 0<-0: Unknown operation .*Did you mean 'skip_connect'",
        ),
        (
            lambda kept: kept["reduction"].update({(0, 1): ("none",)}),
            "reduction cell: edge 0<-1: received none; expected one that can",
        ),
        (lambda kept: kept["normal"].update({(0, 1): ()}), "received no operation"),
    ],
)
def test_what_cannot_be_kept_is_refused(supernets, change, message):
    kept = {cell_type: dict(edges) for cell_type, edges in supernets[2].items()}
    assert kept_rows(kept, SPACE, 1)["normal"] == tuple(kept["normal"].values())
    change(kept)
    with pytest.raises(InputError, match=f"kept operations: .*{message}"):
        kept_rows(kept, SPACE, 1)
