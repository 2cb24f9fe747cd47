"""`train/explain.py`, as a user would run it."""

import json
import re

import chromium
import explained
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.experiments.explanations.explained_images import read_images
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.export import export_saved_model

PLAIN_CELL = CellGenotype([[("skip_connect", 0), ("max_pool_3x3", 1)]], [2])
PLAIN = Genotype(PLAIN_CELL, PLAIN_CELL)


def write_run(path, images, genotype=explained.GENOTYPE, finished=True, **changes):
    """Returns a run that retrain.py could have left behind."""
    run = workdir.RunDirectory(path).make()
    config = RetrainConfig.preset("quick", dataset=str(images), **changes)
    dataset = load_dataset(config.dataset)
    run.write_config(config, dataset.description())
    genotype.save(run.file(workdir.GENOTYPE))
    explained.build(genotype).save(run.file(workdir.NETWORK))
    if finished:
        run.mark_finished()
    return run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "images"
    return sample_data.write_image_folder(folder, explained.IMAGE_SHAPE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, images):
    return write_run(tmp_path_factory.mktemp("trained") / "net", images)


@pytest.fixture(scope="module")
def explanation(trained):
    assert scripts.run("explain.py", trained.path, "--count", 3) == 0
    folder = trained.file(workdir.EXPLANATION)
    return folder, json.loads((folder / "explain.json").read_text())


def test_a_run_is_explained_on_its_test_images(trained, explanation, capsys):
    folder, numbers = explanation
    assert numbers["name"] == "net" and numbers["notices"] == []
    assert numbers["examples"] == {"split": "test", "count": 3, "of": 3}
    assert [gate["name"] for gate in numbers["gates"]] == explained.NAMES
    titles = [column["title"] for column in numbers["sheets"][0]["columns"]]
    assert titles == [name for name in explained.NAMES if "spatial" in name]
    together = ["all 6 channel_attention", "all 3 spatial_attention", "all 9 gates"]
    assert [one["name"] for one in numbers["worth"]] == explained.NAMES + together
    assert scripts.run("evaluate.py", "--workdir", trained.path) == 0
    accuracy = trained.read_json(workdir.EVALUATION)["accuracy"]
    right = [image["class"] == image["predicted"] for image in numbers["images"]]
    assert {one["accuracy_with"] for one in numbers["worth"]} == {accuracy}
    assert np.mean(right) == accuracy


def test_channel_gates_are_told_by_class(explanation):
    _, numbers = explanation
    channel, spatial = numbers["gates"][:2]
    assert channel["shape"] == [1, 1, 4] and spatial["shape"] == [12, 10, 1]
    assert channel["classes"] == ["a", "b", "c"]
    present = {image["class"] for image in numbers["images"]}
    for name, means, shares in zip(
        channel["classes"], channel["channel_means"], channel["shares"], strict=True
    ):
        if name in present:
            assert len(means) == 4 and sum(shares) == pytest.approx(1, abs=1e-3)
        else:
            assert set(means) == {None}
    assert np.shape(spatial["mean_map"]) == (12, 10)
    assert np.mean(spatial["mean_map"]) == pytest.approx(spatial["mean"], abs=1e-4)


@pytest.mark.skipif(chromium.find() is None, reason=chromium.HINT)
def test_the_page_shows_every_picture_beside_its_captions(explanation):
    folder, numbers = explanation
    with chromium.browser() as browser:
        browser.open(folder / "index.html")
        widths = browser.evaluate("[...document.images].map(i => i.naturalWidth)")
        assert len(widths) == 1 + len(explained.NAMES) and all(widths)
        assert browser.evaluate("document.documentElement.scrollWidth") == 390
        sheet, columns, rows = browser.evaluate(
            "['.sheet img', '.columns', '.rows'].map(s => document.querySelector(s)"
            ".getBoundingClientRect().toJSON())"
        )
        others = [
            complaint
            for complaint in browser.complaints
            if not complaint.startswith(f"request: {folder.as_uri()}")
        ]
    assert others == []
    assert columns["left"] == pytest.approx(sheet["left"], abs=1)
    assert columns["width"] == pytest.approx(sheet["width"], abs=1)
    assert rows["height"] == pytest.approx(sheet["height"], abs=2)


def test_images_of_any_size_are_explained_without_a_data_set(trained, tmp_path, capsys):
    files = [tmp_path / "large.jpg", tmp_path / "small <b>.png"]
    sample_data.write_image(files[0], sample_data.random_pixels(90, 50, 3))
    sample_data.write_image(files[1], sample_data.random_pixels(5, 5, 1))
    output = tmp_path / "looks"
    words = (trained.path, *files, "--no-worth", "--output", output)
    config = trained.file(workdir.CONFIG)
    kept = config.read_text()
    saved = json.loads(kept)
    saved["config"]["dataset"] = "/gone"
    config.write_text(json.dumps(saved))
    try:
        assert scripts.run("explain.py", trained.path, *files) == 2
        assert "--no-worth, no data set is needed" in capsys.readouterr().err
        assert scripts.run("explain.py", *words) == 0
    finally:
        config.write_text(kept)
    numbers = json.loads((output / "explain.json").read_text())
    assert [image["image"] for image in numbers["images"]] == list(map(str, files))
    assert "worth" not in numbers and "gates" not in numbers
    assert "small &lt;b&gt;.png" in (output / "index.html").read_text()
    pictures = {path.name for path in output.glob("*.png")}
    assert pictures == {sheet["file"] for sheet in numbers["sheets"]}


