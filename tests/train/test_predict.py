import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

SCRIPT = pathlib.Path(__file__).parents[2] / "train" / "predict.py"
CLASS_NAMES = ("dark", "medium", "bright")
NUM_CHANNELS = 3


class Brightness(tf.Module):
    """Classifies by mean brightness, so that the right answers are known."""

    def __init__(self, class_names):
        super().__init__()
        self.class_names = tf.saved_model.Asset(str(class_names))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, NUM_CHANNELS), tf.uint8, "images")
        ]
    )
    def serve(self, images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])
        distances = tf.abs(mean[:, tf.newaxis] - [0.0, 128.0, 255.0])
        return {"probabilities": tf.nn.softmax(-distances / 64)}


def write_model(directory, class_names=CLASS_NAMES):
    names_file = directory.parent / "class_names.txt"
    names_file.write_text("\n".join(class_names) + "\n")
    module = Brightness(names_file)
    signatures = {"serving_default": module.serve}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("predict") / "model")


def write_image(path, brightness, shape=(6, 5, 3)):
    encode = tf.io.encode_png if path.suffix == ".png" else tf.io.encode_jpeg
    image = np.full(shape, brightness, np.uint8)
    path.write_bytes(encode(image).numpy())
    return path


def run(*words):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True
    )


def errors(done):
    return [line for line in done.stderr.splitlines() if "predict.py: error: " in line]


def test_images_of_all_kinds_are_classified_in_their_order(model, tmp_path):
    images = [
        write_image(tmp_path / "colour.jpg", 255),
        write_image(tmp_path / "grey.png", 0, (9, 4, 1)),
        write_image(tmp_path / "grey.jpeg", 128, (6, 5, 1)),
        write_image(tmp_path / "transparent.png", 255, (6, 5, 4)),
        write_image(tmp_path / "colour.png", 0),
        write_image(tmp_path / "large.png", 128, (70, 90, 3)),
    ]
    done = run(model, *images, "--batch-size", 4)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    best = ["bright", "dark", "medium", "bright", "dark", "medium"]
    for line, image, name in zip(lines, images, best, strict=True):
        assert line.startswith(f"{image}: {name} ")
        assert line.count("%") == 3
    assert not errors(done)


def test_probabilities_are_those_of_the_model(model, tmp_path):
    image = write_image(tmp_path / "a.png", 100)
    done = run(model, image, "--json", "--top", 2)
    classify = tf.saved_model.load(str(model)).signatures["serving_default"]
    pixels = tf.fill((1, 6, 5, 3), tf.constant(100, tf.uint8))
    expected = classify(images=pixels)["probabilities"][0].numpy()
    (found,) = json.loads(done.stdout)
    assert found["image"] == str(image)
    assert [top["class"] for top in found["top"]] == ["medium", "dark"]
    received = [top["probability"] for top in found["top"]]
    np.testing.assert_allclose(received, expected[[1, 0]], rtol=1e-6)


def test_undecodable_image_is_reported_and_the_others_predicted(model, tmp_path):
    whole = write_image(tmp_path / "whole.jpg", 255, (40, 40, 3))
    truncated = tmp_path / "truncated.jpg"
    truncated.write_bytes(whole.read_bytes()[:200])
    text = tmp_path / "text.png"
    text.write_text("not an image")
    absent = tmp_path / "absent.png"
    done = run(model, truncated, whole, text, absent)
    assert done.returncode == 2
    assert done.stdout.startswith(f"{whole}: bright ")
    assert done.stdout.count("\n") == 1
    reported = errors(done)
    assert len(reported) == 3
    assert f"'{truncated}' cannot be decoded" in reported[0]
    assert f"'{text}' cannot be decoded" in reported[1]
    assert f"'{absent}' does not exist" in reported[2]


def test_folder_gives_its_images_sorted(model, tmp_path):
    write_image(tmp_path / "b.png", 0)
    write_image(tmp_path / "a.jpg", 255)
    (tmp_path / "notes.txt").write_text("no image")
    done = run(model, tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "a.jpg: bright" in first and "b.png: dark" in second


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{model}", "{empty}"], "no images"),
        (["{empty}", "{image}"], "is not a SavedModel"),
        (["{junk}", "{image}"], "Cannot use the SavedModel"),
        (["{wrong}", "{image}"], "3 classes, but names 2"),
        (["{model}", "{image}", "--top", "0"], "at least 1"),
        (["{model}"], "IMAGE"),
    ],
    ids=["empty folder", "not a model", "junk", "class names", "top", "no image"],
)
def test_bad_input_is_one_line_and_code_2(model, tmp_path, words, expected):
    places = {name: tmp_path / name for name in ("empty", "junk", "wrong")}
    places["empty"].mkdir()
    places["junk"].mkdir()
    (places["junk"] / "saved_model.pb").write_bytes(b"junk")
    if "{wrong}" in words:
        write_model(places["wrong"], class_names=("dark", "bright"))
    image = write_image(tmp_path / "a.png", 0)
    done = run(*(word.format(model=model, image=image, **places) for word in words))
    assert done.returncode == 2
    (message,) = errors(done)
    assert expected in message
    assert "Traceback" not in done.stderr


def test_script_never_imports_the_package():
    assert "keras_atdarts" not in SCRIPT.read_text()
