"""Partial channels, edge normalization and warm-up, against what PC-DARTS says."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images
from test_supernet import SMALL_SPACE
from test_supernet import batch
from test_supernet import changed
from test_supernet import make_supernet
from test_supernet import values

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.kernels import Source
from keras_atdarts.operations import operation_names
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixing_weights import cell_edges
from keras_atdarts.search.mixing_weights import edge_weights
from keras_atdarts.search.partial_channels import join_channels
from keras_atdarts.search.partial_channels import split_channels
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.callbacks import AlphaWarmUp
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam

K = 4
PARTIAL = {"partial_channels": K, "edge_normalization": True}


def shuffled(x, groups):
    """The channel shuffle of ShuffleNet, in numpy."""
    grouped = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return np.swapaxes(grouped, -1, -2).reshape(x.shape)


def softmax(x, axis):
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def halved(x):
    """Max pooling 2x2 with stride 2 in numpy; beyond odd sizes there is nothing."""
    rows, columns = (-(-size // 2) for size in x.shape[1:3])
    padding = [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)]
    padded = np.pad(x, padding, constant_values=-np.inf)
    blocks = padded.reshape(len(x), rows, 2, columns, 2, x.shape[-1])
    return blocks.max(axis=(2, 4))


def cell_by_hand(cell, states, alphas, betas):
    """The reference, edge by edge: mixture, concatenation, shuffle, weighted sum."""
    states = [x.numpy() for x in states]
    edges = cell_edges(cell.num_nodes)
    weights = softmax(alphas, axis=1)
    for node in range(cell.num_nodes):
        rows = [row for row, (target, _) in enumerate(edges) if target == node]
        shares = softmax(betas[rows, 0], axis=0)
        total = 0
        for row, share in zip(rows, shares, strict=True):
            source = edges[row][1]
            x = states[source]
            channels = x.shape[-1] // K
            targets = [target for target, start in edges if start == source]
            mixed = 0
            for layer, weight in zip(
                cell.mixed_operations[source].candidates, weights[row], strict=True
            ):
                part = Source(tf.constant(x[..., :channels]), training=True)
                terms = layer.terms(part)
                term = terms[targets.index(node) if len(terms) > 1 else 0]
                result = part.backend.sum([term])
                mixed = mixed + weight * result.numpy()
            rest = x[..., channels:]
            if cell.reduction and source < 2:
                rest = halved(rest)
            both = np.concatenate([mixed, rest], axis=-1)
            total = total + share * shuffled(both, K)
        states.append(total)
    return np.concatenate(states[2:], axis=-1)


@pytest.mark.parametrize("reduction", [False, True])
def test_a_cell_is_that_of_the_reference(reduction):
    operations = ("none", "max_pool_3x3", "skip_connect", "dil_conv_3x3")
    cell = SearchCell(8, operations, 3, reduction, partial_channels=K, dtype="float64")
    inputs = [tf.constant(x) for x in random_images((2, 3, 7, 6, 5), "float64")]
    alphas = random_images((9, len(operations)), "float64")
    betas = 2 * random_images((9, 1), "float64")
    given = CellAlphas(
        tf.nn.softmax(tf.constant(alphas)), edges=edge_weights(tf.constant(betas), 3)
    )
    outputs = cell(inputs, weights=given, training=True)
    assert outputs.shape == cell.compute_output_shape([x.shape for x in inputs])
    states = cell.prepare(inputs, training=True)
    expected = cell_by_hand(cell, states, alphas, betas)
    np.testing.assert_allclose(outputs, expected, rtol=1e-10, atol=1e-12)


def test_joined_channels_are_of_all_parts_in_turn():
    x = tf.constant(np.arange(12.0).reshape(1, 1, 1, 12))
    mixed, rest = split_channels(x, 3)
    np.testing.assert_array_equal(np.ravel(mixed), [0, 1, 2, 3])
    joined = np.ravel(join_channels(mixed, rest, 3))
    np.testing.assert_array_equal(joined, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])


def test_weights_of_the_reference():
    """Of its search on CIFAR-10: 0.30 million."""
    supernet = Supernet(10, operations="darts", **PARTIAL)
    supernet.build((None, 32, 32, 3))
    count = sum(int(np.prod(w.shape)) for w in supernet.operation_weights)
    assert count == 299_578
    shapes = [tuple(alpha.shape) for alpha in supernet.alpha_variables]
    assert shapes == [(14, 8), (14, 8), (14, 1), (14, 1)]


def test_equal_betas_make_nodes_means_of_their_edges():
    """With all channels: what a node sums up is divided by the number of edges."""
    plain, normalized = (
        make_supernet(
            operations=("none", "skip_connect"), num_nodes=1, dtype="float64", **options
        )
        for options in ({}, {"edge_normalization": True})
    )
    for own, other in zip(
        normalized.operation_weights, plain.operation_weights, strict=True
    ):
        own.assign(other)
    plain_alphas, (*alphas, _, _) = plain.alpha_variables, normalized.alpha_variables
    # The weight of the skip is 1/2, and 1/2 of that is 1/4.
    for variable in plain_alphas:
        variable.assign([[np.log(3.0), 0.0]] * 2)
    for variable in alphas:
        variable.assign([[0.0, 0.0]] * 2)
    for variable in normalized.alpha_variables[2:]:
        variable.assign([[0.3]] * 2)
    images = batch(0, "float64")[0]
    expected = plain(images, training=True)
    np.testing.assert_allclose(normalized(images, training=True), expected, rtol=1e-9)
    normalized.alpha_variables[2].assign([[0.3], [3.0]])
    moved = normalized(images, training=True)
    assert np.max(np.abs(moved - expected)) > 1e-3


@pytest.mark.parametrize("architect", [FirstOrder(), SecondOrder("exact")])
def test_gradients_of_alphas_and_betas_are_those_of_the_loss(architect):
    """At a rate of 0, the weights do not answer, and all orders are the first."""
    operations = (*SMALL_SPACE, "channel_attention")
    supernet = make_supernet(
        operations=operations, num_nodes=2, dtype="float64", **PARTIAL
    )
    supernet.compile(SGD(0.0), SGD(0.1))
    data = batch(1, "float64")
    loss = supernet.training_loss()
    gradients, _ = architect.gradients(
        loss, supernet.optimizer, batch(0, "float64"), data
    )
    assert len(gradients) == 4
    for alpha, gradient in zip(supernet.alpha_variables, gradients, strict=True):
        direction = random_images(alpha.shape, "float64")
        start, step = alpha.numpy().copy(), 1e-5
        losses = []
        for sign in (1, -1):
            alpha.assign(start + sign * step * direction)
            losses.append(float(supernet.training_loss()(data)[0]))
        alpha.assign(start)
        slope = (losses[0] - losses[1]) / (2 * step)
        assert abs(slope) > 1e-9
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5)


@pytest.mark.parametrize("reduction", [False, True])
def test_every_operation_mixes_a_part_of_the_channels(reduction):
    names = operation_names()
    cell = SearchCell(8, names, 1, reduction, partial_channels=K)
    inputs = [tf.constant(x) for x in random_images((2, 3, 6, 5, 4))]
    states = cell(inputs, weights=one_hot(names, names[0]), training=True)
    states = cell.prepare(inputs)
    for name in names:
        outputs = cell.connect(states, one_hot(names, name), training=True)
        assert outputs.shape == (3, *((3, 3) if reduction else (6, 5)), 8)
        assert np.all(np.isfinite(outputs))
        # The mixed channels stand first in each group, the others are the inputs'.
        groups = np.reshape(outputs, (*outputs.shape[:-1], 8 // K, K))
        assert np.any(groups[..., 0]) == (name != "none")
        rests = [x[..., 8 // K :].numpy() for x in states]
        expected = np.add(*map(halved, rests)) if reduction else np.add(*rests)
        passed = np.swapaxes(groups[..., 1:], -1, -2).reshape(expected.shape)
        np.testing.assert_allclose(passed, expected, rtol=1e-5, atol=1e-6)


def one_hot(names, chosen):
    rows = [[float(name == chosen) for name in names]] * 2
    return CellAlphas(operations=tf.constant(rows))


def edge(strength):
    return {"none": 0.0, "sep_conv_3x3": strength}


def test_edges_are_chosen_by_the_products_of_both_weights():
    operations = {(0, 0): edge(1.0), (0, 1): edge(1.1), (1, 0): edge(0.0)}
    operations |= {(1, 1): edge(0.0), (1, 2): edge(0.0)}
    betas = dict.fromkeys(operations, 0.0)

    def chosen(betas):
        alphas = CellAlphas(operations, edges=betas)
        genotype = derive_genotype(
            {"normal": alphas, "reduction": alphas}, edges_per_node=1
        )
        assert genotype.normal == genotype.reduction
        return [edges[0].source for edges in genotype.normal.nodes]

    assert chosen(betas) == [1, 0]
    # Of two weights 0.731 and 0.750, the first is to be more by their ratio.
    ratio = np.log(0.750260 / 0.731059)
    assert chosen({**betas, (0, 0): 0.99 * ratio}) == [1, 0]
    assert chosen({**betas, (0, 0): 1.01 * ratio}) == [0, 0]
    assert chosen({**betas, (1, 2): 0.1}) == [1, 2]
    with pytest.raises(InputError, match="beta of source 1: is nan|beta.*nan"):
        chosen({**betas, (0, 1): float("nan")})
    with pytest.raises(InputError, match="give each edge one"):
        chosen({(0, 0): 0.0})


def batches():
    return tf.data.Dataset.from_tensors((batch(0), batch(1))).repeat()


@pytest.fixture(scope="module")
def supernet():
    return make_supernet(operations=SMALL_SPACE, num_nodes=2, **PARTIAL)


def test_warm_up_leaves_the_alphas_and_then_they_learn(supernet):
    supernet.compile(SGD(0.1), Adam(0.01))
    watched = [values(supernet.alpha_variables)]
    weights = values(supernet.operation_weights)
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: watched.append(
            values(supernet.alpha_variables)
        )
    )
    history = supernet.fit(
        batches(),
        epochs=3,
        steps_per_epoch=2,
        verbose=0,
        callbacks=[AlphaWarmUp(2), watch],
    ).history
    moved = [
        [np.any(x != y) for x, y in zip(*pair, strict=True)]
        for pair in itertools.pairwise(watched)
    ]
    assert moved == [[False] * 4, [False] * 4, [True] * 4]
    assert supernet.alpha_optimizer.iterations.numpy() == 2
    assert np.mean(changed(weights, supernet.operation_weights)) > 0.9
    # What was not computed is no number; what is learned on is.
    assert np.isnan(history["alpha_loss"]).tolist() == [True, True, False]
    assert np.all(np.isfinite(history["loss"]))


def test_warm_up_goes_on_where_an_epoch_is_given(supernet):
    supernet.compile(SGD(0.1), Adam(0.01))
    for first, expected in ((1, False), (2, True)):
        before = values(supernet.alpha_variables)
        supernet.fit(
            batches(),
            initial_epoch=first,
            epochs=first + 1,
            steps_per_epoch=1,
            verbose=0,
            callbacks=[AlphaWarmUp(2)],
        )
        assert changed(before, supernet.alpha_variables) == [expected] * 4


def test_a_partial_supernet_is_saved_whole(supernet, tmp_path):
    supernet.compile(SGD(0.1), Adam(0.01))
    supernet.fit(batches(), steps_per_epoch=1, verbose=0)
    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.saving.load_model(tmp_path / "supernet.keras")
    labelled = loaded.labelled_alphas()
    assert labelled == supernet.labelled_alphas()
    assert list(labelled) == ["normal", "reduction"]
    beta = supernet.alpha_variables[3].numpy()[3, 0]
    assert labelled["reduction"].edges[1, 1] == beta
    np.testing.assert_allclose(loaded(batch()[0]), supernet(batch()[0]), rtol=1e-5)
    assert derive_genotype(labelled) == derive_genotype(supernet.labelled_alphas())


def test_attention_follows_a_part_of_the_channels():
    supernet = make_supernet(
        operations=(*SMALL_SPACE, "spatial_attention"),
        attention_placement="after_operations",
        num_nodes=1,
        **PARTIAL,
    )
    supernet.compile(SGD(0.1), Adam(0.01))
    before = values(supernet.alpha_variables)
    supernet.fit(batches(), steps_per_epoch=1, verbose=0)
    # With all betas equal and one node, each of six kinds learns.
    assert changed(before, supernet.alpha_variables) == [True] * 6
    derive_genotype(supernet.labelled_alphas())


def test_parts_that_are_not_equal_are_refused():
    with pytest.raises(
        InputError, match=r"`partial_channels` must divide `filters` \(6\). Received: 4"
    ):
        Supernet(3, 6, 3, "darts", partial_channels=4)
    with pytest.raises(InputError, match="Received: 0"):
        SearchCell(4, SMALL_SPACE, partial_channels=0)
