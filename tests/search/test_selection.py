"""Selection by perturbation: what is measured, what is kept, and what then learns."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.experiments.runs.perturbation_selection import decision_from_dict
from keras_atdarts.experiments.runs.perturbation_selection import decision_to_dict
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.names import name_parts
from keras_atdarts.kernels import machine
from keras_atdarts.search.mixing_evaluation import MixingEvaluation
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.projection import Projection
from keras_atdarts.search.samplers import SAMPLERS
from keras_atdarts.search.samplers import Draw
from keras_atdarts.search.selection import PerturbationSelection
from keras_atdarts.search.selection import plan_rounds
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3")


def make_supernet(num_nodes=3, **options):
    keras.utils.set_random_seed(0)
    options = {"operations": OPERATIONS, "dtype": "float64", **options}
    supernet = Supernet(3, 4, 3, num_nodes=num_nodes, **options)
    supernet.build((None, 8, 8, 1))
    for seed, variable in enumerate(supernet.alpha_variables):
        variable.assign(keras.random.normal(variable.shape, seed=seed, dtype="float64"))
    return supernet


def test_every_edge_is_decided_once_and_then_every_node_with_a_choice():
    rounds = plan_rounds(num_nodes=4, seed=1)
    for cell_type in CELL_TYPES:
        places = [each[cell_type] for each in rounds]
        edges = {(node, source) for node in range(4) for source in range(2 + node)}
        assert set(places[:14]) == edges
        assert sorted(places[14:]) == [(1, None), (2, None), (3, None)]
    assert len(rounds) == 17
    assert plan_rounds(4, seed=1) == rounds != plan_rounds(4, seed=2)


class Importance:
    """A stand-in for a supernet: its accuracy is the sum of what each weight is worth.

    Args:
        alphas: `SupernetAlphas`.
    """

    def __init__(self, alphas):
        random = np.random.default_rng(0)
        self.places = alphas.places
        self.values = [random.uniform(0, 1, x.shape) for x in alphas.variables]
        self.calls = 0

    def __call__(self, weights):
        self.calls += 1
        pairs = zip(weights, self.values, strict=True)
        return sum(np.sum((weight != 0) * value) for weight, value in pairs), 0.0

    def best(self, place, row, names):
        """Returns the most important name on an edge, and what it is worth."""
        values = self.values[self.places.index(place)][row]
        ranked = sorted(zip(values, names, strict=True), reverse=True)
        return next((name, value) for value, name in ranked if name != "none")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "attention_placement": "after_operations",
            "operations": (*OPERATIONS, "channel_attention", "spatial_attention"),
        },
        {"partial_channels": 2, "edge_normalization": True},
    ],
    ids=["operations", "attention", "edges"],
)
def test_what_matters_most_is_kept(options):
    alphas = make_supernet(**options).alphas
    evaluate = Importance(alphas)
    selection = PerturbationSelection(alphas, evaluate, seed=0)
    for number in range(selection.num_rounds):
        selection.decide(number)
    genotype = selection.genotype()
    for cell_type, cell in genotype.cells():
        for node, edges in enumerate(cell.nodes):
            worth = {}
            for source in range(2 + node):
                row = alphas.edges.index((node, source))
                parts = [
                    evaluate.best((kind, cell_type), row, getattr(alphas.choices, kind))
                    for kind in ("operations", "attention")
                    if getattr(alphas.choices, kind) is not None
                ]
                # Of an edge, what is left of it: one operation, and its beta.
                worth[source] = parts[0][1]
                if alphas.choices.edges is not None:
                    place = evaluate.places.index(("edges", cell_type))
                    worth[source] += evaluate.values[place][row, 0]
                for edge in edges:
                    if edge.source == source:
                        expected = [name for name, _ in parts if name != "identity"]
                        assert list(name_parts(edge.operation)) == expected
            kept = sorted(sorted(worth, key=worth.get)[-2:])
            assert [edge.source for edge in edges] == kept


def test_equal_accuracies_are_told_apart_by_the_loss():
    alphas = make_supernet(num_nodes=1).alphas
    column = OPERATIONS.index("avg_pool_3x3")

    def evaluate(weights):
        return 0.5, 2.0 if np.any(weights[0][:, column] == 0) else 1.0

    selection = PerturbationSelection(alphas, evaluate)
    [normal, _] = selection.decide(0)
    assert normal.cell_type == "normal" and normal.chosen == ("avg_pool_3x3",)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_decided_edges_have_one_weight_and_others_what_they_had(sampler):
    alphas = make_supernet(num_nodes=1, sampler=sampler).alphas
    draw = Draw(tf.constant([1, 2], tf.int64), tf.constant(0, tf.int64))
    perturbation = RandomPerturbation(0.1)

    def weights():
        drawn = alphas.weights(draw=draw)
        return alphas.weights(), drawn, alphas.perturbed(drawn, perturbation, draw)

    before = weights()
    alphas.projection = Projection(alphas)
    for mine, expected in zip(weights(), before, strict=True):
        np.testing.assert_array_equal(mine, expected)
    alphas.projection.decide(("operations", "normal"), 0, 2)
    alphas.projection.decide(("operations", "reduction"), 1)
    for mine, expected in zip(weights(), before, strict=True):
        np.testing.assert_array_equal(mine[0][0], [0, 0, 1, 0])
        np.testing.assert_array_equal(mine[0][1], expected[0][1])
        np.testing.assert_array_equal(mine[1][0], expected[1][0])
        np.testing.assert_array_equal(mine[1][1], [0] * 4)


def batch(size=6):
    labels = np.arange(size, dtype="int32") % 3
    return random_images((size, 8, 8, 1), "float64"), labels


@pytest.fixture(scope="module")
def trained():
    """A supernet with an edge decided, its projection, and a step in a graph."""
    supernet = make_supernet(num_nodes=1)
    supernet.compile(SGD(0.1), SGD(0.1))
    supernet.alphas.projection = Projection(supernet.alphas)
    return supernet, supernet.alphas.projection, tf.function(supernet.train_step)


def test_the_accuracy_is_that_of_the_supernet_in_training(trained):
    supernet, _, _ = trained
    images, labels = batch()
    halves = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    evaluate = MixingEvaluation(supernet, halves)
    before = [np.array(x) for x in supernet.weights]
    weights = [np.array(x) for x in supernet.alphas.weights()]
    weights[0][0, 1] = 0
    found = evaluate(weights)
    assert evaluate(supernet.alphas.weights()) != found
    for mine, expected in zip(supernet.weights, before, strict=True):
        np.testing.assert_array_equal(mine, expected)
    mixing = supernet.alphas.by_cell([tf.constant(x) for x in weights])
    hits, losses = [], []
    for images, labels in halves:
        with keras.StatelessScope():
            logits = supernet(images, training=True, mixing=mixing)
        hits.extend(np.argmax(logits, axis=-1) == labels)
        losses.append(float(supernet.loss_function(labels, logits)))
    np.testing.assert_allclose(found, (np.mean(hits), np.mean(losses)))
    assert evaluate._measure.experimental_get_tracing_count() == 1


def test_two_devices_measure_and_learn_what_one_does():
    found = []
    for devices in (1, 2):
        with machine.make_strategy(devices).scope():
            supernet = make_supernet(num_nodes=1)
            supernet.compile(SGD(0.1), SGD(0.1))
            projection = supernet.alphas.projection = Projection(supernet.alphas)
        projection.decide(("operations", "normal"), 0, 3)
        images, labels = batch(4)
        # The halves are alike, so that batch norms see the same statistics.
        data = np.tile(images, (2, 1, 1, 1)), np.tile(labels, 2)
        evaluate = MixingEvaluation(supernet, [data])
        measured = evaluate(supernet.alphas.weights())
        batches = tf.data.Dataset.from_tensors((data, data)).repeat()
        supernet.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)
        found.append((measured, [np.array(x) for x in supernet.trainable_variables]))
    (one, weights), (two, others) = found
    np.testing.assert_allclose(one, two)
    for mine, expected in zip(others, weights, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-7, atol=1e-10)


def test_what_was_taken_out_does_not_learn(trained):
    supernet, projection, step = trained
    data = batch(), batch()
    convolution = OPERATIONS.index("sep_conv_3x3")
    kernels = [
        weight for weight in supernet.operation_weights if "depthwise" in weight.path
    ]

    def learned():
        """Whether the kernels learn of the edge from input 0, and of that from 1."""
        before = [np.array(x) for x in kernels]
        alphas = [np.array(x) for x in supernet.alpha_variables]
        step(data)
        moved = [np.any(np.array(x) != y) for x, y in zip(kernels, before, strict=True)]
        rows = [
            np.any(np.array(x) != y, axis=-1)
            for x, y in zip(supernet.alpha_variables, alphas, strict=True)
        ]
        return moved, rows[0].tolist()

    moved, rows = learned()
    assert all(moved) and rows == [True, True]
    projection.decide(("operations", "normal"), 0, 1)
    moved, rows = learned()
    in_normal = [
        not supernet.cells[int(weight.path.split("cell_")[1][0])].reduction
        and "mixed_operation_0" in weight.path
        for weight in kernels
    ]
    assert any(in_normal)
    assert moved == [not each for each in in_normal] and rows == [False, True]
    projection.decide(("operations", "normal"), 0, convolution)
    assert all(learned()[0])
    assert step.experimental_get_tracing_count() == 1


def test_decisions_are_read_back():
    alphas = make_supernet(num_nodes=2).alphas
    selection = PerturbationSelection(alphas, Importance(alphas))
    decisions = [selection.decide(number) for number in range(selection.num_rounds)]
    other = PerturbationSelection(make_supernet(num_nodes=2).alphas, None)
    for decision in itertools.chain(*decisions):
        found = decision_from_dict(decision_to_dict(decision))
        assert found == decision
        other.follow(found)
    assert other.genotype() == selection.genotype()
