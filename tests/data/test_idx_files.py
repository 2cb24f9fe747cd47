import numpy as np
import pytest
from sample_data import random_pixels
from sample_data import write_idx
from sample_data import write_idx_folder

from keras_atdarts.data import cache
from keras_atdarts.data import idx_files
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def label_of_image(images, labels):
    return {image.tobytes(): label for image, label in zip(images, labels, strict=True)}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_read_idx_folder(tmp_path, suffix):
    folder = write_idx_folder(tmp_path / "idx", suffix=suffix)
    images, labels = idx_files.read_idx_folder(folder, num_classes=10)["train"]
    np.testing.assert_array_equal(images[..., 0], random_pixels(30, 6, 5, seed=30))
    np.testing.assert_array_equal(labels, np.arange(30) % 10)


def test_dataset_holds_each_image_with_its_label(tmp_path):
    folder = write_idx_folder(tmp_path / "idx")
    dataset = load_dataset("fashion_mnist", folder)
    assert dataset.image_shape == (6, 5, 1)
    assert dataset.class_names[0] == "T-shirt/top"
    for split, (images, labels) in idx_files.read_idx_folder(folder, 10).items():
        assert label_of_image(*dataset.arrays(split)) == label_of_image(images, labels)


def test_files_are_converted_once_and_again_when_they_change(tmp_path, monkeypatch):
    folder = write_idx_folder(tmp_path / "idx")
    load_dataset("mnist", folder)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "store_arrays", None)
        load_dataset("mnist", folder)
    write_idx_folder(folder, num_train=20)
    assert load_dataset("mnist", folder).num_examples("train") == 20
    cached = sorted(path.name for path in cache.cache_folder().iterdir())
    assert len(cached) == 2 and all(name.startswith("mnist-") for name in cached)


def test_interrupted_conversion_leaves_nothing(tmp_path, monkeypatch):
    folder = write_idx_folder(tmp_path / "idx")

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "store_arrays", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_dataset("mnist", folder)
    assert list(cache.cache_folder().iterdir()) == []
    assert load_dataset("mnist", folder).num_examples("train") == 30


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written.*XDG_CACHE_HOME"):
        load_dataset("mnist", write_idx_folder(tmp_path / "idx"))


def shorten(path):
    path.write_bytes(path.read_bytes()[:-7])


def overwrite(path):
    path.write_bytes(b"hello")


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("damage", [shorten, overwrite, empty])
def test_damaged_file_is_named(tmp_path, suffix, damage):
    folder = write_idx_folder(tmp_path / "idx", suffix=suffix)
    path = folder / f"train-images-idx3-ubyte{suffix}"
    damage(path)
    with pytest.raises(InputError, match=path.name):
        load_dataset("fashion_mnist", folder)


def test_corrupt_compressed_data(tmp_path):
    folder = write_idx_folder(tmp_path / "idx")
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path.name} cannot be read"):
        load_dataset("fashion_mnist", folder)


def test_missing_file_is_named(tmp_path):
    folder = write_idx_folder(tmp_path / "idx")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="has no file t10k-labels-idx1-ubyte"):
        load_dataset("fashion_mnist", folder)


def test_counts_that_differ(tmp_path):
    folder = write_idx_folder(tmp_path / "idx")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(29, np.uint8))
    with pytest.raises(InputError, match="holds 30 images but .* 29 labels"):
        load_dataset("fashion_mnist", folder)


def test_label_beyond_the_classes(tmp_path):
    folder = write_idx_folder(tmp_path / "idx")
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.full(10, 11, np.uint8))
    with pytest.raises(InputError, match="t10k-labels.* has the label 11"):
        load_dataset("fashion_mnist", folder)
