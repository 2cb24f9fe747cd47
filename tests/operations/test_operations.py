import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_layer
from layer_checks import random_images

from keras_atdarts import operations
from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.kernels import Source
from keras_atdarts.layers.batch_normalization import BatchNormalization
from keras_atdarts.networks.derived import build_network
from keras_atdarts.operations import Operation
from keras_atdarts.operations import base
from keras_atdarts.operations import build_operation
from keras_atdarts.operations import operation_names
from keras_atdarts.operations import place_attention
from keras_atdarts.operations import register_operation
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.supernet import Supernet

FILTERS = 4
# Weights of one edge with affine batch norms, written out from the definition.
PARAMETERS = {
    ("none", 1): 0,
    ("max_pool_3x3", 1): 0,
    ("avg_pool_3x3", 1): 0,
    ("skip_connect", 1): 0,
    ("skip_connect", 2): 16 + 8,
    ("sep_conv_3x3", 1): 2 * (9 * 4 + 16 + 8),
    ("sep_conv_5x5", 1): 2 * (25 * 4 + 16 + 8),
    ("sep_conv_7x7", 1): 2 * (49 * 4 + 16 + 8),
    ("conv_7x1_1x7", 1): 2 * 7 * 16 + 8,
    ("dil_conv_3x3", 1): 9 * 4 + 16 + 8,
    ("dil_conv_5x5", 1): 25 * 4 + 16 + 8,
    ("channel_attention", 1): 4 + 1 + 4 + 4,
    ("spatial_attention", 1): 2 * 49 + 2,
    ("channel_attention", 2): 4 + 1 + 4 + 4 + 24,
    ("spatial_attention", 2): 2 * 49 + 2 + 24,
    ("dil_conv_3x3+channel_attention", 1): 9 * 4 + 16 + 8 + 13,
    ("skip_connect+spatial_attention", 2): 24 + 2 * 49 + 2,
}
ATTENDED = ("dil_conv_3x3+channel_attention", "skip_connect+spatial_attention")

registered_operations = pytest.mark.parametrize("name", operation_names())
all_operations = pytest.mark.parametrize("name", (*operation_names(), *ATTENDED))
both_strides = pytest.mark.parametrize("strides", [1, 2])
sizes = pytest.mark.parametrize("size", [(8, 8), (7, 10)], ids=["even", "odd"])


