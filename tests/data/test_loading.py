import pathlib
import socket

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from sample_data import mocked_tfds
from sample_data import random_pixels
from sample_data import write_idx_folder
from sample_data import write_image_folder

from keras_atdarts.data import datasets
from keras_atdarts.data import image_dataset
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError


@pytest.fixture(autouse=True)
def no_network_and_own_cache(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def embedded():
    return load_dataset()


def store(folder, name, **splits):
    """Prepares a TFDS set from a list of examples per split."""
    catalogue = tfds.builder(name)
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=catalogue.version,
        data_dir=folder,
        features=catalogue.info.features,
        split_datasets={
            split: list(enumerate(examples)) for split, examples in splits.items()
        },
    )


@pytest.mark.parametrize("name", datasets.registered_datasets())
def test_registered_dataset(name, tmp_path):
    data_dirs = {
        "fashion_mnist": write_idx_folder(tmp_path / "idx"),
        "mnist": tmp_path / "idx",
        "folder": write_image_folder(tmp_path / "images"),
    }
    dataset = load_dataset(name, data_dirs.get(name))
    assert dataset.name == name
    assert dataset.num_classes == len(dataset.class_names)
    for split in ("train", "test"):
        images, labels = dataset.arrays(split)
        assert images.dtype == np.uint8 and labels.dtype == np.int32
        assert images.shape == (dataset.num_examples(split), *dataset.image_shape)
        assert len(labels) == len(images)
        assert set(labels) == set(range(dataset.num_classes))
    channels = dataset.image_shape[-1]
    assert len(dataset.mean) == len(dataset.std) == channels


def test_own_dataset(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "_OPENERS", dict(datasets._OPENERS))

    @datasets.register_dataset("my_letters")
    def my_letters(request):
        store(request.data_dir, "mnist", train=examples, test=examples)
        return tfds.builder("mnist", data_dir=request.data_dir)

    examples = [{"image": random_pixels(28, 28, 1), "label": 3}]
    dataset = load_dataset("my_letters", tmp_path)
    assert dataset.name == "my_letters"
    np.testing.assert_array_equal(dataset.arrays("test")[0], [examples[0]["image"]])


def test_registering_a_name_twice():
    with pytest.raises(ValueError, match="'mnist' is registered already"):
        datasets.register_dataset("mnist")(datasets.mnist)


def test_embedded_is_balanced_and_mixed(embedded):
    assert embedded.image_shape == (28, 28, 1)
    for split, count in (("train", 800), ("test", 200)):
        labels = embedded.arrays(split)[1]
        np.testing.assert_array_equal(np.bincount(labels), [count] * 10)
        # In class order the first hundred would be of one class.
        assert len(set(labels[:100])) == 10


def test_embedded_size_licence_and_format():
    folder = datasets.EMBEDDED_FOLDER / "fashion_mnist_small"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6e6
    licence = (folder / "LICENSE").read_text()
    assert "MIT License" in licence and "(c) 2017 Zalando SE" in licence
    builder = tfds.builder_from_directory(folder / "1.0.0")
    raw = builder.as_dataset("train", decoders={"image": tfds.decode.SkipDecoding()})
    encoded = next(iter(raw))["image"].numpy()
    assert encoded.startswith(b"\x89PNG")


def test_embedded_images_show_their_class(embedded):
    images, labels = embedded.arrays("train")
    ink = {
        name: images[labels == label].mean()
        for label, name in enumerate(embedded.class_names)
    }
    assert ink["Sandal"] < ink["Trouser"] < ink["Pullover"]
    feet = images[labels == embedded.class_names.index("Ankle boot")]
    assert feet[:, -4:].mean() > 2 * feet[:, :4].mean() > 0


def test_published_normalisation_is_that_of_the_images(embedded):
    pixels = embedded.arrays("train")[0] / 255
    assert embedded.mean == (0.2860,) and embedded.std == (0.3530,)
    np.testing.assert_allclose(embedded.mean[0], pixels.mean(), atol=0.005)
    np.testing.assert_allclose(embedded.std[0], pixels.std(), atol=0.005)


