"""What saves memory changes no result: recomputing, and batches in parts."""

import keras
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf
from layer_checks import random_images
from numbers_checks import needs_library

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.kernels import machine
from keras_atdarts.networks.derived import DerivedNetwork
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.callbacks import drop_path_layers
from keras_atdarts.training.optimizers import SGD

OPERATIONS = ("max_pool_3x3", "sep_conv_3x3")
ARCHITECTS = {
    "first order": FirstOrder(),
    "finite difference": SecondOrder(),
    "exact": SecondOrder("exact"),
}
architects = pytest.mark.parametrize("architect", ARCHITECTS.values(), ids=ARCHITECTS)


def make_supernet(devices=1, dtype="float64", **options):
    """Returns a small supernet, on whose gradients the clipping bites."""
    keras.utils.set_random_seed(0)
    with machine.make_strategy(devices).scope():
        supernet = Supernet(
            3,
            filters=2,
            num_cells=3,
            operations=(*OPERATIONS, "spatial_attention"),
            num_nodes=1,
            attention_placement="after_operations",
            dtype=dtype,
        )
        supernet.build((None, 8, 8, 1))
        optimizer = SGD(0.1, 0.9, clip_norm=0.05, coupled_weight_decay=0.1)
        supernet.compile(optimizer, SGD(0.1), **options)
    return supernet


def batch(parts=1, seed=0):
    """Four images, as often as there are parts."""
    images = random_images((2, 4, 8, 8, 1), "float64")[seed]
    labels = np.arange(4, dtype="int32") % 3
    return np.tile(images, (parts, 1, 1, 1)), np.tile(labels, parts)


def tensors(batch):
    return tuple(map(tf.constant, batch))


def numbers(metrics):
    return {name: float(value) for name, value in metrics.items()}


def assert_same_variables(mine, expected):
    for one, other in zip(mine, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@architects
def test_a_step_in_parts_is_the_step_at_once(architect):
    """Of equal parts, so that batch norms see the same statistics."""
    plain = make_supernet(architect=architect)
    expected = plain.train_step((tensors(batch()), tensors(batch(seed=1))))
    parts = make_supernet(architect=architect, gradient_accumulation=2)
    found = parts.train_step((tensors(batch(2)), tensors(batch(2, seed=1))))
    assert numbers(found) == pytest.approx(numbers(expected))
    assert_same_variables(parts.trainable_variables, plain.trainable_variables)
    assert parts.optimizer.iterations == parts.alpha_optimizer.iterations == 1


@architects
def test_recomputing_changes_nothing(architect):
    plain = make_supernet(architect=architect)
    again = make_supernet(architect=architect, recompute=True)
    data = tensors(batch()), tensors(batch(seed=1))
    assert numbers(again.train_step(data)) == numbers(plain.train_step(data))
    assert_same_variables(again.weights, plain.weights)


@pytest.mark.parametrize("in_graph", [False, True])
def test_recomputing_in_a_mixed_precision_changes_nothing(in_graph):
    """Variables are read in the compute dtype in the backward pass, too."""
    data = tensors(batch()), tensors(batch(seed=1))
    plain, again = (
        make_supernet(dtype="mixed_bfloat16", recompute=recompute)
        for recompute in (False, True)
    )
    for supernet in (plain, again):
        step = tf.function(supernet.train_step) if in_graph else supernet.train_step
        step(data)
    for mine, expected in zip(again.weights, plain.weights, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0.02, atol=2e-3)


@pytest.mark.parametrize(("devices", "recompute"), [(1, False), (1, True), (2, True)])
def test_parts_in_a_graph_and_on_devices(devices, recompute):
    """Both steps see the same images, so the stem's statistics are known."""
    plain = make_supernet()
    plain.train_step((tensors(batch()), tensors(batch())))
    parts = make_supernet(devices, gradient_accumulation=2, recompute=recompute)
    data = batch(2 * devices)
    data = tf.data.Dataset.from_tensors((data, data)).repeat()
    parts.fit(data, steps_per_epoch=1, shuffle=False, verbose=0)
    assert_same_variables(parts.trainable_variables, plain.trainable_variables)
    # Moved once a part, 4 times where they moved twice.
    statistics = [
        supernet.stem.normalization.moving_statistics.numpy()
        for supernet in (plain, parts)
    ]
    for start, moved in enumerate(zip(*statistics, strict=True)):
        of_batch = (moved[0] - 0.9**2 * start) / (1 - 0.9**2)
        expected = 0.9**4 * start + (1 - 0.9**4) * of_batch
        np.testing.assert_allclose(moved[1], expected, rtol=1e-9, atol=1e-12)


def test_a_batch_without_equal_parts_is_refused():
    supernet = make_supernet(gradient_accumulation=3)
    with pytest.raises(InputError, match="4 images on a device has no 3 equal parts"):
        supernet.train_step((tensors(batch()), tensors(batch())))


def convolutions(function, *arguments):
    """Returns how many depthwise convolutions a function computes, calls included."""
    graph = tf.function(function).get_concrete_function(*arguments).graph.as_graph_def()
    bodies = {each.signature.name: each.node_def for each in graph.library.function}

    def count(nodes):
        called = [node.attr["f"].func.name for node in nodes if "f" in node.attr]
        here = sum(node.op in CONVOLUTIONS for node in nodes)
        return here + sum(count(bodies[name]) for name in called)

    return count(graph.node)


CONVOLUTIONS = {"DepthwiseConv2dNative", "AtdartsStage"}


@pytest.mark.parametrize(
    "backend", [pytest.param("native", marks=[needs_library]), "reference"]
)
def test_only_the_backward_pass_computes_again(backend, monkeypatch):
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", backend)
    data = tensors(batch())
    counts = []
    for recompute in (False, True):
        supernet = make_supernet(recompute=recompute)
        counts.append(convolutions(supernet.training_loss(), data))
        counts.append(convolutions(supernet.train_step, (data, data)))
    loss, step, *recomputing = counts
    # Native kernels bring the cells' inputs to their filters, and are not run again.
    inputs = sum(len(cell.input_layers) for cell in supernet.cells)
    again = loss - (inputs if backend == "native" else 0)
    # The backward passes of two forward ones.
    assert step == 2 * loss
    assert recomputing == [loss, step + 2 * again]


CELL = CellGenotype([[("sep_conv_3x3", 0), ("channel_attention", 1)]], concat=[2])
GENOTYPE = Genotype(CELL, CELL)


def retrained(devices=1, recompute=False, parts=1, copies=1):
    """Returns a network in float64 after two steps with dropped paths."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float64")
    try:
        with machine.make_strategy(devices).scope():
            network = prepared(recompute, parts, drop_path=copies == 1)
        images, labels = batch(copies)
        labels = {"logits": labels, "auxiliary": labels}
        data = tf.data.Dataset.from_tensors((images, labels)).repeat()
        fit = network.fit(data, steps_per_epoch=2, shuffle=False, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    return network, fit.history


def prepared(recompute, parts, drop_path):
    network = build_network(
        GENOTYPE, (8, 8, 1), 3, 2, 3, auxiliary=True, drop_path=drop_path
    )
    for layer in drop_path_layers(network):
        layer.rate.assign(0.5)
    optimizer = SGD(0.1, 0.9, clip_norm=0.05)
    optimizer.build(network.trainable_variables)
    config = RetrainConfig(recompute=recompute, gradient_accumulation=parts)
    scripts.load("retrain.py").compile_network(network, optimizer, config)
    return network


def test_recomputing_a_network_changes_nothing():
    """Random paths included: those of the second computation are the first's."""
    plain, history = retrained()
    again, found = retrained(recompute=True)
    assert found == history
    assert_same_variables(again.variables, plain.variables)
    step = [convolutions(net.train_step, labelled(batch())) for net in (plain, again)]
    assert step[1] == 2 * step[0]


def labelled(batch):
    images, labels = tensors(batch)
    return images, {"logits": labels, "auxiliary": labels}


@pytest.mark.parametrize("devices", [1, 2])
def test_a_network_learns_the_same_in_parts(devices):
    settings = {"parts": 2, "recompute": devices == 2}
    parts, found = retrained(devices, copies=2 * devices, **settings)
    plain, history = retrained(copies=2)
    for name, values in history.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)
    assert_same_variables(parts.trainable_variables, plain.trainable_variables)
    assert parts.optimizer.iterations == 2
    assert type(without_auxiliary_head(parts)) is type(without_auxiliary_head(plain))


