import logging
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from sample_data import random_pixels
from sample_data import with_orientation
from sample_data import write_image
from sample_data import write_image_folder

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError


def levels(dataset, split):
    """The grey levels of `write_image_folder` tell the images apart."""
    return dataset.arrays(split)[0][:, 0, 0, 0].tolist()


def test_test_split_is_stratified_disjoint_and_covering(tmp_path):
    write_image_folder(tmp_path, images_per_class=10)
    dataset = load_dataset(tmp_path, test_fraction=0.2)
    assert dataset.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(np.bincount(dataset.arrays("train")[1]), [8, 8, 8])
    np.testing.assert_array_equal(np.bincount(dataset.arrays("test")[1]), [2, 2, 2])
    assert sorted(levels(dataset, "train") + levels(dataset, "test")) == [*range(30)]
    for split in ("train", "test"):
        labels = dataset.arrays(split)[1]
        np.testing.assert_array_equal(np.array(levels(dataset, split)) // 10, labels)


def test_split_depends_on_the_seed_only(tmp_path):
    write_image_folder(tmp_path)
    first, again, other = (
        levels(load_dataset(tmp_path, seed=seed), "test") for seed in (1, 1, 2)
    )
    assert first == again
    assert sorted(first) != sorted(other)


def test_classes_are_mixed(tmp_path):
    write_image_folder(tmp_path)
    labels = load_dataset(tmp_path).arrays("train")[1]
    assert np.any(np.diff(labels) < 0)


@pytest.mark.parametrize("test_folder", ["test", "validation", "val"])
def test_given_train_and_test_folders(tmp_path, test_folder):
    write_image_folder(tmp_path / "train", images_per_class=4)
    write_image_folder(tmp_path / test_folder, images_per_class=2)
    dataset = load_dataset("folder", tmp_path)
    assert sorted(levels(dataset, "train")) == [*range(12)]
    assert sorted(levels(dataset, "test")) == [*range(6)]


def test_train_folder_alone_is_divided(tmp_path):
    write_image_folder(tmp_path / "train", images_per_class=4)
    dataset = load_dataset(tmp_path, test_fraction=0.25)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.num_examples("train") == 9


def test_smallest_classes_keep_an_image_on_each_side(tmp_path):
    write_image_folder(tmp_path, images_per_class=2)
    dataset = load_dataset(tmp_path, test_fraction=0.01)
    assert dataset.num_examples("train") == dataset.num_examples("test") == 3


@pytest.mark.parametrize("shape", [(5, 11, 1), (12, 3, 3)])
def test_shape_comes_from_the_images(tmp_path, shape):
    write_image_folder(tmp_path, shape)
    assert load_dataset(tmp_path).image_shape == shape


def test_transparency_is_dropped(tmp_path):
    write_image_folder(tmp_path / "colour", (4, 4, 4))
    write_image_folder(tmp_path / "grey", (4, 4, 2))
    assert load_dataset(tmp_path / "colour").image_shape == (4, 4, 3)
    assert load_dataset(tmp_path / "grey").image_shape == (4, 4, 1)


def test_grey_and_colour_become_colour(tmp_path):
    write_image_folder(tmp_path, (4, 5, 1), images_per_class=3)
    colours = random_pixels(4, 5, 3)
    write_image(tmp_path / "a" / "colour.png", colours)
    dataset = load_dataset(tmp_path)
    assert dataset.image_shape == (4, 5, 3)
    images = np.concatenate([dataset.arrays(split)[0] for split in ("train", "test")])
    is_grey = np.all(images == images[..., :1], axis=(1, 2, 3))
    assert is_grey.sum() == 9
    np.testing.assert_array_equal(images[~is_grey], [colours])


def test_other_formats(tmp_path):
    write_image_folder(tmp_path, (6, 5, 3), images_per_class=2, classes="ab")
    write_image(tmp_path / "a" / "photo.jpg", random_pixels(6, 5, 3))
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    dataset = load_dataset(tmp_path)
    assert dataset.num_examples("train") + dataset.num_examples("test") == 5


def test_sizes_that_differ(tmp_path):
    write_image_folder(tmp_path, (6, 5, 1))
    write_image(tmp_path / "b" / "large.png", random_pixels(60, 80, 1))
    with pytest.raises(InputError, match="differ in size.*--image-size"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, image_size=(12, 9))
    assert dataset.image_shape == (12, 9, 1)
    assert dataset.arrays("train")[0].shape[1:] == (12, 9, 1)


def write_nested(root):
    write_image(root / "a" / "more" / "deep.png", random_pixels(9, 7, 1))


def write_upper_case(root):
    path = root / "a" / "000.png"
    path.rename(path.with_name("IMG_000.PNG"))


def write_names_of_all_languages(root):
    (root / "a").rename(root / "Äpfel und 梨")
    write_image(
        root / "b" / "mon été à Kraków 猫.png", np.full((9, 7, 1), 90, np.uint8)
    )


@pytest.mark.parametrize(
    "change, names, count",
    [
        (write_nested, ("a", "b", "c"), 30),
        (write_upper_case, ("a", "b", "c"), 30),
        (write_names_of_all_languages, ("b", "c", "Äpfel und 梨"), 31),
    ],
)
def test_folders_as_they_are(tmp_path, change, names, count):
    root = write_image_folder(tmp_path / "my photos (2)")
    change(root)
    dataset = load_dataset(root)
    assert dataset.class_names == names
    assert len(levels(dataset, "train")) + len(levels(dataset, "test")) == count


def test_a_class_may_be_missing_among_the_test_images(tmp_path):
    write_image_folder(tmp_path / "train", images_per_class=4)
    write_image_folder(tmp_path / "test", images_per_class=2, classes="ac")
    dataset = load_dataset(tmp_path)
    assert dataset.class_names == ("a", "b", "c")
    assert sorted(dataset.arrays("test")[1]) == [0, 0, 2, 2]


def test_what_is_left_out_is_said_in_one_line(tmp_path, capsys):
    write_image_folder(tmp_path / "train")
    write_image_folder(tmp_path / "test")
    for name in ("a/1.heic", "b/2.HEIC", "c/3.tif", "c/README", "c/.DS_Store"):
        (tmp_path / "train" / name).write_bytes(b"")
    (tmp_path / "test" / "a" / "4.heic").write_bytes(b"")
    write_nested(tmp_path / "train")
    load_dataset(tmp_path)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"Left out of {tmp_path}: 3 .heic files, 1 folder, 1 .tif file, "
        "1 file without an ending. Read are .png, .jpg"
    )


