import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_layer
from layer_checks import random_images

from keras_atdarts.layers.attention import ChannelAttention
from keras_atdarts.layers.attention import ChannelGate
from keras_atdarts.layers.attention import SpatialAttention
from keras_atdarts.layers.attention import SpatialGate


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    "layer_class, arguments",
    [
        (ChannelAttention, {"reduction_ratio": 4}),
        (SpatialAttention, {"kernel_size": 3}),
    ],
)
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_basics(layer_class, arguments, size, tmp_path):
    shape = (2, *size, 8)
    check_layer(layer_class, arguments, shape, shape, tmp_path)


def test_channel_attention_is_that_of_cbam():
    x = random_images((3, 5, 6, 8), "float64")
    layer = ChannelAttention(reduction_ratio=4, dtype="float64")
    layer.build(x.shape)
    (w1, b1), (w2, b2) = (
        [part.numpy()[0] for part in dense]
        for dense in (layer.gate.squeeze, layer.gate.excite)
    )
    assert w1.shape == (8, 2) and b1.shape == (1, 2)
    assert w2.shape == (2, 8) and b2.shape == (1, 8)

    def mlp(pooled):
        return np.maximum(pooled @ w1 + b1, 0) @ w2 + b2

    gate = sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))
    np.testing.assert_allclose(layer(x), x * gate[:, None, None, :], rtol=1e-12)


def test_spatial_attention_is_that_of_cbam():
    x = random_images((2, 5, 6, 8), "float64")
    layer = SpatialAttention(dtype="float64")
    layer.build(x.shape)
    layer.gate.normalization.moving_statistics.assign([[[0.3]], [[2.0]]])
    kernel = layer.gate.kernel.numpy()[..., 0]
    pooled = np.stack([x.max(-1), x.mean(-1)], axis=-1)
    padded = np.pad(pooled, ((0, 0), (3, 3), (3, 3), (0, 0)))
    maps = np.zeros((2, 5, 6))
    for row in range(5):
        for column in range(6):
            window = padded[:, row : row + 7, column : column + 7]
            maps[:, row, column] = np.sum(window * kernel, axis=(1, 2, 3))
    gate = sigmoid((maps - 0.3) / np.sqrt(2.0 + 1e-5))
    np.testing.assert_allclose(layer(x), x * gate[..., None], rtol=1e-10)


def test_few_channels_keep_a_hidden_unit():
    layer = ChannelAttention(reduction_ratio=16)
    layer.build((None, 4, 4, 3))
    assert layer.gate.squeeze[0].shape == (1, 3, 1)


@pytest.mark.parametrize("gate_class", [ChannelGate, SpatialGate])
def test_several_gates_are_gates_of_their_own(gate_class):
    """One call for all gates of a tensor, or each gate on its own tensor, agree."""
    x = random_images((2, 6, 5, 8), "float64")
    gates = gate_class(num_gates=3, dtype="float64")
    together = gates([x])
    apart = gates([x, x, x])
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert not np.allclose(together[0], together[1])
    assert np.all(np.array(together[0]) > 0) and np.all(np.array(together[0]) < 1)


def test_gates_configure_from_their_config():
    for gate in (ChannelGate(4, num_gates=2), SpatialGate(3, num_gates=2)):
        config = keras.saving.serialize_keras_object(gate)
        restored = keras.saving.deserialize_keras_object(config)
        assert restored.get_config() == gate.get_config()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="reduction_ratio=0"):
        ChannelAttention(reduction_ratio=0)
    with pytest.raises(ValueError, match="kernel_size=4"):
        SpatialAttention(kernel_size=4)


def test_xla_compiles_it_in_any_model():
    layer = SpatialAttention()
    x = tf.constant(random_images((2, 6, 5, 3)))
    layer.build(x.shape)
    before = layer.get_weights()
    expected = layer(x, training=True)
    layer.set_weights(before)
    compiled = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-4, atol=1e-6)