def test_without_attention_there_is_grad_cam_alone(tmp_path, images, capsys):
    run = write_run(tmp_path / "plain", images, PLAIN, finished=False)
    assert scripts.run("explain.py", run.path, "--count", 2) == 0
    printed = capsys.readouterr().out
    assert "Note: The network has no attention" in printed
    assert "Note: The training is not finished" in printed
    numbers = json.loads((run.file(workdir.EXPLANATION) / "explain.json").read_text())
    kinds = [column["kind"] for column in numbers["sheets"][0]["columns"]]
    assert kinds == ["Grad-CAM"] * 3 and "worth" not in numbers


def test_a_training_judged_by_held_out_images_is_explained_on_those(tmp_path, images):
    run = write_run(tmp_path / "held", images, held_out=0.25)
    words = (run.path, "--count", 2, "--examples", 5, "--batch-size", 2)
    assert scripts.run("explain.py", *words) == 0
    numbers = json.loads((run.file(workdir.EXPLANATION) / "explain.json").read_text())
    assert numbers["examples"] == {"split": "train", "count": 5, "of": 7}
    assert numbers["worth"][0]["num_examples"] == 5
    assert all(re.match("train image", one["image"]) for one in numbers["images"])


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory, trained):
    directory = tmp_path_factory.mktemp("saved") / "model"
    dataset = trained.read_json(workdir.CONFIG)["dataset"]
    network = explained.shared_network()
    export_saved_model(network, directory, dataset, explained.GENOTYPE)
    return directory


def test_a_saved_model_is_explained_by_occlusion(saved_model, tmp_path, capsys):
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    sample_data.write_image(files[0], sample_data.random_pixels(20, 30, 3))
    sample_data.write_image(files[1], sample_data.random_pixels(12, 10, 1))
    output = tmp_path / "looks"
    assert scripts.run("explain.py", saved_model, *files, "--output", output) == 0
    assert "give the directory that retrain.py wrote" in capsys.readouterr().out
    numbers = json.loads((output / "explain.json").read_text())
    assert [c["kind"] for c in numbers["sheets"][0]["columns"]] == ["occlusion"]
    classify = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    pixels = sample_data.random_pixels(12, 10, 1)[np.newaxis]
    expected = classify(images=tf.constant(pixels))["probabilities"].numpy()
    assert numbers["images"][1]["probability"] == pytest.approx(expected.max())
    assert numbers["images"][1]["predicted"] == "abc"[expected.argmax()]


def test_files_in_cmyk_and_held_sideways(tmp_path, capsys):
    image = pytest.importorskip(
        "PIL.Image", reason="Only Pillow writes CMYK here: pip install pillow"
    )
    seen = np.zeros((32, 48, 3), np.uint8)
    seen[16:] = 255
    image.fromarray(seen).convert("CMYK").save(tmp_path / "cmyk.jpg")
    sideways = tf.io.encode_jpeg(np.rot90(seen), quality=100).numpy()
    (tmp_path / "turned.jpg").write_bytes(sample_data.with_orientation(sideways, 6))
    (tmp_path / "other.heic").write_bytes(b"")
    for found in read_images([tmp_path], num_channels=1):
        np.testing.assert_allclose(found.pixels, seen[..., :1], atol=4)
    assert capsys.readouterr().err == f"Left out of {tmp_path}: 1 .heic file.\n"


@pytest.mark.parametrize(
    "words, expected",
    [
        (["{absent}"], "There is no run in"),
        (["{empty}"], "has no config.json"),
        (["{run}", "{text}"], "cannot be decoded"),
        (["{run}", "{absent}"], "cannot be read"),
        (["{run}", "{empty}"], "has no images"),
        (["{run}", "--count", "0"], "at least 1"),
        (["{run}", "--output", "{text}"], "Cannot write"),
        (["{other}"], "The network was built of another genotype"),
        (["{saved}"], "A SavedModel brings no images"),
        (["{saved}", "{images}"], "Give --output a directory"),
        (["{junk}", "{images}", "--output", "{new}"], "Cannot use the SavedModel"),
    ],
)
def test_bad_input_is_one_line(
    words, expected, trained, images, saved_model, tmp_path, capsys
):
    places = {name: tmp_path / name for name in ("absent", "empty", "junk", "new")}
    places["empty"].mkdir()
    places["junk"].mkdir()
    (places["junk"] / "saved_model.pb").write_bytes(b"junk")
    places["text"] = tmp_path / "text.png"
    places["text"].write_text("not an image")
    places |= {"run": trained.path, "saved": saved_model, "images": images / "a"}
    places["other"] = tmp_path / "other"
    if "{other}" in words:
        other = write_run(places["other"], images)
        PLAIN.save(other.file(workdir.GENOTYPE))
    assert scripts.run("explain.py", *(w.format(**places) for w in words)) == 2
    message = capsys.readouterr().err
    assert expected in message and message.count("\n") == 1
    assert not places["new"].exists()
