import json
import subprocess
import sys

import numpy as np
import pytest
import scripts
import tensorflow as tf
from sample_data import with_orientation

from keras_atdarts.networks.serving import image_decoder

SCRIPT = scripts.FOLDER / "predict.py"
CLASS_NAMES = ("dark", "medium", "bright")


class Brightness(tf.Module):
    """Classifies by the brightness of the top, so that the right answers are known."""

    def __init__(self, class_names, num_channels):
        super().__init__()
        self.class_names = tf.saved_model.Asset(str(class_names))
        self.decode = image_decoder(num_channels)
        any_size = tf.TensorSpec((None, None, None, num_channels), tf.uint8, "images")
        self.serve = tf.function(self.classify, input_signature=[any_size])

    def classify(self, images):
        top = images[:, : (tf.shape(images)[1] + 1) // 2]
        mean = tf.reduce_mean(tf.cast(top, tf.float32), axis=[1, 2, 3])
        distances = tf.abs(mean[:, tf.newaxis] - [0.0, 128.0, 255.0])
        return {"probabilities": tf.nn.softmax(-distances / 64)}


def write_model(directory, class_names=CLASS_NAMES, num_channels=3, decodes=True):
    names_file = directory.parent / "class_names.txt"
    names_file.write_text("\n".join(class_names) + "\n")
    module = Brightness(names_file, num_channels)
    signatures = {"serving_default": module.serve}
    if decodes:
        signatures["decode"] = module.decode
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("predict") / "model")


@pytest.fixture(scope="module")
def grey_model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("predict") / "grey", num_channels=1)


def write_image(path, brightness, shape=(6, 5, 3)):
    encode = tf.io.encode_png if path.suffix == ".png" else tf.io.encode_jpeg
    image = np.full(shape, brightness, np.uint8)
    path.write_bytes(encode(image).numpy())
    return path


@pytest.fixture
def run(capfd):
    """Returns a function that runs the script in this process."""

    def run(*words):
        code = scripts.run("predict.py", *words)
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


def run_alone(*words):
    """Runs the script as a user would."""
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True
    )


def errors(done):
    return [line for line in done.stderr.splitlines() if "predict.py: error: " in line]


def test_images_of_all_kinds_are_classified_in_their_order(run, model, tmp_path):
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


def test_probabilities_are_those_of_the_model(run, model, tmp_path):
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


def test_undecodable_image_is_reported_and_the_others_predicted(run, model, tmp_path):
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
    assert f"'{truncated}' cannot be decoded (jpeg::Uncompress failed." in reported[0]
    assert f"'{text}' cannot be decoded (Unknown image file format." in reported[1]
    assert f"'{absent}' does not exist" in reported[2]


@pytest.mark.parametrize("name", ["model", "grey_model"])
def test_photographs_in_cmyk_and_held_sideways(request, name, tmp_path):
    image = pytest.importorskip(
        "PIL.Image", reason="Only Pillow writes CMYK here: pip install pillow"
    )
    seen = np.zeros((32, 48, 3), np.uint8)
    seen[16:] = 255
    image.fromarray(seen).convert("CMYK").save(tmp_path / "cmyk.jpg")
    sideways = tf.io.encode_jpeg(np.rot90(seen), quality=100).numpy()
    (tmp_path / "turned.jpg").write_bytes(with_orientation(sideways, 6))
    done = run_alone(request.getfixturevalue(name), tmp_path, "--top", 1)
    assert done.returncode == 0, done.stderr
    for line, path in zip(done.stdout.splitlines(), ("cmyk", "turned"), strict=True):
        assert f"{path}.jpg: dark" in line
    assert "Unsupported color conversion" not in done.stderr


def test_folder_gives_its_images_sorted(run, model, tmp_path):
    write_image(tmp_path / "b.png", 0)
    write_image(tmp_path / "a.jpg", 255)
    for name in ("notes.txt", "1.heic", "2.HEIC", ".hidden"):
        (tmp_path / name).write_text("no image")
    (tmp_path / "folder.png").mkdir()
    done = run(model, tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "a.jpg: bright" in first and "b.png: dark" in second
    assert f"Left out of {tmp_path}: 2 .heic, 1 folder, 1 .txt.\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{model}", "{empty}"], "no images"),
        (["{empty}", "{image}"], "is not a SavedModel"),
        (["{junk}", "{image}"], "Cannot use the SavedModel"),
        (["{wrong}", "{image}"], "3 classes, but names 2"),
        (["{old}", "{image}"], "does not decode image files"),
        (["{model}", "{image}", "--top", "0"], "at least 1"),
        (["{model}"], "IMAGE"),
    ],
    ids=[
        "empty folder",
        "not a model",
        "junk",
        "class names",
        "old",
        "top",
        "no image",
    ],
)
def test_bad_input_is_one_line_and_code_2(run, model, tmp_path, words, expected):
    places = {name: tmp_path / name for name in ("empty", "junk", "wrong", "old")}
    places["empty"].mkdir()
    places["junk"].mkdir()
    (places["junk"] / "saved_model.pb").write_bytes(b"junk")
    if "{wrong}" in words:
        write_model(places["wrong"], class_names=("dark", "bright"))
    if "{old}" in words:
        write_model(places["old"], decodes=False)
    image = write_image(tmp_path / "a.png", 0)
    done = run(*(word.format(model=model, image=image, **places) for word in words))
    assert done.returncode == 2
    (message,) = errors(done)
    assert expected in message
    assert "Traceback" not in done.stderr


def test_script_never_imports_the_package():
    assert "keras_atdarts" not in SCRIPT.read_text()
