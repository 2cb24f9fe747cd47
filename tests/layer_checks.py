"""The checks that every layer of the package passes."""

import json

import keras
import numpy as np


def check_layer(layer_class, arguments, input_shape, output_shape, tmp_path):
    """Checks a layer: configuration, shapes, a fitted step, precision, saving.

    Args:
        layer_class: A sub-class of `keras.layers.Layer`.
        arguments: Dict, given to the class.
        input_shape: Tuple with the batch size.
        output_shape: Tuple that is expected.
        tmp_path: Path of an empty directory.
    """
    check_config(layer_class, arguments)
    inputs = random_images(input_shape)
    outputs = layer_class(**arguments)(inputs)
    assert tuple(outputs.shape) == output_shape
    assert keras.ops.all(keras.ops.isfinite(outputs))
    check_symbolic(layer_class, arguments, input_shape, output_shape)
    check_fit_and_save(layer_class, arguments, inputs, tmp_path)
    check_precision(layer_class, arguments, input_shape)


def random_images(shape, dtype="float32"):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def check_config(layer_class, arguments):
    layer = layer_class(**arguments)
    config = layer.get_config()
    assert layer_class.from_config(config).get_config() == config
    for name, value in arguments.items():
        assert config[name] == value
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    restored = keras.saving.deserialize_keras_object(json.loads(text))
    assert restored.get_config() == config


def check_symbolic(layer_class, arguments, input_shape, output_shape):
    layer = layer_class(**arguments)
    outputs = layer(keras.Input(input_shape[1:]))
    assert outputs.shape == (None, *output_shape[1:])
    built = layer_class(**arguments)
    built.build((None, *input_shape[1:]))
    assert built.count_params() == layer.count_params()


def check_fit_and_save(layer_class, arguments, inputs, tmp_path):
    layer = layer_class(**arguments)
    images = keras.Input(inputs.shape[1:])
    model = keras.Model(images, layer(images))
    targets = np.zeros(model(inputs).shape, "float32")
    before = [weight.numpy() for weight in layer.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.fit(inputs, targets, verbose=0, batch_size=len(inputs))
    for old, weight in zip(before, layer.trainable_weights, strict=True):
        assert np.any(old != weight.numpy()), f"No gradient for {weight.path}"
        assert np.all(np.isfinite(weight.numpy()))
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-5, atol=1e-6)


def check_precision(layer_class, arguments, input_shape):
    for policy, compute in (("mixed_bfloat16", "bfloat16"), ("float64", "float64")):
        layer = layer_class(**arguments, dtype=policy)
        outputs = layer(random_images(input_shape), training=True)
        assert keras.backend.standardize_dtype(outputs.dtype) == compute
        expected = "float32" if policy == "mixed_bfloat16" else "float64"
        assert {weight.dtype for weight in layer.trainable_weights} <= {expected}