@pytest.mark.parametrize("memory_limit", [image_dataset.MEMORY_LIMIT, 0])
def test_measured_normalisation(tmp_path, memory_limit):
    write_image_folder(tmp_path, (9, 7, 3))
    dataset = load_dataset(tmp_path)
    dataset.memory_limit = memory_limit
    pixels = dataset.arrays("train")[0] / 255
    np.testing.assert_allclose(dataset.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_normalisation_of_constant_images_is_finite(tmp_path):
    write_image_folder(tmp_path / "train", images_per_class=1, classes="ab")
    write_image_folder(tmp_path / "test", images_per_class=1, classes="ab")
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_bytes(tf.io.encode_png(np.zeros((9, 7, 1), np.uint8)).numpy())
    assert load_dataset(tmp_path).std == (1 / 255,)


def test_description_is_json_ready(embedded):
    description = embedded.description()
    assert description["num_train"] == 8000 and description["num_test"] == 2000
    assert description["image_shape"] == [28, 28, 1]
    assert description["central_fraction"] == 1.0
    assert description["class_names"][9] == "Ankle boot"
    assert description["mean"] == [0.286]


def test_read_selects_positions_in_stored_order(embedded):
    chosen = [5, 17, 7999]
    images, labels = embedded.arrays("train")
    read = list(embedded.read("train", chosen).as_numpy_iterator())
    np.testing.assert_array_equal([image for image, _ in read], images[chosen])
    np.testing.assert_array_equal([label for _, label in read], labels[chosen])


def test_encoded_images_are_those_that_read_decodes(embedded):
    chosen = [5, 17, 7999]
    encoded = list(embedded.read_encoded("train", chosen).as_numpy_iterator())
    read = list(embedded.read("train", chosen).as_numpy_iterator())
    for (content, label), (image, expected_label) in zip(encoded, read, strict=True):
        np.testing.assert_array_equal(tf.io.decode_png(content), image)
        assert label == expected_label and label.dtype == np.int32


def test_bytes_of_a_stored_image(embedded, tmp_path):
    folder = write_image_folder(tmp_path)
    sizes = [path.stat().st_size for path in folder.rglob("*.png")]
    assert min(sizes) <= load_dataset(folder).encoded_bytes("train") <= max(sizes)
    assert 300 < embedded.encoded_bytes("train") < 784


def test_centre_of_resized_images(tmp_path):
    pixels = np.zeros((16, 16, 1), np.uint8)
    pixels[4:12, 4:12] = 200
    for name in "ab":
        for index in range(3):
            path = tmp_path / name / f"{index}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(tf.io.encode_png(pixels).numpy())
    dataset = load_dataset(tmp_path, image_size=(8, 8), central_fraction=0.5)
    assert np.all(dataset.arrays("test")[0] == 200)


def test_mocked_cifar10(tmp_path):
    with mocked_tfds("cifar10", tmp_path, num_examples=6):
        dataset = load_dataset("cifar10", tmp_path)
        assert dataset.image_shape == (32, 32, 3)
        assert dataset.num_classes == 10
        assert dataset.mean == (0.4914, 0.4822, 0.4465)
        images, labels = dataset.arrays("train")
    assert images.shape == (6, 32, 32, 3)
    assert set(labels) <= set(range(10))


def test_mocked_imagenet_is_cropped_to_one_size(tmp_path):
    splits = ("train", "validation")
    with mocked_tfds("imagenet2012", tmp_path, 3, splits):
        assert load_dataset("imagenet2012", tmp_path).image_shape == (224, 224, 3)
        dataset = load_dataset("imagenet2012", tmp_path, image_size=(20, 30))
        assert dataset.num_classes == 1000
        assert dataset.arrays("test")[0].shape == (3, 20, 30, 3)


def test_unlabelled_test_split_is_not_used(tmp_path):
    example = {"file_name": "x.png", "image": random_pixels(8, 8, 3)}
    store(
        tmp_path,
        "imagenet2012",
        train=[{**example, "label": 1}] * 4,
        validation=[{**example, "label": 2}] * 3,
        test=[{**example, "label": -1}] * 2,
    )
    dataset = load_dataset("imagenet2012", tmp_path, image_size=(8, 8))
    assert set(dataset.arrays("test")[1]) == {2}


def test_set_without_test_split_gets_one(tmp_path):
    examples = [
        {"image": random_pixels(6 + index, 8, 3), "label": 0} for index in range(10)
    ]
    store(tmp_path, "tf_flowers", train=examples)
    dataset = load_dataset("tf_flowers", tmp_path, (8, 6), test_fraction=0.3)
    assert dataset.num_examples("train") == 7 and dataset.num_examples("test") == 3
    both = np.concatenate([dataset.arrays(split)[0] for split in ("train", "test")])
    assert len(np.unique(both.reshape(10, -1), axis=0)) == 10


def test_sizes_that_differ_need_an_image_size(tmp_path):
    with pytest.raises(InputError, match="differ in size.*--image-size HEIGHT WIDTH"):
        load_dataset("tf_flowers", tmp_path)


@pytest.mark.parametrize(
    "name, nearest", [("cifer10", "cifar10"), ("fashion_mnist_smal", "small")]
)
def test_unknown_name(name, nearest):
    with pytest.raises(InputError, match=f"Unknown data set '{name}'.*{nearest}"):
        load_dataset(name)


def test_name_that_looks_like_a_path():
    with pytest.raises(InputError, match="image folder /no/such does not exist"):
        load_dataset("/no/such")


def test_set_without_images(tmp_path):
    with pytest.raises(InputError, match="'iris' has no feature 'image'"):
        load_dataset("iris", tmp_path)


def test_unknown_configuration_of_a_set():
    with pytest.raises(InputError, match="cannot open.*imagenette/nope"):
        load_dataset("imagenette/nope")


def test_no_network(tmp_path):
    with pytest.raises(InputError, match="cannot be downloaded: no network.*IDX files"):
        load_dataset("fashion_mnist", tmp_path)


def test_damaged_tfds_directory(tmp_path):
    examples = [{"id": "0", "image": random_pixels(32, 32, 3), "label": 3}]
    store(tmp_path, "cifar10", train=examples, test=examples)
    record = next(pathlib.Path(tmp_path).rglob("*train.tfrecord*"))
    record.write_bytes(record.read_bytes()[:-40])
    with pytest.raises(InputError, match="'train' of 'cifar10' cannot be read"):
        load_dataset("cifar10", tmp_path).arrays("train")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_size": (0, 8)}, "two positive numbers"),
        ({"image_size": (8,)}, "two positive numbers"),
        ({"test_fraction": 1.0}, "between 0 and 1. Received: 1.0"),
        ({"central_fraction": 1.5}, "at most 1. Received: 1.5"),
        ({"name": "folder"}, "needs a data directory"),
        ({"data_dir": "x"}, "takes no data directory"),
        ({"name": "/tmp", "data_dir": "x"}, "two folders"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        load_dataset(**arguments)