def halved(size, strides):
    return tuple(-(-side // strides) for side in size)


def parameters(layer):
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


@all_operations
@both_strides
@sizes
def test_basics_of_derived_operations(name, strides, size, tmp_path):
    layer = build_operation(name, FILTERS, strides)
    config = layer.get_config()
    own = set(config) - {"name", "trainable", "dtype", "num_edges", "search"}
    check_layer(
        type(layer),
        {key: config[key] for key in own},
        (2, *size, FILTERS),
        (2, *halved(size, strides), FILTERS),
        tmp_path,
    )


def mixed(operation, x, weights):
    """Returns an operation's results in training, as tensors."""
    source = Source(x, training=True)
    return [source.backend.sum([term]) for term in operation.terms(source, weights)]


@all_operations
@both_strides
@sizes
def test_candidates_serve_every_edge(name, strides, size):
    operation = build_operation(name, FILTERS, strides, num_edges=3, search=True)
    x = tf.constant(random_images((4, *size, FILTERS)))
    operation.build(x.shape)
    weights = tf.constant([0.2, 0.5, 0.3])
    with tf.GradientTape() as tape:
        tape.watch([x, weights])
        results = mixed(operation, x, weights)
        loss = tf.add_n([tf.reduce_sum(y * (y + 1)) for y in results])
    assert [tuple(y.shape) for y in results] == [
        (4, *halved(size, strides), FILTERS)
    ] * 3
    if operation.is_zero:
        assert loss == 0
        return
    variables = [weight.value for weight in operation.trainable_weights]
    for gradient in tape.gradient(loss, [x, weights, *variables]):
        assert np.all(np.isfinite(gradient))
        assert np.any(np.array(gradient) != 0)


@all_operations
@both_strides
def test_edges_do_not_depend_on_each_other(name, strides):
    """An operation on three edges is three operations on one edge."""
    together = build_operation(
        name, FILTERS, strides, num_edges=3, search=True, dtype="float64"
    )
    x = tf.constant(random_images((4, 6, 6, FILTERS), "float64"))
    together.build(x.shape)
    weights = tf.constant([0.2, 0.5, 0.3], tf.float64)
    expected = mixed(together, x, weights)
    for edge, result in enumerate(expected):
        alone = build_operation(name, FILTERS, strides, search=True, dtype="float64")
        alone.build(x.shape)
        for own, shared in zip(alone.weights, together.weights, strict=True):
            own.assign(take_edge(shared.numpy(), own.shape, edge))
        [y] = mixed(alone, x, weights[edge : edge + 1])
        np.testing.assert_allclose(y, result, rtol=1e-9, atol=1e-12)


@all_operations
@both_strides
def test_second_derivatives_are_those_of_differences(name, strides):
    operation = build_operation(
        name, FILTERS, strides, num_edges=2, search=True, dtype="float64"
    )
    x, direction = random_images((2, 2, 6, 5, FILTERS), "float64")
    operation.build(x.shape)

    def gradient(inputs):
        weights = tf.constant([0.2, 0.5], tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            results = mixed(operation, inputs, weights)
            loss = tf.add_n([tf.reduce_sum(tf.sin(y)) for y in results])
        # What is no function of the input has a gradient of 0.
        return tape.gradient(loss, inputs, unconnected_gradients="zero")

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        slope = tf.reduce_sum(gradient(inputs) * direction)
    second = tape.gradient(slope, inputs, unconnected_gradients="zero")
    step = 1e-6
    ahead, behind = (gradient(tf.constant(x + s * direction)) for s in (step, -step))
    numerical = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(second, numerical, rtol=1e-5, atol=1e-6)
    assert np.any(second != 0) != operation.is_zero


def take_edge(value, shape, edge):
    """Cuts one edge out of a stacked weight, along the axis that is stacked."""
    axes = [
        axis
        for axis, (stacked, single) in enumerate(zip(value.shape, shape, strict=True))
        if stacked != single
    ]
    return np.take(value, [edge], axis=axes[0]) if axes else value


@pytest.mark.parametrize("name, strides", PARAMETERS)
def test_parameter_counts(name, strides):
    layer = build_operation(name, FILTERS, strides)
    layer.build((None, 8, 8, FILTERS))
    assert parameters(layer) == PARAMETERS[name, strides]


def test_rows_then_columns_are_one_square_convolution():
    """Of kernels that are products; strided, the even pixels of the same."""
    results = {}
    x = tf.constant(random_images((2, 9, 8, FILTERS), "float64"))
    for strides in (1, 2):
        layer = build_operation("conv_7x1_1x7", FILTERS, strides, dtype="float64")
        layer.build(x.shape)
        layer.row_kernel.assign(random_images(layer.row_kernel.shape))
        layer.column_kernel.assign(random_images(layer.column_kernel.shape))
        [results[strides]] = layer.results(Source(x))
    row, column = layer.row_kernel.numpy()[0, 0], layer.column_kernel.numpy()[0, :, 0]
    square = np.einsum("bim,amo->abio", row, column)
    expected = tf.nn.conv2d(tf.nn.relu(x), square, 1, "SAME")
    np.testing.assert_allclose(results[1], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(results[2], expected[:, ::2, ::2], rtol=1e-9, atol=1e-9)


@registered_operations
def test_candidates_have_no_affine_outer_batch_norm(name):
    layer = build_operation(name, FILTERS, search=True, num_edges=2)
    layer.build((None, 8, 8, FILTERS))
    norms = [x for x in layer._flatten_layers() if isinstance(x, BatchNormalization)]
    inside_gates = getattr(getattr(layer, "gate", None), "normalization", None)
    assert all(not norm.affine for norm in norms if norm is not inside_gates)
    normalised = name not in ("none", "skip_connect")
    assert (layer.normalization is not None) == normalised


@all_operations
def test_candidates_are_weighted_by_alpha(name):
    layer = build_operation(name, FILTERS, search=True, num_edges=1)
    x = tf.constant(random_images((4, 8, 8, FILTERS)))
    layer.build(x.shape)
    [one] = mixed(layer, x, tf.constant([1.0]))
    [half] = mixed(layer, x, tf.constant([0.5]))
    np.testing.assert_allclose(half, 0.5 * one, rtol=1e-5, atol=1e-6)
    if layer.normalization is not None:
        np.testing.assert_allclose(np.mean(one, axis=(0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(np.var(one, axis=(0, 1, 2)), 1, atol=2e-2)


def test_registering_one_class_is_all():
    @register_operation("scaled_identity", factor=3.0)
    @keras.saving.register_keras_serializable(package="test")
    class ScaledIdentity(Operation):
        has_weights = False

        def __init__(self, filters, factor, **kwargs):
            super().__init__(filters, **kwargs)
            self.factor = factor

        def results(self, source):
            return [self.factor * source.x]

    try:
        assert resolve_operations(["scaled_identity", "none"])
        layer = build_operation("scaled_identity", 2)
        np.testing.assert_allclose(layer(np.ones((1, 2, 2, 2))), 3.0)
        with pytest.raises(ValueError, match="exists already"):
            register_operation("scaled_identity")(ScaledIdentity)
        with pytest.raises(ValueError, match=r"must not contain '\+'.*name='a\+b'"):
            register_operation("a+b")(ScaledIdentity)
    finally:
        del base._REGISTRY["scaled_identity"]


def test_search_spaces_are_names_in_the_order_of_the_papers():
    assert resolve_operations("darts")[0] == "none"
    assert resolve_operations("at_darts")[:8] == resolve_operations("darts")
    assert resolve_operations("at_darts")[8:] == (
        "channel_attention",
        "spatial_attention",
    )
    assert operations.attention_names() == ("channel_attention", "spatial_attention")


def test_a_name_alone_is_the_space_and_among_others_the_operation():
    darts = resolve_operations("darts")
    for name in ("channel_attention", "spatial_attention"):
        assert resolve_operations(name) == (*darts, name)
        assert resolve_operations([name]) == (*darts, name)
        assert resolve_operations([name, "none"]) == (name, "none")
    assert resolve_operations("no_none") == resolve_operations("at_darts")[1:]
    assert resolve_operations(["skip_connect"]) == ("skip_connect",)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("name", ATTENDED)
def test_attention_multiplies_the_operations_result(name, strides):
    x = tf.constant(random_images((2, 6, 6, FILTERS)))
    layer = build_operation(name, FILTERS, strides)
    y = layer(x)
    result = layer.attended(x)
    [gate] = layer.gating.gate([result])
    np.testing.assert_allclose(y, result * gate, rtol=1e-6, atol=1e-7)
    assert not layer.is_identity


def test_attention_is_placed_among_or_after_the_operations():
    at_darts = resolve_operations("at_darts")
    attention = operations.attention_names()
    assert place_attention(at_darts, "among_operations") == (at_darts, ())
    assert place_attention(at_darts, "after_operations") == (at_darts[:8], attention)
    with pytest.raises(InputError, match="Did you mean 'after_operations'"):
        place_attention(at_darts, "after_operation")
    with pytest.raises(InputError, match="No attention could follow .*none, max_pool"):
        place_attention(resolve_operations("darts"), "after_operations")
    for names in (attention, ("none", *attention)):
        assert place_attention(names, "among_operations") == (names, ())
        with pytest.raises(InputError, match="operation other than 'none' to follow"):
            place_attention(names, "after_operations")


@pytest.mark.parametrize("space", operations.SEARCH_SPACES)
def test_search_spaces_name_operations_once(space):
    names = resolve_operations(space)
    assert resolve_operations(names) == names


def test_wrong_operations_are_named():
    with pytest.raises(InputError, match="Did you mean 'sep_conv_3x3'"):
        build_operation("sep_conv_3x", 4)
    with pytest.raises(InputError, match="Unknown attention 'max_pool_3x3'"):
        build_operation("skip_connect+max_pool_3x3", 4)
    with pytest.raises(InputError, match="Did you mean 'sep_conv_3x3'"):
        build_operation("sep_conv_3x+channel_attention", 4)
    with pytest.raises(InputError, match="Unknown attention 'spatial_attention\\+"):
        build_operation("skip_connect+spatial_attention+channel_attention", 4)
    with pytest.raises(InputError, match="Did you mean 'at_darts'"):
        resolve_operations("at_dart")
    with pytest.raises(InputError, match="'darts' is a search space and stands alone"):
        resolve_operations(["darts", "channel_attention"])
    with pytest.raises(InputError, match="must differ"):
        resolve_operations(["skip_connect", "skip_connect"])
    with pytest.raises(InputError, match="other than 'none'"):
        resolve_operations(["none"])
    with pytest.raises(ValueError, match="strides=3"):
        build_operation("none", 4, 3)
    with pytest.raises(ValueError, match="expected 4.*Received: 3 channels"):
        build_operation("skip_connect", 4).build((None, 8, 8, 3))


def test_statistics_of_earlier_versions_are_read():
    """Those of version 0.1 stood in two variables."""
    layer = BatchNormalization(num_edges=2)
    layer.build((None, None, None, 3))
    gamma, beta, mean, variance = random_images((4, 2, 3))
    layer.load_own_variables(
        {str(i): value for i, value in enumerate((gamma, beta, mean, variance))}
    )
    for found, expected in zip(
        (layer.gamma, layer.beta, *layer.moving_statistics.numpy()),
        (gamma, beta, mean, variance),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


class Gate(keras.layers.Layer):
    """A plain Keras layer: it has a weight, and knows neither filters nor strides."""

    def build(self, input_shape):
        self.strength = self.add_weight(name="strength", shape=(), initializer="ones")

    def call(self, inputs):
        return inputs * keras.ops.sigmoid(self.strength * inputs)


class Grown(keras.layers.Conv2D):
    """A layer of Keras that changes the channels."""

    def __init__(self, **kwargs):
        super().__init__(7, 1, **kwargs)


@pytest.fixture
def plain_layers():
    register_operation("gate")(Gate)
    register_operation("pool_2x2", pool_size=2, padding="same")(
        keras.layers.MaxPooling2D
    )
    register_operation("noise", stddev=0.1)(keras.layers.GaussianNoise)
    register_operation("grown")(Grown)
    yield
    for name in ("gate", "pool_2x2", "noise", "grown"):
        del base._REGISTRY[name]


@pytest.mark.parametrize("name", ["gate", "noise"])
@both_strides
@pytest.mark.parametrize("search", [False, True])
def test_a_plain_layer_is_an_operation(plain_layers, name, strides, search):
    x = tf.constant(random_images((2, 7, 6, FILTERS)))
    operation = build_operation(name, FILTERS, strides, num_edges=2, search=search)
    operation.build(x.shape)
    results = mixed(operation, x, tf.constant([0.2, 0.5]))
    assert [tuple(y.shape) for y in results] == [
        (2, *halved((7, 6), strides), FILTERS)
    ] * 2
    restored = type(operation).from_config(operation.get_config())
    restored.build(x.shape)
    restored.set_weights(operation.get_weights())
    np.testing.assert_allclose(
        restored(x, training=False), operation(x, training=False), atol=1e-6
    )
    if strides == 1 and not search and name == "gate":
        np.testing.assert_allclose(operation(x), x * tf.sigmoid(x), rtol=1e-5)


def test_a_plain_layer_is_searched_derived_and_saved(plain_layers, tmp_path):
    supernet = Supernet(3, 4, 3, ("none", "gate", "pool_2x2"), num_nodes=1)
    supernet.build((None, 8, 8, 1))
    genotype = derive_genotype(supernet.labelled_alphas())
    network = build_network(genotype, (8, 8, 1), 3, filters=4, num_cells=3)
    network.save(tmp_path / "network.keras")
    images = random_images((2, 8, 8, 1))
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(images), network(images), rtol=1e-5)


def test_a_layer_that_changes_the_channels_is_refused(plain_layers):
    with pytest.raises(InputError, match="'grown' must return the shape.*Received"):
        build_operation("grown", FILTERS).build((None, 8, 8, FILTERS))
