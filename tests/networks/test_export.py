import json
import pathlib
import subprocess
import sys

import exported
import keras
import numpy as np
import pytest
import tensorflow as tf
from exported import DATASET
from exported import GENOTYPE
from exported import expected_probabilities
from exported import raw_images
from sample_data import with_orientation
from tensorflow.python.eager import context

from keras_atdarts.data import decoding
from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.layers.batch_normalization import BatchNormalization
from keras_atdarts.networks import export
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.export import export_saved_model
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.networks.serving import RawImageClassifier

# Refuses to import this project, then classifies like any other program would.
STRANGER = """
import json
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "keras_atdarts":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
try:
    import keras_atdarts
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("the package can be imported")

import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
images = np.load(sys.argv[2], allow_pickle=False)
output = model.signatures["serving_default"](images=tf.constant(images))
print(json.dumps(output["probabilities"].numpy().tolist()))
"""


@pytest.fixture(scope="module")
def network():
    return exported.shared_network()


@pytest.fixture(scope="module")
def saved_model(network, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    export_saved_model(network, directory, DATASET, GENOTYPE)
    return directory


@pytest.fixture
def graph_optimizer():
    """TensorFlow's, which scripts that ran in this process have switched off."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    was_off = before.get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": was_off})


def classify(saved_model, images):
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    return signature(images=tf.constant(images))["probabilities"].numpy()


def test_saved_model_equals_the_network(network, saved_model):
    images = raw_images(5, 12, 10, 3)
    expected = expected_probabilities(network, images)
    received = classify(saved_model, images)
    np.testing.assert_allclose(received, expected, atol=1e-5)
    np.testing.assert_allclose(received.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(received, axis=0).max() > 1e-3  # It does look at the images.


def test_signature_is_named_and_takes_raw_images_of_any_size(saved_model):
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    assert inputs["images"].dtype == tf.uint8
    assert inputs["images"].shape.as_list() == [None, None, None, 3]
    assert list(signature.structured_outputs) == ["probabilities"]
    assert signature.structured_outputs["probabilities"].shape.as_list() == [None, 3]


def test_files_are_decoded_as_the_training_does(saved_model):
    """A photograph held sideways, and a grey one: by a signature of its own."""
    decode = tf.saved_model.load(str(saved_model)).signatures["decode"]
    assert decode.structured_outputs["image"].shape.as_list() == [None, None, 3]
    for channels in (1, 3):
        jpeg = tf.io.encode_jpeg(raw_images(20, 30, channels)).numpy()
        for orientation in (1, 8):
            content = with_orientation(jpeg, orientation)
            image = decode(content=tf.constant(content))["image"]
            assert image.shape == ((20, 30, 3) if orientation == 1 else (30, 20, 3))
            np.testing.assert_array_equal(image, decoding.decode(content, image.shape))


def test_images_of_another_size_are_resized(network, saved_model):
    images = raw_images(2, 12, 10, 3)
    larger = images.repeat(2, axis=1).repeat(2, axis=2)
    halved = tf.image.resize(larger, (12, 10), antialias=True).numpy().round()
    np.testing.assert_allclose(
        classify(saved_model, larger),
        expected_probabilities(network, halved),
        atol=1e-4,
    )


def test_images_are_cropped_as_test_images_are(network, tmp_path):
    description = {**DATASET, "central_fraction": 0.5}
    export_saved_model(network, tmp_path / "model", description, GENOTYPE)
    images = raw_images(2, 24, 20, 3)
    np.testing.assert_allclose(
        classify(tmp_path / "model", images),
        expected_probabilities(network, images[:, 6:18, 5:15]),
        atol=1e-4,
    )


def test_assets_are_class_names_and_genotype(saved_model):
    assets = saved_model / "assets"
    names = (assets / "class_names.txt").read_text(encoding="utf-8")
    assert names.splitlines() == DATASET["class_names"]
    assert Genotype.load(assets / "genotype.json") == GENOTYPE


def test_saved_model_loads_where_the_package_cannot_be_imported(
    network, saved_model, tmp_path
):
    images = raw_images(3, 12, 10, 3)
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, saved_model, tmp_path / "images.npy"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        json.loads(done.stdout), expected_probabilities(network, images), atol=1e-5
    )


def test_a_saved_model_that_differs_is_not_kept(network, tmp_path, monkeypatch):
    class Shifted(RawImageClassifier):
        def __init__(self, network, dataset, assets):
            super().__init__(network, {**dataset, "mean": [0.0, 0.0, 0.0]}, assets)

    monkeypatch.setattr(export, "RawImageClassifier", Shifted)
    with pytest.raises(RuntimeError, match="difference"):
        export_saved_model(network, tmp_path / "model", DATASET, GENOTYPE)
    assert not any(tmp_path.iterdir())


def test_a_network_that_folds_wrongly_is_not_written(network, tmp_path, monkeypatch):
    def forget_the_factors(normalization, kernels):
        normalization.folded = True

    monkeypatch.setattr(BatchNormalization, "fold_into", forget_the_factors)
    with pytest.raises(RuntimeError, match="expected logits within"):
        export_saved_model(network, tmp_path / "model", DATASET, GENOTYPE)
    assert not any(tmp_path.iterdir())


def test_saved_model_has_constants_and_no_batch_norms(saved_model):
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    assert signature.variables == ()
    functions = signature.graph.as_graph_def().library.function
    kinds = [node.op for function in functions for node in function.node_def]
    assert "MatMul" in kinds and "BiasAdd" in kinds
    assert not {"Rsqrt", "FusedBatchNormV3", "ReadVariableOp"} & set(kinds)


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="GPUs fuse otherwise"
)
def test_biases_and_relus_are_part_of_the_convolutions_before(
    saved_model, graph_optimizer
):
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    context.enable_run_metadata()
    try:
        signature(images=tf.constant(raw_images(2, 12, 10, 3)))
        partitions = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    fused = [
        node.name
        for graph in partitions
        for node in graph.node
        if list(node.attr["fused_ops"].list.s) == [b"BiasAdd", b"Relu"]
    ]
    inner = [name for name in fused if "sep_conv" in name]
    assert len(inner) == 2  # The first halves of the normal cell's.


def test_networks_of_mixed_precision_are_exported_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_network(GENOTYPE, (12, 10, 3), 3, filters=4, num_cells=3)
    finally:
        keras.config.set_dtype_policy("float32")
    export_saved_model(network, tmp_path / "model", DATASET, GENOTYPE)
    images = raw_images(5, 12, 10, 3)
    np.testing.assert_allclose(
        classify(tmp_path / "model", images),
        expected_probabilities(in_float32(network), images),
        atol=1e-5,
    )


def test_existing_saved_model_is_replaced_only_when_asked(network, tmp_path):
    directory = tmp_path / "model"
    export_saved_model(network, directory, DATASET, GENOTYPE)
    (directory / "note.txt").write_text("old")
    with pytest.raises(InputError, match="--overwrite"):
        export_saved_model(network, directory, DATASET, GENOTYPE)
    assert (directory / "note.txt").exists()
    export_saved_model(network, directory, DATASET, GENOTYPE, overwrite=True)
    assert not (directory / "note.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_never_replaced(network, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not a SavedModel"):
        export_saved_model(network, tmp_path, DATASET, GENOTYPE, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


def test_destination_that_cannot_be_written_is_refused(network):
    with pytest.raises(InputError, match="Cannot write"):
        export_saved_model(network, pathlib.Path("/proc/a/b"), DATASET, GENOTYPE)
