import json

import explained
import exported
import keras
import numpy as np
import pytest
import sample_data
import tensorflow as tf
from exported import IMAGE_SHAPE
from exported import expected_probabilities

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.networks import litert
from keras_atdarts.networks.litert import export_litert

NUM_TEST = 60
# The parts of these test images that must get the network's class.
AGREEMENT = {"float32": 1.0, "float16": 0.98, "int8": 0.9}
DIFFERENCE = {"float32": 1e-5, "float16": 1e-3, "int8": 0.05}
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")


def write_images(root, shape):
    """Images that differ in brightness, colour and noise; returns their data set."""
    random = np.random.default_rng(2)
    for split, count in (("train", 12), ("test", NUM_TEST)):
        for number in range(count):
            colour = random.uniform(20, 200, (1, 1, shape[-1]))
            pixels = colour + random.uniform(-20, 50, shape)
            path = root / split / "abc"[number % 3] / f"{number:03}.png"
            sample_data.write_image(path, pixels.astype(np.uint8))
    return load_dataset(str(root))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("colour"), IMAGE_SHAPE)


def read(path):
    return tf.lite.Interpreter(str(path))


def classify(path, images):
    """Returns the probabilities for images, one by one, as a phone would."""
    interpreter = read(path)
    [details] = interpreter.get_input_details()
    [result] = interpreter.get_output_details()
    interpreter.allocate_tensors()
    rows = []
    for image in images:
        batch = image[np.newaxis].astype(details["dtype"])
        interpreter.set_tensor(details["index"], batch)
        interpreter.invoke()
        rows += list(interpreter.get_tensor(result["index"]))
    return np.array(rows)


@pytest.fixture(scope="module")
def files(dataset, tmp_path_factory):
    """The network in every precision: path and facts by precision."""
    folder = tmp_path_factory.mktemp("litert") / "files"
    network = exported.shared_network()
    return {
        precision: (
            folder / f"{precision}.tflite",
            export_litert(network, folder / f"{precision}.tflite", dataset, precision),
        )
        for precision in litert.PRECISIONS
    }


@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_file_computes_what_the_network_does(dataset, files, precision):
    path, facts = files[precision]
    images, labels = dataset.arrays("test")
    expected = np.array(
        expected_probabilities(exported.shared_network(), images, dataset.description())
    )
    received = classify(path, images)
    difference = np.max(np.abs(received - expected))
    of_file, of_network = received.argmax(axis=-1), expected.argmax(axis=-1)
    agreement = np.mean(of_file == of_network)
    assert len(set(of_network)) == 3
    assert difference <= DIFFERENCE[precision]
    assert agreement >= AGREEMENT[precision]
    assert facts == {
        "file": path.name,
        "bytes": path.stat().st_size,
        "precision": precision,
        "image_shape": list(IMAGE_SHAPE),
        "image_dtype": "uint8" if precision == "int8" else "float32",
        "class_names": ["a", "b", "c"],
        "num_images": NUM_TEST,
        "agreement": agreement,
        "largest_difference": pytest.approx(difference, abs=1e-6),
        "accuracy": np.mean(of_file == labels),
        "network_accuracy": np.mean(of_network == labels),
    }
    assert json.loads(path.with_name(f"{path.name}.json").read_text()) == facts


def test_int8_takes_bytes_as_they_are_and_has_kernels_of_bytes(files):
    interpreter = read(files["int8"][0])
    [details] = interpreter.get_input_details()
    assert details["quantization"] == (1.0, 0)
    scaled_by_channel = {
        tensor["dtype"]
        for tensor in interpreter.get_tensor_details()
        if len(tensor["quantization_parameters"]["scales"]) > 1
    }
    assert scaled_by_channel == {np.int8, np.int32}  # Kernels and biases.


@pytest.mark.parametrize("precision", litert.PRECISIONS)
def test_dilated_convolutions_stay_whole(files, precision):
    operations = {
        each["op_name"] for each in read(files[precision][0])._get_ops_details()
    }
    assert "DEPTHWISE_CONV_2D" in operations
    assert not [name for name in operations if "BATCH" in name]


def test_networks_with_attention_are_converted(tmp_path):
    dataset = write_images(tmp_path / "grey", explained.IMAGE_SHAPE)
    network = explained.shared_network()
    for precision in ("float32", "int8"):
        path = tmp_path / f"{precision}.tflite"
        facts = export_litert(network, path, dataset, precision)
        assert facts["largest_difference"] <= DIFFERENCE[precision]


def test_fewer_test_images_are_spread_evenly(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(litert, "NUM_COMPARED", 4)
    images, _ = dataset.arrays("test")
    [(read_images, _)] = litert.read_evenly(dataset, "test", 4, batch_size=10)
    np.testing.assert_array_equal(read_images, images[[0, 20, 39, 59]])
    facts = export_litert(exported.shared_network(), tmp_path / "a.tflite", dataset)
    assert facts["num_images"] == 4


def test_a_file_that_differs_is_not_kept(dataset, tmp_path, monkeypatch):
    convert = litert.convert

    def convert_in_less(network, dataset, precision):
        return convert(network, dataset, "int8")

    monkeypatch.setattr(litert, "convert", convert_in_less)
    with pytest.raises(RuntimeError, match="LiteRT file does not compute"):
        export_litert(exported.shared_network(), tmp_path / "a.tflite", dataset)
    assert not any(tmp_path.iterdir())


def test_existing_file_is_replaced_only_when_asked(dataset, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_text("old")
    with pytest.raises(InputError, match="--overwrite"):
        export_litert(exported.shared_network(), path, dataset)
    assert path.read_text() == "old"
    export_litert(exported.shared_network(), path, dataset, overwrite=True)
    assert classify(path, dataset.arrays("test")[0][:1]).shape == (1, 3)
    assert {each.name for each in tmp_path.iterdir()} == {"a.tflite", "a.tflite.json"}


def test_an_operation_that_litert_lacks_is_named(dataset, tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class InverseErrorFunction(keras.layers.Layer):
        def call(self, inputs):
            return tf.math.erfinv(inputs)

    inputs = keras.Input(IMAGE_SHAPE)
    pooled = keras.layers.GlobalAveragePooling2D()(InverseErrorFunction()(inputs))
    network = keras.Model(inputs, keras.layers.Dense(3)(pooled))
    with pytest.raises(InputError, match="knows no Erfinv. .* or export a SavedModel"):
        export_litert(network, tmp_path / "a.tflite", dataset)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("a.tflite", "float8", "Unknown precision 'float8'.*float16, float32, int8"),
        ("a.onnx", "int8", "ends in .tflite, such as .*a.tflite'"),
        ("folder.tflite", "int8", "is a directory"),
    ],
)
def test_bad_input_is_refused(dataset, tmp_path, name, precision, expected):
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(InputError, match=expected):
        export_litert(None, tmp_path / name, dataset, precision)