def test_nothing_is_said_and_left_behind(tmp_path, capsys, caplog, monkeypatch):
    """Neither by us nor by TFDS, whose builders would leave temporary folders."""
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *names: pytest.fail(str(names)))
    write_image_folder(tmp_path)
    with caplog.at_level(logging.INFO, "absl"):
        load_dataset(tmp_path).arrays("test")
    assert capsys.readouterr().err == ""
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_photographs_are_turned_and_decoded_like_those_to_predict(tmp_path):
    """An image that is dark at the top, held in two ways."""
    seen = np.zeros((32, 48, 3), np.uint8)
    seen[16:] = 200
    sideways = tf.io.encode_jpeg(np.rot90(seen), quality=100).numpy()
    for name in "ab":
        for index in range(2):
            write_image(tmp_path / name / f"{index}.jpg", seen)
            turned = tmp_path / name / f"turned {index}.jpg"
            turned.write_bytes(with_orientation(sideways, 6))
    dataset = load_dataset(tmp_path)
    assert dataset.image_shape == (32, 48, 3)
    for pixels in dataset.arrays("train")[0]:
        np.testing.assert_allclose(pixels, seen, atol=4)


def damage(path, content):
    path.write_bytes(content)
    return path


def test_broken_image_is_named(tmp_path):
    write_image_folder(tmp_path, (40, 40, 3))
    whole = tf.io.encode_jpeg(random_pixels(40, 40, 3)).numpy()
    path = damage(tmp_path / "b" / "cut.jpg", whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"Broken image {path}: jpeg"):
        load_dataset(tmp_path)
    damage(tmp_path / "c" / "text.png", b"hello")
    with pytest.raises(InputError, match=r"Broken image .* \(and 1 more\)") as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_dataset("folder", tmp_path / "nowhere")


@pytest.mark.parametrize("classes", ["", "a"])
def test_folder_without_classes(tmp_path, classes):
    write_image_folder(tmp_path, classes=classes)
    expected = f"{len(classes)} class folders, expected at least 2"
    with pytest.raises(InputError, match=expected):
        load_dataset(tmp_path)


def test_class_folder_without_images(tmp_path):
    write_image_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="class folder .*empty has no images. Exp"):
        load_dataset(tmp_path)


def test_class_folder_with_other_things_only(tmp_path):
    write_image_folder(tmp_path)
    (tmp_path / "b" / "deeper").mkdir()
    for path in (tmp_path / "b").glob("*.png"):
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(InputError, match="no images, but 10 .heic files, 1 folder."):
        load_dataset(tmp_path)


def test_class_with_one_image(tmp_path):
    write_image_folder(tmp_path)
    write_image(tmp_path / "single" / "1.png", random_pixels(9, 7, 1))
    with pytest.raises(InputError, match="class 'single' has one image"):
        load_dataset(tmp_path)


def test_test_class_that_training_does_not_have(tmp_path):
    write_image_folder(tmp_path / "train", classes="ab")
    write_image_folder(tmp_path / "test", classes="abc")
    with pytest.raises(InputError, match="has a class 'c' that the training folder"):
        load_dataset(tmp_path)
