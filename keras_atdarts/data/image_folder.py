"""A user's own images: one sub-folder per class, every image checked."""

import collections
import os
import pathlib
import sys

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_atdarts.data import decoding
from keras_atdarts.data.autograph import as_written
from keras_atdarts.data.image_files import READABLE
from keras_atdarts.data.image_files import describe_left_out
from keras_atdarts.data.image_files import list_images
from keras_atdarts.errors import InputError

# Names of the sub-folder with the test images, in order of preference.
TEST_FOLDERS = ("test", "validation", "val")
CHECK_BATCH = 1024


class FolderBuilder(tfds.core.DatasetBuilder, skip_registration=True):
    """TFDS builder that reads image files where they are.

    It differs from `tfds.ImageFolder` in that it is told which files belong to which
    split. A folder without test images can thus be divided.

    Args:
        root: Path of the folder with the images.
        files: Dict from split name to two arrays of one length, `(paths, labels)`.
        class_names: Sequence of strings, one per label.
        image_shape: Tuple `(height, width, channels)`; height and width are
            `None` if the images differ in size.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, root, files, class_names, image_shape):
        self._files = files
        self._class_names = class_names
        self._image_shape = image_shape
        super().__init__(data_dir=root)
        # As tfds.ImageFolder does. Other builders have a sub-folder per version.
        self._data_dir = str(root)
        self.info.set_splits(
            tfds.core.SplitDict(
                [
                    tfds.core.SplitInfo(
                        split, [len(labels)], num_bytes=sum(map(os.path.getsize, paths))
                    )
                    for split, (paths, labels) in files.items()
                ]
            )
        )

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images in a folder, one sub-folder per class.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=self._image_shape),
                    "label": tfds.features.ClassLabel(names=list(self._class_names)),
                }
            ),
        )

    def is_prepared(self):
        """Always: where TFDS would look for files of its own there are none."""
        return True

    def _download_and_prepare(self, *args, **kwargs):
        """Nothing to do: the files are read where they are."""

    def _as_dataset(self, split, decoders=None, read_config=None, shuffle_files=False):
        @as_written
        def read_file(path, label):
            example = {"image": tf.io.read_file(path), "label": label}
            return self.info.features.decode_example(example, decoders=decoders)

        paths, labels = self._files[split]
        dataset = tf.data.Dataset.from_tensor_slices((paths, labels))
        if shuffle_files:
            dataset = dataset.shuffle(len(labels))
        return dataset.map(read_file, num_parallel_calls=tf.data.AUTOTUNE)


def folder_builder(root, test_fraction, seed):
    """Checks a folder of images and returns its TFDS builder.

    Args:
        root: Path of a folder with one sub-folder per class. Or it has the folders
            `train/` and `test/` (or `validation/`, `val/`) with these in them.
        test_fraction: Float between 0 and 1, the fraction of each class that becomes
            the test split if the folder has none.
        seed: Integer, decides which images those are, and the order of all.

    Returns:
        A `FolderBuilder` with the splits `"train"` and `"test"`.

    Raises:
        InputError: The folder does not exist or has other contents, or an image is
            broken.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        raise InputError(f"The image folder {root} does not exist: check its path.")
    train_root, test_root = _split_folders(root)
    train_files, left_out = _list_classes(train_root)
    class_names = tuple(train_files)
    if test_root is None:
        train_files, test_files = _split_classes(train_files, test_fraction, seed)
    else:
        test_files, left_out_of_tests = _list_classes(test_root)
        left_out += left_out_of_tests
        _check_same_classes(test_root, test_files, class_names)
    files = {
        "train": _shuffled(train_files, class_names, seed),
        "test": _shuffled(test_files, class_names, seed),
    }
    _say_left_out(root, left_out)
    image_shape = _check_images(np.concatenate([paths for paths, _ in files.values()]))
    return FolderBuilder(root, files, class_names, image_shape)


def _sub_folders(folder):
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    )


