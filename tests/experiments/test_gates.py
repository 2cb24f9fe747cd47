"""Gates of a derived network: found, read, and replaced."""

import explained
import numpy as np
import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.explanations.gate_statistics import GateStatistics
from keras_atdarts.experiments.explanations.gates import find_gates
from keras_atdarts.experiments.explanations.gates import gate_reader
from keras_atdarts.experiments.explanations.gates import gate_replacer
from keras_atdarts.genotypes.genotype import Genotype


@pytest.fixture(scope="module")
def network():
    return explained.shared_network()


@pytest.fixture(scope="module")
def gates(network):
    return find_gates(network, explained.GENOTYPE)


@pytest.fixture(scope="module")
def read(network, gates):
    return gate_reader(network, gates)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gates_are_named_by_their_place(gates):
    assert [gate.name for gate in gates] == explained.NAMES
    assert [gate.attention for gate in gates[:3]] == [
        "channel_attention",
        "spatial_attention",
        "channel_attention",
    ]
    assert [gate.source for gate in gates[2:4]] == ["node 0", "c_{k-2}"]
    assert [gate.cell_type for gate in gates[2:4]] == ["normal", "reduction"]


def test_a_network_of_another_genotype_is_refused(network):
    with pytest.raises(InputError, match="cell 0 has no sep_conv_3x3 as edge 0 of"):
        find_gates(network, Genotype.load("DARTS_V2"))


def test_gates_have_the_size_of_their_cell(read):
    _, tensors = read(explained.images(5))
    shapes = [tuple(tensor.shape) for tensor in tensors]
    assert shapes[:3] == [(5, 1, 1, 4), (5, 12, 10, 1), (5, 1, 1, 4)]
    assert shapes[3:6] == [(5, 1, 1, 8), (5, 1, 1, 8), (5, 6, 5, 1)]
    assert shapes[6:] == [(5, 1, 1, 16), (5, 1, 1, 16), (5, 3, 3, 1)]


def test_gates_are_those_computed_by_hand(network, gates, read):
    images = explained.images()
    logits, (channel, spatial, *_) = read(images)
    np.testing.assert_allclose(logits, network(images, training=False), atol=1e-6)
    cell = network.get_layer("cell_0_normal")
    x = cell.get_layer("input_1")(network.get_layer("stem")(images)).numpy()

    layer = gates[0].layer.gate
    (w1, b1), (w2, b2) = (
        [part.numpy()[0] for part in dense] for dense in (layer.squeeze, layer.excite)
    )

    def mlp(pooled):
        return np.maximum(pooled @ w1 + b1, 0) @ w2 + b2

    expected = sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))
    np.testing.assert_allclose(channel[:, 0, 0], expected, rtol=1e-5)

    kernel = gates[1].layer.gate.kernel.numpy()[..., 0]
    pooled = np.stack([x.max(-1), x.mean(-1)], axis=-1)
    padded = np.pad(pooled, ((0, 0), (3, 3), (3, 3), (0, 0)))
    middle = np.sum(padded[:, 5:12, 4:11] * kernel, axis=(1, 2, 3))
    expected = sigmoid(middle / np.sqrt(1 + 1e-5))  # Statistics of no training.
    np.testing.assert_allclose(spatial[:, 5, 4, 0], expected, rtol=1e-5)


def test_reading_leaves_the_network_as_it_was(network, gates, read):
    read(explained.images())
    assert all(gate.layer.revise_gates is None for gate in gates)


def test_only_a_gate_that_depends_on_the_image_is_missed():
    network = explained.build()
    gates = find_gates(network, explained.GENOTYPE)
    gates[0].layer.gate.excite[0].assign(np.zeros((1, 1, 4)))
    gates[1].layer.gate.kernel.assign(np.zeros((7, 7, 2, 1)))
    images = 20 * explained.images()  # So strong that gates depend on them.
    logits, tensors = gate_reader(network, gates)(images)
    means = []
    for tensor in tensors:
        statistics = GateStatistics(tensor.shape[1:], num_classes=1)
        statistics.update(tensor, np.zeros(len(images), int))
        means.append(statistics.mean()[np.newaxis])
    # A hidden unit that is never active makes a constant gate, too.
    spans = [np.ptp(tensor, axis=0).max() for tensor in tensors]
    assert max(spans[:2]) < 1e-7 and sum(span > 0.05 for span in spans) >= 3
    classify = gate_replacer(network, gates, means)
    assert np.array_equal(classify(images, [False] * len(gates)), logits)
    for index, gate in enumerate(gates):
        without = classify(images, np.arange(len(gates)) == index)
        difference = np.max(np.abs(without - logits)) / np.max(np.abs(logits))
        if spans[index] < 1e-7:
            assert difference < 1e-6, gate.name
        if spans[index] > 0.05:
            assert difference > 1e-5, gate.name


def test_a_replacement_is_used_as_it_is(network, gates):
    """Without its gate, a channel attention at stride 1 is the identity."""
    images = explained.images()
    _, tensors = gate_reader(network, gates)(images)
    ones = [np.ones((1, *tensor.shape[1:]), "float32") for tensor in tensors]
    replaced = np.arange(len(gates)) == 0
    logits = gate_replacer(network, gates, ones)(images, replaced)

    cells = [cell.to_dict() for _, cell in explained.GENOTYPE.cells()]
    cells[0]["nodes"][0][0]["operation"] = "skip_connect"
    without = explained.build(
        Genotype.from_dict(dict(zip(("normal", "reduction"), cells, strict=True)))
    )
    of_the_gate = set(map(id, gates[0].layer.weights))
    others = [w.numpy() for w in network.weights if id(w) not in of_the_gate]
    without.set_weights(others)
    np.testing.assert_allclose(logits, without(images, training=False), atol=1e-5)
