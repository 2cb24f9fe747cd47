import math
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from batch_checks import add_noise
from batch_checks import assert_same
from batch_checks import take
from sample_data import write_image_folder

from keras_atdarts.data import shuffling
from keras_atdarts.data.augmentation import Augmentation
from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.batches import search_batches
from keras_atdarts.data.batches import training_batches
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.data.orientation import read_orientation
from keras_atdarts.data.splits import search_split
from keras_atdarts.errors import InputError

NOTHING = Augmentation(crop_padding=0, flip=False, cutout=0)
EVERYTHING = Augmentation(crop_padding=2, flip=True, cutout=3, extra=(add_noise,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 training images; the grey level of each is its number."""
    root = tmp_path_factory.mktemp("images")
    write_image_folder(root / "train", (8, 6, 1), images_per_class=10)
    return write_image_folder(root / "test", (8, 6, 1), images_per_class=5).parent


@pytest.fixture(params=["in memory", "streamed"])
def dataset(folder, request):
    dataset = load_dataset("folder", folder)
    if request.param == "streamed":
        dataset.memory_limit = 0
    return dataset


def grey_levels(dataset, images):
    pixels = images * dataset.std + dataset.mean
    return np.rint(255 * pixels[:, 0, 0, 0]).astype(int)


def positions(dataset, images):
    """Which training images these are, by their position in the split."""
    stored = dataset.arrays("train")[0][:, 0, 0, 0].tolist()
    return [stored.index(level) for level in grey_levels(dataset, images)]


def test_each_epoch_shows_every_image_once(dataset):
    batches = take(training_batches(dataset, 5, NOTHING, seed=0), 12)
    epochs = [
        np.concatenate([positions(dataset, images) for images, _ in part])
        for part in (batches[:6], batches[6:])
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(30))
        assert np.any(epoch != np.arange(30))
    assert np.any(epochs[0] != epochs[1])


def test_labels_follow_their_images(dataset):
    for images, labels in take(training_batches(dataset, 7, NOTHING, 0), 8):
        np.testing.assert_array_equal(grey_levels(dataset, images) // 10, labels)


def test_types_and_static_shapes(dataset):
    images, labels = training_batches(dataset, 7, EVERYTHING, seed=0).element_spec
    assert images.shape == (7, 8, 6, 1) and images.dtype == "float32"
    assert labels.shape == (7,) and labels.dtype == "int32"


def test_remainder_is_dropped_within_an_epoch(dataset):
    batches = take(training_batches(dataset, 8, NOTHING, seed=0), 6)
    for part in (batches[:3], batches[3:]):
        seen = np.concatenate([positions(dataset, images) for images, _ in part])
        assert len(set(seen)) == 24


def test_without_augmentation_images_are_only_normalised(dataset):
    stored = dataset.arrays("train")[0] / 255
    for images, _ in take(training_batches(dataset, 10, NOTHING, 0), 3):
        expected = stored[positions(dataset, images)] - dataset.mean
        np.testing.assert_allclose(images, expected / dataset.std, atol=1e-5)


def test_cutout_zeroes_after_normalisation(dataset):
    cutout = Augmentation(crop_padding=0, flip=False, cutout=4)
    images = take(training_batches(dataset, 30, cutout, seed=0), 1)[0][0]
    num_zeroes = np.sum(images == 0, axis=(1, 2, 3))
    assert num_zeroes.min() >= 4 and num_zeroes.max() == 16


def test_crop_pads_with_black(dataset):
    crop = Augmentation(crop_padding=3, flip=False, cutout=0)
    images = take(training_batches(dataset, 30, crop, seed=0), 1)[0][0]
    black = -np.array(dataset.mean) / dataset.std
    bordered = np.isclose(images, black, atol=1e-5).any(axis=(1, 2, 3))
    assert bordered.sum() > 20


def test_same_seed_gives_the_same_batches(dataset):
    runs = [
        take(training_batches(dataset, 4, EVERYTHING, seed), 9) for seed in (5, 5, 6)
    ]
    assert_same(runs[0], runs[1])
    assert any(np.any(a[0] != b[0]) for a, b in zip(runs[0], runs[2], strict=True))


@pytest.mark.parametrize("first", [14, 11])
def test_first_batch_continues_a_run(dataset, monkeypatch, first):
    # Streamed in blocks of eight images.
    monkeypatch.setattr(shuffling, "SHUFFLE_BUFFER", 8 * math.prod(dataset.image_shape))
    whole = take(training_batches(dataset, 4, EVERYTHING, seed=1), 21)
    later = training_batches(dataset, 4, EVERYTHING, seed=1, first_batch=first)
    assert_same(take(later, 21 - first), whole[first:])


def test_augmentation_differs_between_epochs(dataset):
    cutout = Augmentation(crop_padding=0, flip=False, cutout=2)
    first, second = take(training_batches(dataset, 30, cutout, seed=0), 2)
    assert np.any((first[0] == 0) != (second[0] == 0))


def test_indices_choose_the_images(dataset):
    chosen = [1, 4, 9, 16, 25]
    batches = training_batches(dataset, 5, NOTHING, 0, indices=chosen)
    for images, _ in take(batches, 3):
        assert sorted(positions(dataset, images)) == chosen


def test_search_batches_come_from_their_halves(dataset):
    weight, alpha = search_split(30, 0.6, seed=0)
    batches = search_batches(dataset, 4, NOTHING, 0, weight, alpha)
    seen_weight, seen_alpha = set(), set()
    for (weight_images, weight_labels), (alpha_images, alpha_labels) in take(
        batches, 20
    ):
        seen_weight.update(positions(dataset, weight_images))
        seen_alpha.update(positions(dataset, alpha_images))
        for images, labels in (
            (weight_images, weight_labels),
            (alpha_images, alpha_labels),
        ):
            np.testing.assert_array_equal(grey_levels(dataset, images) // 10, labels)
    assert seen_weight == set(weight) and seen_alpha == set(alpha)


def test_both_halves_of_a_search_batch_are_augmented(dataset):
    halves = search_split(30, 0.5, seed=0)
    cutout = Augmentation(crop_padding=0, flip=False, cutout=3)
    pairs = take(search_batches(dataset, 15, cutout, 0, *halves), 1)
    zeroed = [images == 0 for images, _ in pairs[0]]
    assert all(part.any(axis=(1, 2, 3)).all() for part in zeroed)
    assert np.any(zeroed[0] != zeroed[1])


def test_weight_batches_are_those_of_training(dataset):
    weight, alpha = search_split(30, 0.5, seed=0)
    pairs = search_batches(dataset, 5, EVERYTHING, 2, weight, alpha)
    alone = training_batches(dataset, 5, EVERYTHING, 2, indices=weight)
    assert_same([pair[0] for pair in take(pairs, 5)], take(alone, 5))


def test_first_batch_continues_a_search_with_unequal_halves(dataset):
    # 2 weight batches an epoch, 4 alpha batches: the alphas continue midway.
    weight, alpha = search_split(30, 1 / 3, seed=0)
    arguments = (dataset, 5, EVERYTHING, 2, weight, alpha)
    whole = take(search_batches(*arguments), 8)
    later = take(search_batches(*arguments, first_batch=2), 6)
    for half in (0, 1):
        assert_same([pair[half] for pair in later], [pair[half] for pair in whole[2:]])


@pytest.mark.parametrize(
    "batch_size, sizes", [(4, [4, 4, 4, 3]), (15, [15]), (99, [15])]
)
def test_evaluation_batches_are_the_split_in_order(dataset, batch_size, sizes):
    batches = evaluation_batches(dataset, "test", batch_size)
    assert int(batches.cardinality()) == len(sizes)
    found = list(batches.as_numpy_iterator())
    assert [len(labels) for _, labels in found] == sizes
    images, labels = dataset.arrays("test")
    np.testing.assert_array_equal(np.concatenate([part for _, part in found]), labels)
    expected = (images / 255 - dataset.mean) / dataset.std
    np.testing.assert_allclose(
        np.concatenate([part for part, _ in found]), expected, atol=1e-5
    )


def test_colours_of_images_without_are_refused(dataset):
    with pytest.raises(InputError, match="saturation of 0.4 needs"):
        training_batches(dataset, 5, Augmentation(saturation=0.4), seed=0)


@pytest.mark.parametrize(
    ("function", "received"),
    [
        (lambda images, *_: images[:, ::2], r"float32 of shape \(5, 4, 6, 1\)"),
        (lambda images, *_: tf.cast(images, tf.float16), "float16 of shape"),
    ],
)
def test_own_function_that_returns_something_else(dataset, function, received):
    expected = r"float32 of shape \(5, 8, 6, 1\). Received: "
    with pytest.raises(InputError, match=expected + received):
        training_batches(dataset, 5, Augmentation(extra=(function,)), seed=0)


def test_batch_larger_than_its_split(dataset):
    with pytest.raises(InputError, match="batch size 31 is larger .* 30 images"):
        training_batches(dataset, 31, NOTHING, seed=0)
    halves = search_split(30, 0.8, seed=0)
    with pytest.raises(InputError, match="batch size 10 is larger .* 6 images"):
        search_batches(dataset, 10, NOTHING, 0, *halves)


def test_batch_size_below_one(dataset):
    with pytest.raises(InputError, match="1 or larger. Received: 0"):
        training_batches(dataset, 0, NOTHING, seed=0)
    with pytest.raises(InputError, match="1 or larger. Received: 0"):
        evaluation_batches(dataset, "test", 0)


def test_evaluation_batches_of_a_part_are_in_order(dataset):
    part = np.array([1, 4, 7, 20, 29])
    batches = list(evaluation_batches(dataset, "train", 2, part))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    images = np.concatenate([images for images, _ in batches])
    assert positions(dataset, images) == part.tolist()
    labels = np.concatenate([labels for _, labels in batches])
    np.testing.assert_array_equal(labels, dataset.arrays("train")[1][part])


def test_pipelines_are_made_without_autograph(dataset, tmp_path, monkeypatch):
    """It leaves a file for each function that it translates."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    halves = search_split(30, 0.5, seed=0)
    augmentation = Augmentation(flip=True, cutout=3)
    training = search_batches(dataset, 5, augmentation, 0, *halves)
    evaluation = evaluation_batches(dataset, "test", 5, np.arange(7))
    assert len(take(training, 1)) == len(take(evaluation, 1)) == 1
    assert not list(tmp_path.glob("*autograph*"))


def test_reading_the_orientation_is_traced_once(dataset):
    counts = []
    for _ in range(2):
        take(dataset.read("train"), 1)
        counts.append(read_orientation.experimental_get_tracing_count())
    assert counts[0] == counts[1]


def test_own_function_may_branch_as_python_does(dataset):
    """AutoGraph translates what the user has written."""

    def bright(images, seed, batch_slice):
        if tf.reduce_mean(images) < 0:
            images = -images
        return images

    batches = training_batches(dataset, 5, Augmentation(extra=(bright,)), seed=0)
    assert min(np.mean(images) for images, _ in take(batches, 6)) >= 0