def _split_folders(root):
    """Returns the folders of training and test images, or `(root, None)`."""
    train_root = root / "train"
    if not train_root.is_dir() or not _sub_folders(train_root):
        return root, None
    for name in TEST_FOLDERS:
        if (root / name).is_dir():
            return train_root, root / name
    return train_root, None


def _list_classes(folder):
    """Finds the images of each class.

    Returns:
        Dict from class name to the sorted paths of its images; and a
        `collections.Counter` of what else lies in the folders of the classes.
    """
    classes, left_out = {}, collections.Counter()
    for class_folder in _sub_folders(folder):
        paths, others = list_images(class_folder)
        if not paths:
            instead = f", but {describe_left_out(others)}" if others else ""
            raise InputError(
                f"The class folder {class_folder} has no images{instead}. Expected "
                f"{READABLE} in the folder itself: fill or remove it."
            )
        classes[class_folder.name] = [str(path) for path in paths]
        left_out += others
    if len(classes) < 2:
        raise InputError(
            f"{folder} has {len(classes)} class folders, expected at least 2: put "
            "the images of each class into a sub-folder named after it."
        )
    return classes, left_out


def _say_left_out(root, left_out):
    if left_out:
        print(
            f"Left out of {root}: {describe_left_out(left_out)}. Read are {READABLE} "
            "in the folders of the classes themselves.",
            file=sys.stderr,
        )


def _check_same_classes(test_root, test_files, class_names):
    unknown = sorted(set(test_files) - set(class_names))
    if unknown:
        raise InputError(
            f"{test_root} has a class '{unknown[0]}' that the training folder does "
            f"not have. Its classes: {', '.join(class_names)}. Rename or remove it."
        )


def _split_classes(files, test_fraction, seed):
    """Divides every class alike between training and testing, which both get some."""
    generator = np.random.default_rng(seed)
    train_files, test_files = {}, {}
    for name, paths in files.items():
        if len(paths) < 2:
            raise InputError(
                f"The class '{name}' has one image, expected at least 2: add one, so "
                "that one can train and one can test."
            )
        num_test = round(len(paths) * test_fraction)
        num_test = min(max(num_test, 1), len(paths) - 1)
        order = [paths[index] for index in generator.permutation(len(paths))]
        test_files[name], train_files[name] = order[:num_test], order[num_test:]
    return train_files, test_files


def _shuffled(files, class_names, seed):
    """Returns the arrays of paths and labels in random order."""
    paths = np.concatenate([files[name] for name in class_names if name in files])
    labels = np.repeat(
        np.arange(len(class_names)), [len(files.get(name, ())) for name in class_names]
    )
    order = np.random.default_rng(seed).permutation(len(paths))
    return paths[order], labels[order]


def _check_images(paths):
    """Decodes every image, and returns the shape that they have in common."""
    shapes = np.zeros((len(paths), 3), np.int64)
    dataset = tf.data.Dataset.from_tensor_slices(paths).enumerate()
    dataset = dataset.map(
        as_written(lambda index, path: (index, _image_shape(path))),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # An image that cannot be decoded is left out: its row of `shapes` remains 0.
    for indices, found in dataset.ignore_errors().batch(CHECK_BATCH):
        shapes[indices.numpy()] = found.numpy()
    broken = paths[shapes[:, 2] == 0]
    if len(broken):
        raise _broken_image(broken)
    height, width, _ = shapes[0]
    same_size = bool(np.all(shapes[:, :2] == shapes[0, :2]))
    # 1 and 2 channels are grey, without and with transparency.
    channels = 1 if shapes[:, 2].max() <= 2 else 3
    return (int(height), int(width), channels) if same_size else (None, None, channels)


def _image_shape(path):
    image = decoding.decode_as_stored(tf.io.read_file(path))
    return tf.shape(image, tf.int64)


def _broken_image(broken):
    try:
        _image_shape(broken[0])
        reason = "it cannot be decoded"
    except tf.errors.OpError as error:
        reason = decoding.error_reason(error)
    others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return InputError(
        f"Broken image {broken[0]}{others}: {reason}. Repair or remove it."
    )
