"""Names what images show, with a SavedModel that export.py wrote.

Needs TensorFlow and the SavedModel, nothing else of this project. Images are PNG,
JPEG, WebP, BMP or GIF files of any size, grey or colour, or folders of such files.
The SavedModel decodes them as it was trained: photographs are turned as the camera
was held, transparency is dropped. One that cannot be decoded is reported, and the
others are still classified; the exit code is then 2.

    python train/predict.py saved_models/a shirt.png boot.jpg
"""

import argparse
import collections
import json
import os
import pathlib
import re
import sys
from typing import NamedTuple

# Before TensorFlow is loaded: without a GPU, it reports as an error that it finds none.
os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "1" if os.path.exists("/proc/driver/nvidia") else "3"
)

import numpy as np
import tensorflow as tf

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class Classifier(NamedTuple):
    """What a SavedModel offers."""

    classify: callable
    decode: callable
    class_names: list


def main(argv=None):
    arguments = parse_arguments(argv)
    paths = find_images(arguments.images)
    classifier = load_classifier(pathlib.Path(arguments.saved_model))
    probabilities = predict(classifier, paths, arguments.batch_size)
    found = [
        {"image": path, "top": best_classes(row, classifier, arguments.top)}
        for path, row in zip(paths, probabilities, strict=True)
        if row is not None
    ]
    if arguments.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(describe(found))
    for path, row in zip(paths, probabilities, strict=True):
        if row is None:
            report(f"'{path}' {why_unreadable(path, classifier)}")
    return 0 if len(found) == len(paths) else EXIT_BAD_INPUT


