"""Mixed precision: 16 bits for activations, float32 for all that adds up."""

import keras
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf
from layer_checks import random_images

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.operations import operation_names
from keras_atdarts.search.mixed_operation import MixedOperation
from keras_atdarts.search.mixing_weights import weights_by_source
from keras_atdarts.search.samplers import Softmax
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD

IMAGE_SHAPE = (9, 8, 1)  # Odd, not square, grey.
HALF_POLICIES = ("mixed_bfloat16", "mixed_float16")
TOLERANCE = {"mixed_bfloat16": 2**-4, "mixed_float16": 2**-7}


@pytest.fixture
def policy():
    """Returns the function that sets the policy for one test."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def mixture(name, strides, dtype):
    """Returns the operation on two edges, its results, and the gradient of alphas."""
    keras.utils.set_random_seed(0)
    layer = MixedOperation((name,), 4, strides, num_edges=2, dtype=dtype)
    x = tf.constant(random_images((4, 8, 8, 4)))
    layer.build(x.shape)
    alphas = tf.constant([0.3, 0.7])
    with tf.GradientTape() as tape:
        tape.watch(alphas)
        results = layer(x, weights=alphas[:, tf.newaxis], training=True)
        loss = tf.add_n([tf.reduce_sum(tf.cast(y, "float32") ** 2) for y in results])
    return layer, results, tape.gradient(loss, alphas)


@pytest.mark.parametrize("name", sorted({*operation_names()} - {"none"}))
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("dtype", HALF_POLICIES)
def test_operations_keep_statistics_and_alphas_in_float32(name, strides, dtype):
    expected_layer, expected, expected_slope = mixture(name, strides, "float32")
    layer, results, slope = mixture(name, strides, dtype)
    assert {weight.dtype for weight in layer.weights} <= {"float32"}
    tolerance = TOLERANCE[dtype]
    for one, other in zip(results, expected, strict=True):
        assert one.dtype.name == layer.compute_dtype
        scale = float(tf.reduce_max(tf.abs(other)))
        close = np.abs(one.numpy().astype("float32") - other) <= tolerance * scale
        assert np.mean(close) > 0.98  # A maximum may be found elsewhere.
    for one, other in zip(layer.weights, expected_layer.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance / 10)
    assert slope.dtype == tf.float32
    np.testing.assert_allclose(slope, expected_slope, rtol=3 * tolerance)


def test_softmax_is_in_float32(policy):
    policy("mixed_bfloat16")
    alphas = tf.constant([[0.0, 1e-3]] * 2)  # One value to bfloat16.
    [weights], _ = weights_by_source(Softmax().mean(alphas), num_nodes=1)
    assert weights.dtype == tf.float32
    assert 2e-4 < float(weights[1] - weights[0]) < 6e-4


def searched(dtype):
    """Returns logits before a step, and how the step changes weights and alphas."""
    keras.utils.set_random_seed(0)
    supernet = Supernet(3, filters=4, num_cells=3, num_nodes=2, dtype=dtype)
    supernet.build((None, *IMAGE_SHAPE))
    supernet.compile(SGD(0.1), SGD(0.1))
    images = tf.constant(random_images((8, *IMAGE_SHAPE)))
    batch = images, tf.constant(np.arange(8, dtype="int32") % 3)
    logits = supernet(images, training=True)
    assert logits.dtype == tf.float32
    assert supernet.loss_function(batch[1], logits).dtype == tf.float32
    assert {weight.dtype for weight in supernet.weights} == {"float32"}
    before = supernet.operation_weights, supernet.alpha_variables
    before = [[value.numpy() for value in values] for values in before]
    supernet.train_step((batch, batch))
    after = supernet.operation_weights, supernet.alpha_variables
    steps = [
        np.concatenate([np.ravel(y.numpy() - x) for x, y in zip(*pair, strict=True)])
        for pair in zip(before, after, strict=True)
    ]
    return logits, steps


def test_a_search_step_goes_where_it_goes_in_float32():
    logits, steps = searched("mixed_bfloat16")
    expected_logits, expected_steps = searched("float32")
    scale = np.max(np.abs(expected_logits))
    np.testing.assert_allclose(logits, expected_logits, atol=0.1 * scale)
    for step, expected in zip(steps, expected_steps, strict=True):
        cosine = step @ expected / np.linalg.norm(step) / np.linalg.norm(expected)
        assert cosine > 0.95
        assert np.linalg.norm(step) / np.linalg.norm(expected) == pytest.approx(1, 0.1)


def compiled(clip_norm, drop_path=False):
    """Returns a tiny network as the policy has it, compiled as in a retraining."""
    network = build_network(
        Genotype.load("DARTS_V2"), IMAGE_SHAPE, 3, 4, 3, drop_path=drop_path
    )
    optimizer = SGD(1.0, clip_norm=clip_norm)
    optimizer.build(network.trainable_variables)
    config = RetrainConfig(auxiliary=False)
    scripts.load("retrain.py").compile_network(network, optimizer, config)
    return network


def test_float16_clips_gradients_without_their_scale(policy):
    """Plain descent by 1 times a gradient that was clipped to norm 0.01."""
    policy("mixed_float16")
    network = compiled(clip_norm=0.01)
    assert float(network.optimizer.scale_loss(1.0)) == 2**15
    before = [weight.numpy() for weight in network.trainable_variables]
    images, labels = random_images((8, *IMAGE_SHAPE)), np.arange(8) % 3
    network.fit(images, labels, batch_size=8, verbose=0)
    step = [
        np.sum((weight.numpy() - old) ** 2)
        for weight, old in zip(network.trainable_variables, before, strict=True)
    ]
    assert np.sqrt(np.sum(step)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("dtype", HALF_POLICIES)
def test_a_network_comes_back_in_float32(dtype, policy, tmp_path):
    policy(dtype)
    network = compiled(5.0, drop_path=True)
    images = random_images((8, *IMAGE_SHAPE))
    network.fit(images, np.arange(8) % 3, batch_size=8, verbose=0)
    network.save(tmp_path / "network.keras")
    policy("float32")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    half = network(images)
    np.testing.assert_array_equal(loaded(images), half)
    wide = in_float32(loaded)
    assert {layer.compute_dtype for layer in wide._flatten_layers()} == {"float32"}
    for one, other in zip(wide.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    difference = np.max(np.abs(wide(images) - half))
    assert 0 < difference < TOLERANCE[dtype] * np.max(np.abs(half))
    assert in_float32(wide) is wide


def test_scripts_train_evaluate_and_export_with_mixed_precision(tmp_path):
    images = sample_data.write_image_folder(tmp_path / "images", (9, 8, 1))
    search, network = tmp_path / "search", tmp_path / "network"
    data = ["--dataset", images, *scripts.SMALL, "--epochs", 1]
    half = ["--precision", "mixed_bfloat16"]
    words = [*data, *half, *scripts.SMALLEST_SPACE, "--workdir", search]
    assert scripts.run("search.py", *words) == 0
    loaded = keras.saving.load_model(search / workdir.SUPERNET)
    assert loaded.compute_dtype == "bfloat16"
    half = ["--precision", "mixed_float16"]
    words = [*data, *half, "--genotype", search / "genotype.json"]
    assert scripts.run("retrain.py", *words, "--workdir", network) == 0
    saved = keras.saving.load_model(network / workdir.NETWORK, compile=False)
    assert saved.get_layer("stem").compute_dtype == "float16"
    assert load_network(RunDirectory(network)).compute_dtype == "float32"
    assert scripts.run("evaluate.py", "--workdir", network) == 0
    words = ["--workdir", network, "--output", tmp_path / "saved_model"]
    assert scripts.run("export.py", *words) == 0


def test_float16_is_refused_where_no_scale_is_found():
    with pytest.raises(InputError, match="two. Give --precision mixed_bfloat16"):
        SearchConfig(precision="mixed_float16")
    with pytest.raises(InputError, match="received 2 devices. Give --precision"):
        RetrainConfig(precision="mixed_float16", devices=2)
    assert RetrainConfig(precision="mixed_float16").precision == "mixed_float16"
