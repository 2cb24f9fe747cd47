"""What a server, Keras or a converter calls in a SavedModel.

TensorFlow Serving makes tensors of JSON in `tensorflow_serving/util/json_tensor.cc`,
with the dtypes of the signature; `serve` does the same.
"""

import base64
import json
import math

import exported
import keras
import numpy as np
import pytest
import tensorflow as tf
from exported import DATASET
from exported import IMAGE_SHAPE
from exported import expected_probabilities
from exported import raw_images
from tensorflow.core.protobuf import saved_model_pb2

from keras_atdarts.data import decoding
from keras_atdarts.data import images as image_functions
from keras_atdarts.networks.export import export_saved_model


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("serving") / "model"
    export_saved_model(exported.shared_network(), directory, DATASET, exported.GENOTYPE)
    return directory


@pytest.fixture(scope="module")
def signatures(saved_model):
    return tf.saved_model.load(str(saved_model)).signatures


def serve(signatures, request):
    """Returns what TensorFlow Serving answers to the JSON of a request."""
    request = json.loads(request)
    signature = signatures[request.get("signature_name", "serving_default")]
    [(name, spec)] = signature.structured_input_signature[1].items()
    if "instances" in request:
        value = [
            item[name] if isinstance(item, dict) and name in item else item
            for item in request["instances"]
        ]
    else:
        value = request["inputs"][name]
    if isinstance(value, dict):
        value = base64.b64decode(value["b64"])
    value = tf.constant(value, spec.dtype)  # Refuses fractions for integers.
    [answer] = signature(**{name: value}).values()
    return answer.numpy()


@pytest.mark.parametrize("signature", ["serving_default", "network_size"])
@pytest.mark.parametrize("count", [1, 7, 256])
def test_nested_lists_of_all_batch_sizes(signatures, signature, count):
    images = raw_images(count, *IMAGE_SHAPE)
    expected = expected_probabilities(exported.shared_network(), images)
    rows = {"signature_name": signature, "instances": images.tolist()}
    columns = {"signature_name": signature, "inputs": {"images": images.tolist()}}
    named = [{"images": image} for image in images.tolist()]
    named = {"signature_name": signature, "instances": named}
    for request in (rows, columns, named):
        received = serve(signatures, json.dumps(request))
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_float_pixels_go_to_the_signature_of_the_networks_size(signatures):
    images = raw_images(3, *IMAGE_SHAPE) - np.float32(0.25)
    rows = {"signature_name": "network_size", "instances": images.tolist()}
    np.testing.assert_allclose(
        serve(signatures, json.dumps(rows)),
        expected_probabilities(exported.shared_network(), images),
        atol=1e-5,
    )
    for name, other in (("serving_default", "float32"), ("network_size", "uint8")):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a"):
            signatures[name](images=tf.constant(images.astype(other)))


def test_resized_images_are_equal_between_the_signatures(signatures):
    large = raw_images(4, 31, 22, 3)
    resized = image_functions.resize(large, IMAGE_SHAPE[:2])
    np.testing.assert_allclose(
        signatures["network_size"](images=tf.cast(resized, tf.float32))[
            "probabilities"
        ],
        signatures["serving_default"](images=tf.constant(large))["probabilities"],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("signature", "shape", "expected"),
    [
        ("serving_default", (2, 12, 10, 1), r"\[\?,\?,\?,3\]"),
        ("serving_default", (2, 9, 9, 4), r"\[\?,\?,\?,3\]"),
        ("serving_default", (12, 10, 3), r"\[\?,\?,\?,3\]"),
        ("network_size", (2, 12, 10, 1), r"\[\?,12,10,3\]"),
        ("network_size", (2, 10, 12, 3), r"\[\?,12,10,3\]"),
        ("network_size", (12, 10, 3), r"\[\?,12,10,3\]"),
    ],
)
def test_wrong_shapes_are_named(signatures, signature, shape, expected):
    received = ",".join(map(str, shape))
    message = rf"\[{received}\] is not compatible with expected shape {expected}"
    images = raw_images(*shape).tolist()
    request = json.dumps({"signature_name": signature, "inputs": {"images": images}})
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(signatures, request)


@pytest.mark.parametrize("encode", [tf.io.encode_png, tf.io.encode_jpeg])
def test_an_image_file_in_base64_is_decoded_then_classified(signatures, encode):
    content = encode(raw_images(20, 30, 3)).numpy()
    encoded = {"b64": base64.b64encode(content).decode("ascii")}
    request = {"signature_name": "decode", "inputs": {"content": encoded}}
    pixels = serve(signatures, json.dumps(request))
    np.testing.assert_array_equal(pixels, decoding.decode(content, (20, 30, 3)))
    received = serve(signatures, json.dumps({"instances": [pixels.tolist()]}))
    resized = image_functions.resize(pixels[np.newaxis], IMAGE_SHAPE[:2]).numpy()
    expected = expected_probabilities(exported.shared_network(), resized)
    np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.parametrize("signature", ["serving_default", "network_size"])
def test_keras_takes_a_signature_as_a_layer(saved_model, signature):
    layer = keras.layers.TFSMLayer(str(saved_model), call_endpoint=signature)
    images = raw_images(3, *IMAGE_SHAPE)
    dtype = "uint8" if signature == "serving_default" else "float32"
    inputs = keras.Input(IMAGE_SHAPE, dtype=dtype)
    model = keras.Model(inputs, layer(inputs)["probabilities"])
    expected = expected_probabilities(exported.shared_network(), images)
    for classify in (model, model.predict_on_batch):
        received = classify(images.astype(dtype))
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_signatures_share_the_weights(saved_model):
    """The constants are stored once, not for every signature."""
    saved = saved_model_pb2.SavedModel.FromString(
        (saved_model / "saved_model.pb").read_bytes()
    )
    [meta_graph] = saved.meta_graphs
    shapes = [
        node.attr["value"].tensor.tensor_shape
        for function in meta_graph.graph_def.library.function
        for node in function.node_def
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    ]
    stored = sum(math.prod(axis.size for axis in shape.dim) for shape in shapes)
    weights = exported.shared_network().count_params()
    assert weights < stored < 1.2 * weights


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_network_size_needs_builtin_operations_only(saved_model):
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["network_size"]
    )
    assert tf.lite.OpsSet.SELECT_TF_OPS not in converter.target_spec.supported_ops
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    images = raw_images(1, *IMAGE_SHAPE)
    received = interpreter.get_signature_runner("network_size")(
        images=images.astype("float32")
    )
    expected = expected_probabilities(exported.shared_network(), images)
    np.testing.assert_allclose(received["probabilities"], expected, atol=1e-5)