def parse_arguments(argv):
    """Returns the flags, checked."""
    parser = Parser(
        description=description_here(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "saved_model", metavar="SAVED_MODEL", help="folder that export.py wrote"
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="image files, or folders of them"
    )
    parser.add_argument(
        "--top",
        type=positive_number,
        default=3,
        metavar="N",
        help="classes to name for each image (3)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive_number,
        default=100,
        metavar="N",
        help="images of one size that are classified together (100)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead of lines"
    )
    return parser.parse_args(argv)


def description_here():
    """Returns what `--help` says, with the command that works here and now."""
    running = sys.modules["__main__"].__spec__
    if running is None or running.origin != sys.argv[0]:
        return __doc__
    return __doc__.replace("python train/predict.py", f"python -m {running.name}")


def find_images(names):
    """Returns the paths of files as given, and of the images in folders, sorted."""
    paths = []
    for path in map(pathlib.Path, names):
        if not path.is_dir():
            paths.append(str(path))
            continue
        visible = [each for each in path.iterdir() if not each.name.startswith(".")]
        inside = [each for each in visible if is_image(each)]
        others = [each for each in visible if not is_image(each)]
        if not inside:
            fail(
                f"'{path}' has no images{f', but {count_kinds(others)}' * bool(others)}"
                f": expected {', '.join(IMAGE_SUFFIXES)} files."
            )
        if others:
            print(f"Left out of {path}: {count_kinds(others)}.", file=sys.stderr)
        paths.extend(map(str, sorted(inside)))
    return paths


def is_image(path):
    """Returns whether a path is that of an image, by the end of its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def count_kinds(paths):
    """Returns how many paths there are of each kind, such as "2 .heic, 1 folder"."""
    kinds = collections.Counter(
        "folder" if path.is_dir() else path.suffix.lower() or "without an ending"
        for path in sorted(paths)
    )
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def load_classifier(directory):
    """Returns the `Classifier` in a folder that train/export.py wrote."""
    expected = "Expected the folder that export.py writes."
    if not (directory / "saved_model.pb").is_file():
        fail(f"'{directory}' is not a SavedModel: it has no saved_model.pb. {expected}")
    try:
        signatures = tf.saved_model.load(str(directory)).signatures
        classify = signatures["serving_default"]
        num_classes = classify.structured_outputs["probabilities"].shape[-1]
        class_names = (directory / "assets" / "class_names.txt").read_text("utf-8")
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        fail(f"Cannot use the SavedModel '{directory}': {first_line(error)} {expected}")
    if "decode" not in signatures:
        fail(
            f"The SavedModel '{directory}' does not decode image files: an earlier "
            "version wrote it. Export it again with export.py --overwrite."
        )
    class_names = class_names.splitlines()
    if len(class_names) != num_classes:
        fail(
            f"The SavedModel '{directory}' has {num_classes} classes, but names "
            f"{len(class_names)}. {expected}"
        )
    return Classifier(classify, signatures["decode"], class_names)


def predict(classifier, paths, batch_size):
    """Returns the probabilities for each path; None where it cannot be decoded."""
    probabilities = [None] * len(paths)
    for positions, images in read_batches(classifier, paths, batch_size):
        rows = classifier.classify(images=images)["probabilities"].numpy()
        for position, row in zip(positions.numpy(), rows, strict=True):
            probabilities[position] = row
    return probabilities


def read_batches(classifier, paths, batch_size):
    """Returns batches of (positions in `paths`, uint8 images), decoded in parallel.

    Of `batch_size` images that follow each other, those of the same size make a
    batch. What cannot be decoded is left out.
    """

    @tf.autograph.experimental.do_not_convert
    def decode(position, path):
        return position, classifier.decode(content=tf.io.read_file(path))["image"]

    @tf.autograph.experimental.do_not_convert
    def by_size(positions, images):
        return tf.data.Dataset.zip(positions, images).group_by_window(
            lambda position, image: image_size_key(image),
            lambda key, group: group.batch(batch_size),
            window_size=batch_size,
        )

    examples = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), paths))
    examples = examples.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    examples = examples.ignore_errors().window(batch_size)
    return examples.flat_map(by_size).prefetch(tf.data.AUTOTUNE)


def image_size_key(image):
    """Returns a number that tells the image sizes apart."""
    size = tf.cast(tf.shape(image), tf.int64)
    return size[0] * 2**32 + size[1]


def best_classes(row, classifier, count):
    """Returns the `count` likeliest classes, the likeliest first."""
    return [
        {"class": classifier.class_names[index], "probability": float(row[index])}
        for index in np.argsort(-row, kind="stable")[:count]
    ]


def describe(found):
    """Returns one line for each image."""
    return "\n".join(
        f"{each['image']}: "
        + ", ".join(f"{top['class']} {top['probability']:.1%}" for top in each["top"])
        for each in found
    )


def why_unreadable(path, classifier):
    """Returns the end of the sentence about an image that could not be decoded."""
    if not pathlib.Path(path).is_file():
        return "does not exist: expected an image file."
    expected = f"expected {', '.join(IMAGE_SUFFIXES)} files that are whole."
    try:
        classifier.decode(content=tf.io.read_file(path))
    except tf.errors.OpError as error:
        return f"cannot be decoded ({reason(error)}): {expected}"
    return f"cannot be classified: {expected}"


def positive_number(word):
    """Returns the whole number above 0 that a flag's word stands for."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least 1; received '{word}'"
        )
    return int(word)


class Parser(argparse.ArgumentParser):
    """Argument parser that complains in one line."""

    def error(self, message):
        fail(f"{message}. See --help.")


def reason(error):
    """Returns what TensorFlow says of an error, without where it arose."""
    message = re.sub(r"{{.*?}}|\[Op:.*", "", error.message)
    lines = [line.strip() for line in message.splitlines() if "[[" not in line]
    return (lines or [type(error).__name__])[-1].rstrip(".")


def first_line(error):
    """Returns the first line of an error's message."""
    return str(error).partition("\n")[0]


def report(message):
    """Prints an error line."""
    print(f"predict.py: error: {message}", file=sys.stderr)


def fail(message):
    """Ends the process with an error line and exit code 2."""
    report(message)
    raise SystemExit(EXIT_BAD_INPUT)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        report("interrupted.")
        sys.exit(EXIT_INTERRUPTED)
