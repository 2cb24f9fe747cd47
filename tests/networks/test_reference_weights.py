"""Weights of DARTS' reference: each tensor has one place, and logits are equal."""

import numpy as np
import pytest
import reference_state

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.kernels.reference import EPSILON
from keras_atdarts.layers.batch_normalization import RATE
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.reference_weights import load_reference_weights
from keras_atdarts.networks.reference_weights import reference_places
from keras_atdarts.networks.reference_weights import reference_size

GENOTYPE = reference_state.GENOTYPE


def build(**changes):
    return build_network(GENOTYPE, **{**reference_state.SIZE, **changes})


@pytest.fixture(scope="module")
def numbered():
    """A network whose weights are all different, and the tensors they came from."""
    network, tensors = build(), reference_state.numbered_state()
    load_reference_weights(network, GENOTYPE, tensors)
    return network, tensors


def test_every_tensor_lands_in_exactly_one_variable(numbered):
    network, tensors = numbered
    places = list(reference_places(network, GENOTYPE))
    variables = [id(place.variable) for place in places]
    assert sorted(variables) == sorted(id(weight) for weight in network.weights)
    names = [name for place in places for name in place.names]
    used = {name for name in tensors if not name.endswith("num_batches_tracked")}
    assert len(names) == len(set(names)) and set(names) == used
    loaded = np.concatenate([weight.numpy().ravel() for weight in network.weights])
    given = np.concatenate([tensors[name].ravel() for name in used])
    np.testing.assert_array_equal(np.sort(loaded), np.sort(given))


def test_axes_of_convolutions_are_ours(numbered):
    network, tensors = numbered
    kernel = network.get_layer("stem").kernel.numpy()
    assert kernel[0, 2, 1, 11] == tensors["stem.0.weight"][11, 1, 0, 2]
    cell = network.get_layer("cell_0_normal")
    separable = cell.get_layer("node_0_edge_0_sep_conv_3x3")
    depthwise = separable.first.depthwise_kernel.numpy()
    assert depthwise[0, 0, 2, 3, 0] == tensors["cells.0._ops.0.op.1.weight"][3, 0, 0, 2]
    pointwise = separable.second.pointwise_kernel.numpy()
    assert pointwise[0, 1, 3] == tensors["cells.0._ops.0.op.6.weight"][3, 1, 0, 0]
    rows = cell.get_layer("node_1_edge_0_conv_7x1_1x7")
    row, column = rows.row_kernel.numpy(), rows.column_kernel.numpy()
    assert row[0, 0, 6, 1, 2] == tensors["cells.0._ops.2.1.weight"][2, 1, 0, 6]
    assert column[0, 6, 0, 1, 2] == tensors["cells.0._ops.2.2.weight"][2, 1, 6, 0]


def test_reducers_classifier_and_batch_norms_have_theirs(numbered):
    network, tensors = numbered
    reducer = network.get_layer("cell_2_reduction").get_layer("input_0")
    even, odd = reducer.even_kernel.numpy(), reducer.odd_kernel.numpy()
    name = "cells.2.preprocess0"
    assert even[0, 1, 7] == tensors[f"{name}.conv_1.weight"][7, 1, 0, 0]
    assert odd[0, 1, 7] == tensors[f"{name}.conv_2.weight"][7, 1, 0, 0]
    means, variances = reducer.normalization.moving_statistics.numpy()[:, 0]
    np.testing.assert_array_equal(means, tensors[f"{name}.bn.running_mean"])
    np.testing.assert_array_equal(variances, tensors[f"{name}.bn.running_var"])
    gamma, beta = reducer.normalization.gamma, reducer.normalization.beta
    np.testing.assert_array_equal(gamma[0], tensors[f"{name}.bn.weight"])
    np.testing.assert_array_equal(beta[0], tensors[f"{name}.bn.bias"])
    classifier = network.get_layer("logits")
    assert classifier.kernel.numpy()[31, 2] == tensors["classifier.weight"][2, 31]
    np.testing.assert_array_equal(classifier.bias, tensors["classifier.bias"])


