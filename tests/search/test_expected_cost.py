"""The expected cost is exact where it can be, and its target has the right slope."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.names import IDENTITY
from keras_atdarts.genotypes.names import NUM_INPUTS
from keras_atdarts.genotypes.sampling import edge_candidates
from keras_atdarts.genotypes.sampling import node_choices
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.multiply_adds import count_multiply_adds
from keras_atdarts.operations import base
from keras_atdarts.search.alphas import Choices
from keras_atdarts.search.alphas import search_choices
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.expected_cost import CostMonitor
from keras_atdarts.search.expected_cost import CostTarget
from keras_atdarts.search.expected_cost import expected_cost
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.operation_costs import operation_costs
from keras_atdarts.search.samplers import get_sampler
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.schedules import EpochLinear

# Odd sizes, so that halving rounds up.
CIFAR = {"input_shape": (11, 14, 3), "filters": 3, "num_cells": 5, "stem": "cifar"}
IMAGENET = {"input_shape": (65, 70, 3), "filters": 4, "num_cells": 3}
IMAGENET["stem"] = "imagenet"
SOME = (
    *("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5"),
    *("channel_attention", "spatial_attention"),
)
SMALL = ("none", "skip_connect", "sep_conv_3x3", "channel_attention")


def network_cost(measure, genotype, network):
    """Returns what the whole network of a genotype costs, counted in one piece."""
    network = build_network(genotype, num_classes=7, **network)
    if measure == "parameters":
        return count_parameters(network)
    return count_multiply_adds(network, network.input_shape[1:])


def one_hot(genotype, choices, dtype=tf.float64):
    """Returns the weights that are 1 for what a genotype has, else for `none`."""
    edges = cell_edges(len(genotype.normal.nodes))
    weights = {}
    for cell_type, cell in genotype.cells():
        chosen = {
            (node, edge.source): edge.parts
            for node, of_node in enumerate(cell.nodes)
            for edge in of_node
        }
        parts = [(*chosen.get(edge, ("none",)), IDENTITY)[:2] for edge in edges]
        weights[cell_type] = CellAlphas(
            *(
                names and tf.constant([[p[i] == n for n in names] for p in parts])
                for i, names in enumerate((choices.operations, choices.attention))
            )
        ).map(lambda x: tf.cast(x, dtype))
    return weights


@pytest.fixture(scope="module")
def small_costs():
    choices = search_choices(SMALL)
    return operation_costs("multiply_adds", choices, num_classes=7, **CIFAR)


@pytest.mark.parametrize("measure", ["multiply_adds", "parameters"])
@pytest.mark.parametrize(
    ("placement", "network"),
    [
        ("among_operations", CIFAR),
        ("among_operations", IMAGENET),
        ("after_operations", CIFAR),
    ],
)
def test_weights_of_one_genotype_cost_what_its_network_does(
    measure, placement, network
):
    choices = search_choices(SOME, placement)
    costs = operation_costs(measure, choices, num_classes=7, **network)
    attention = (choices.attention or ())[1:]
    [genotype] = random_genotypes(choices.operations, 1, 0, attention)
    exact = network_cost(measure, genotype, network)
    assert costs.of_genotype(genotype) == exact
    assert float(expected_cost(costs, one_hot(genotype, choices))) == exact


def test_published_costs_are_found():
    """Parameters and multiply-adds of DARTS_V2, as in the reference."""
    choices = search_choices("darts")
    network = {"input_shape": (224, 224, 3), "num_classes": 1000, "filters": 48}
    costs = [
        operation_costs(name, choices, **network, num_cells=14, stem="imagenet")
        for name in ("parameters", "multiply_adds")
    ]
    found = [each.of_genotype(Genotype.load("DARTS_V2")) for each in costs]
    assert found == [4_718_752, 529_911_552]


@pytest.mark.parametrize("placement", ["among_operations", "after_operations"])
def test_equal_weights_cost_the_mean_of_all_genotypes(placement):
    choices = search_choices(SMALL, placement)
    costs = operation_costs("parameters", choices, num_classes=7, **CIFAR)
    equal = choices.map(lambda names: tf.ones((14, len(names)), tf.float64))
    found = expected_cost(costs, dict.fromkeys(CELL_TYPES, equal))
    candidates = edge_candidates(choices.operations, (choices.attention or ())[1:])
    pairs = [node_choices(node, candidates) for node in range(4)]
    # All nodes are chosen for themselves: the mean is that of each.
    base = [each[0] for each in pairs]
    concat = range(NUM_INPUTS, NUM_INPUTS + 4)

    def cost(normal, reduction):
        cells = (CellGenotype(nodes, concat) for nodes in (normal, reduction))
        return costs.of_genotype(Genotype(*cells))

    mean = lowest = cost(base, base)
    for node, of_node in enumerate(pairs):
        changed = [[*base[:node], pair, *base[node + 1 :]] for pair in of_node]
        of_normal = [cost(nodes, base) for nodes in changed]
        of_reduction = [cost(base, nodes) for nodes in changed]
        for each in (of_normal, of_reduction):
            mean += np.mean(each) - cost(base, base)
            lowest += min(each) - cost(base, base)
    np.testing.assert_allclose(found, mean)
    assert costs.smallest() == lowest


def test_edges_share_a_node_by_their_weights(small_costs):
    """The heavier of two edges counts more; scale does not matter."""
    weights = one_hot(random_genotypes(SMALL, 1, 0)[0], small_costs.choices)
    operations = np.zeros((14, 4))
    operations[:, 1] = 1.0  # Skips, which cost nothing in normal cells.
    operations[1] = [0.0, 0.0, 1.0, 0.0]  # A convolution between input 1 and node 0.
    edges = np.ones((14, 1))
    edges[:2, 0] = 0.25, 0.75

    def cost(operations, edges):
        normal = CellAlphas(tf.constant(operations), None, tf.constant(edges))
        return float(expected_cost(small_costs, {**weights, "normal": normal}))

    convolution = small_costs.cells["normal"].operations[1][2]
    without = cost(np.eye(4)[[1] * 14], edges)
    np.testing.assert_allclose(cost(operations, edges), without + 1.5 * convolution)
    np.testing.assert_allclose(cost(3 * operations, edges), cost(operations, edges))


def random_alphas(choices, seed, sampler="softmax"):
    """Returns a list of tensors of alphas, and the function that names them."""
    generator = np.random.default_rng(seed)
    kinds = [
        (cell_type, kind) for cell_type in CELL_TYPES for kind in choices.present()
    ]
    values = [
        tf.constant(generator.normal(size=(14, len(getattr(choices, kind)))))
        for _, kind in kinds
    ]

    def named(values):
        cells = {cell_type: {} for cell_type in CELL_TYPES}
        for (cell_type, kind), x in zip(kinds, values, strict=True):
            names = getattr(choices, kind)
            cells[cell_type][kind] = Choices(names, x, get_sampler(sampler))
        return {cell_type: CellAlphas(**each) for cell_type, each in cells.items()}

    return values, named


@pytest.mark.parametrize(
    ("placement", "edge_normalization", "sampler"),
    [
        ("among_operations", False, "softmax"),
        ("after_operations", True, "softmax"),
        ("after_operations", False, "sigmoid"),
        ("among_operations", True, "dirichlet"),
    ],
)
def test_gradients_are_those_of_differences(placement, edge_normalization, sampler):
    choices = search_choices(SMALL, placement, edge_normalization)
    costs = operation_costs("parameters", choices, num_classes=7, **CIFAR)
    values, named = random_alphas(choices, 3, sampler)
    start = float(CostTarget(costs, 1e9).expected(named(values)))
    target = CostTarget(costs, start / 1.01, strength=2.0)
    np.testing.assert_allclose(target(named(values)), 2 * np.log(1.01))
    exact, numeric = tf.test.compute_gradient(
        tf.function(lambda *values: target(named(values))), values, delta=1e-4
    )
    for found, expected in zip(exact, numeric, strict=True):
        assert np.abs(found).max() > 1e-5
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


def test_descent_makes_the_network_cheaper_until_the_target(small_costs):
    values, named = random_alphas(small_costs.choices, 3)
    dearest, free = map(SMALL.index, ("sep_conv_3x3", "skip_connect"))
    start = float(CostTarget(small_costs, 1e9).expected(named(values)))
    middle = (start + small_costs.smallest()) / 2
    target = CostTarget(small_costs, middle)

    @tf.function
    def gradients(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            penalty = target(named(values))
        return tape.gradient(penalty, values)

    [normal, _] = gradients(values)
    assert (normal.numpy()[:, dearest] > 0).all()  # Descent lowers convolutions
    assert (normal.numpy()[:, free] < 0).all()  # and raises what is free.
    for _ in range(300):
        slopes = gradients(values)
        values = [x - 5 * slope for x, slope in zip(values, slopes, strict=True)]
    assert 0.98 * middle < target.expected(named(values)) <= middle
    assert target(named(values)) == 0
    assert all((slope.numpy() == 0).all() for slope in slopes)


def test_a_target_is_saved_and_restored(small_costs):
    ramp = EpochLinear(0.0, 2.0, epochs=3, steps_per_epoch=1)
    architect = FirstOrder([CostTarget(small_costs, small_costs.smallest(), ramp)])
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(architect)))
    [target] = keras.saving.deserialize_keras_object(saved).regularizers
    assert target.costs == small_costs
    values, named = random_alphas(small_costs.choices, 3)
    alphas = named(values)
    assert target.penalty(alphas) > 0
    for step, strength in ((0, 0.0), (1, 1.0), (2, 2.0)):
        found = target(alphas, step)
        np.testing.assert_allclose(found, strength * target.penalty(alphas))


def test_the_monitor_tells_expected_and_derived_costs(small_costs):
    model = Supernet(3, 4, 3, SMALL)
    model.build((None, 8, 8, 3))
    for variable in model.alpha_variables:
        variable.assign(keras.random.normal(variable.shape, seed=3))
    monitor = CostMonitor([CostTarget(small_costs, 1e9)], derive_genotype)
    monitor.set_model(model)
    logs = {"loss": 1.0}
    monitor.on_epoch_end(0, logs)
    genotype = derive_genotype(model.labelled_alphas())
    assert logs["derived_multiply_adds"] == network_cost(
        "multiply_adds", genotype, CIFAR
    )
    weights = {
        name: CellAlphas(tf.nn.softmax(each.operations.values))
        for name, each in model.alphas.named().items()
    }
    expected = float(expected_cost(small_costs, weights))
    assert logs["expected_multiply_adds"] == pytest.approx(expected)


def test_targets_that_no_network_meets_are_refused(small_costs):
    smallest = small_costs.smallest()
    assert CostTarget(small_costs, smallest).target == smallest
    with pytest.raises(InputError, match=f"below the smallest.*has {smallest:,}. Give"):
        CostTarget(small_costs, smallest - 1)
    with pytest.raises(InputError, match="Unknown measure of costs 'seconds'"):
        operation_costs("seconds", small_costs.choices, (8, 8, 3), 7)


def test_operations_that_cannot_be_counted_have_no_target(monkeypatch):
    class Mixing(keras.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], input_shape[-1]))

        def call(self, inputs):
            return tf.einsum("bhwc,cd->bhwd", inputs, self.kernel)

    monkeypatch.setitem(base._REGISTRY, "mixing", (Mixing, {}))
    choices = search_choices(("none", "skip_connect", "mixing"))
    with pytest.raises(InputError, match="multiply_adds of the operation 'mixing'"):
        operation_costs("multiply_adds", choices, num_classes=7, **CIFAR)
    costs = operation_costs("parameters", choices, num_classes=7, **CIFAR)
    [row, *_] = costs.cells["normal"].operations
    # The kernels in three normal cells, of 3, 6 and 12 filters.
    assert row[2] == sum(f * f for f in (3, 6, 12))
    assert row[:2] == [0, 0]