def test_scripts_save_memory(tmp_path):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    data = ["--dataset", images, *scripts.SMALL, "--epochs", 1]
    data += ["--gradient-accumulation", 2, "--recompute"]
    search, network = tmp_path / "search", tmp_path / "network"
    words = [*data, *scripts.SMALLEST_SPACE, "--workdir", search]
    assert scripts.run("search.py", *words) == 0
    supernet = keras.saving.load_model(search / workdir.SUPERNET)
    assert supernet.calls.recompute and supernet.gradient_accumulation == 2
    assert supernet.optimizer.iterations == 2  # The steps of the epoch.
    words = [*data, "--genotype", search / "genotype.json", "--workdir", network]
    assert scripts.run("retrain.py", *words) == 0
    loaded = load_network(workdir.RunDirectory(network))
    assert loaded.gradient_accumulation == 1  # It is no part of the network.


def test_parts_that_cannot_be_are_refused():
    expected = "12 images of a batch into 5 equal .* one of the numbers 1, 2, 3, 4, 6"
    with pytest.raises(InputError, match=expected):
        SearchConfig(batch_size=24, devices=2, gradient_accumulation=5)


def exhaust(self, data):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


@pytest.mark.parametrize("script", ["search.py", "retrain.py"])
def test_exhausted_memory_is_one_line(script, tmp_path, monkeypatch, capsys):
    owner = Supernet if script == "search.py" else DerivedNetwork
    monkeypatch.setattr(owner, "train_step", exhaust)
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    GENOTYPE.save(tmp_path / "genotype.json")
    words = ["--dataset", images, *scripts.SMALL, "--workdir", tmp_path / "run"]
    if script == "search.py":
        words += scripts.SMALLEST_SPACE
    else:
        words += ["--genotype", tmp_path / "genotype.json"]
    assert scripts.run(script, *words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"{script}: error: Memory ran out; ")
    assert f"{tmp_path / 'run'}" in line and "--recompute" in line