def test_the_prefix_of_data_parallel_is_accepted(numbered):
    expected, tensors = numbered
    network = build()
    parallel = {f"module.{name}": tensor for name, tensor in tensors.items()}
    load_reference_weights(network, GENOTYPE, parallel)
    for weight, other in zip(network.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_the_size_is_that_of_the_tensors():
    size = reference_size(reference_state.numbered_state())
    assert size == ("cifar", 3, 4, 3, 3, False)


def test_batch_norms_are_those_of_pytorch():
    assert (EPSILON, RATE) == (1e-5, 0.1)


def without(state, *beginnings):
    return {
        name: state[name]
        for name in state
        if not name.startswith(tuple(f"{each}." for each in beginnings))
    }


STATE = reference_state.random_state()
HEAD = {"auxiliary_head.classifier.bias": np.zeros(3, "float32")}
MISFITS = {
    "cells": (
        {"num_cells": 4},
        STATE,
        "missing .*cells.3.*They were trained with num_cells 3 .the network has 4.",
    ),
    "filters": (
        {"filters": 6},
        STATE,
        r"of another shape \(stem.0.weight \(expected \(18, 3, 3, 3\), received "
        r"\(12, 3, 3, 3\)\), .*, \.\.\.\)\. .*filters 4 .the network has 6.: make",
    ),
    "classes": (
        {"num_classes": 5},
        STATE,
        "tensors: 2 of another shape .*classifier.weight.*num_classes 3 .the network "
        "has 5",
    ),
    "channels": (
        {"input_shape": (9, 8, 1)},
        STATE,
        "tensors: 1 of another shape .*channels 3 .the network has 1",
    ),
    "stem": (
        {"stem": "imagenet", "input_shape": (64, 64, 3)},
        STATE,
        "stem cifar .the network has imagenet",
    ),
    "head left over": (
        {},
        STATE | HEAD,
        "tensors: 1 left over .auxiliary_head.classifier.bias.. .*auxiliary True",
    ),
    "head of another image size": (
        {"auxiliary": True},
        STATE | HEAD,
        "missing .auxiliary_head.*auxiliary head is for images of the size",
    ),
    "genotype": (
        {},
        without(STATE, "cells.1._ops.1")
        | {"cells.1._ops.0.op.1.weight": np.zeros((8, 1, 3, 3), "float32")},
        "6 missing .cells.1._ops.1.op.1.weight, .*; 1 left over "
        ".cells.1._ops.0.op.1.weight.. .*likely trained with another genotype",
    ),
    "no weights of DARTS": (
        {},
        {"conv1.weight": np.zeros((64, 3, 7, 7), "float32")},
        "not the weights of a network of DARTS: received 1 tensors .conv1.weight.; "
        "expected .*stem.0.weight",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_refused_and_changes_nothing(misfit):
    changes, tensors, message = MISFITS[misfit]
    network = build(**changes)
    before = [weight.numpy() for weight in network.weights]
    with pytest.raises(InputError, match=message) as raised:
        load_reference_weights(network, GENOTYPE, tensors)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_operations_that_the_reference_has_not_are_refused():
    cell = CellGenotype([[("channel_attention", 0), ("skip_connect", 1)]], [2])
    genotype = Genotype(cell, cell)
    network = build_network(genotype, **reference_state.SIZE)
    with pytest.raises(InputError, match="no operation 'channel_attention'"):
        load_reference_weights(network, genotype, STATE)


# The last two of each have the operations that the first has not.
@pytest.mark.parametrize(
    ("name", "stem", "image_shape", "num_cells"),
    [
        ("DARTS_V2", "cifar", (32, 32, 3), 5),
        ("NASNET", "cifar", (32, 32, 3), 3),
        ("AMOEBANET", "cifar", (36, 32, 3), 3),
        ("PC_DARTS_IMAGENET", "imagenet", (224, 224, 3), 4),
    ],
)
def test_logits_are_those_of_pytorch(name, stem, image_shape, num_cells):
    torch = pytest.importorskip(
        "torch", reason="needs PyTorch: pip install 'keras_atdarts[benchmarks]'"
    )
    from torch_reference import make_network

    genotype = Genotype.published(name)
    theirs = make_network(genotype, 4, num_cells, num_classes=7, stem=stem)
    images = np.random.default_rng(0).normal(size=(2, *image_shape)).astype("float32")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(np.moveaxis(images, -1, 1).copy()))
    logits, auxiliary = (tensor.numpy() for tensor in expected)
    ours = build_network(
        genotype, image_shape, 7, 4, num_cells, stem=stem, auxiliary=True
    )
    tensors = {name: each.numpy() for name, each in theirs.state_dict().items()}
    load_reference_weights(ours, genotype, tensors)
    result = ours(images, training=False)
    np.testing.assert_allclose(result["logits"], logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result["auxiliary"], auxiliary, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        without_auxiliary_head(ours)(images, training=False), result["logits"]
    )
