"""`train/report.py`: pages opened in a real browser, from real and hand-made runs."""

import json
import re

import chromium
import keras
import numpy as np
import pytest
import report_runs
import sample_data
import scripts

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.experiments.reports.judgement import LONGEST_SIDE
from keras_atdarts.experiments.reports.judgement import data_uri
from keras_atdarts.experiments.reports.numbers import report_numbers
from keras_atdarts.experiments.reports.page import curves_section
from keras_atdarts.experiments.reports.records import SEARCH
from keras_atdarts.experiments.reports.records import RunRecord
from keras_atdarts.experiments.reports.search_page import search_page
from keras_atdarts.experiments.reports.training_page import MOST_BARS
from keras_atdarts.experiments.reports.training_page import MOST_CONFUSIONS
from keras_atdarts.experiments.reports.training_page import training_page
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import COLUMNS
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import CELL_TYPES
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.networks.derived import build_network
from keras_atdarts.operations import attention_names
from keras_atdarts.operations.search_spaces import AT_DARTS

LARGEST_PAGE = 3_000_000  # Bytes.
CLASSES = ("bag", "boot & <i>", "shirt")
PHONE, DESK = 390, 1280  # Pixels.

needs_browser = pytest.mark.skipif(chromium.find() is None, reason=chromium.HINT)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def search(place):
    """The directory of a search, with its report."""
    path = report_runs.write_search(place / "search <b>")
    assert scripts.run("report.py", path) == 0
    return path


@pytest.fixture(scope="module")
def training(place):
    """The directory of a retraining, with its report."""
    keras.utils.set_random_seed(1)
    images = sample_data.write_image_folder(place / "images", (12, 11, 3), 30, CLASSES)
    run = RunDirectory(place / "net").make()
    config = RetrainConfig.preset("quick", dataset=str(images), epochs=2)
    dataset = load_dataset(config.dataset)
    run.write_config(config, dataset.description())
    genotype = Genotype.load("DARTS_V2")
    genotype.save(run.file(workdir.GENOTYPE))
    network = build_network(genotype, dataset.image_shape, 3, filters=4, num_cells=3)
    network.save(run.file(workdir.NETWORK))
    rows = ["0,0.5,1.2", "1,0.75,0.8"]
    report_runs.write_rows(run.file(workdir.HISTORY), "epoch,accuracy,loss", rows)
    run.mark_finished()
    assert scripts.run("report.py", run.path, "--images", 5) == 0
    return run.path


def read_report(path):
    return json.loads((path / "report.json").read_text())


@pytest.fixture(scope="module")
def browser():
    with chromium.browser() as opened:
        yield opened


def wrong_in(browser, page, width, dark):
    """Returns what a reader would complain about, as a dict of what is not empty."""
    browser.open(page, width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = browser.evaluate(
        """({
          scrolls: document.documentElement.scrollWidth > innerWidth,
          broken: [...document.images].filter(i => !i.complete || !i.naturalWidth)
            .map(i => i.alt),
          empty: [...document.querySelectorAll('svg')].filter(s => {
            const box = s.getBoundingClientRect();
            return box.width < 50 || box.height < 30
              || s.getBBox().width < 20 || s.getBBox().height < 20;
          }).map(s => s.textContent.slice(0, 80)),
          cut: [...document.querySelectorAll('svg text')].filter(t => {
            const text = t.getBoundingClientRect();
            const all = t.ownerSVGElement.getBoundingClientRect();
            return text.left < all.left - 1 || text.right > all.right + 1
              || text.top < all.top - 1 || text.bottom > all.bottom + 1;
          }).map(t => t.textContent),
          outside: [...document.querySelectorAll('svg.cell rect ~ text')].filter(t => {
            const text = t.getBoundingClientRect();
            const box = t.parentNode.querySelector('rect').getBoundingClientRect();
            return text.left < box.left || text.right > box.right
              || text.top < box.top || text.bottom > box.bottom;
          }).map(t => t.textContent),
          tiny: [...document.querySelectorAll('svg:not(.cell) text')].filter(t =>
            t.getBoundingClientRect().height < 7).map(t => t.textContent),
          scripts: [...document.scripts].map(s => s.textContent),
        })"""
    )
    found["complaints"] = browser.complaints
    return {name: value for name, value in found.items() if value}


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("kind", ["search", "training"])
def test_page_is_whole_in_a_browser(kind, width, dark, browser, request):
    path = request.getfixturevalue(kind)
    assert wrong_in(browser, path / "report.html", width, dark) == {}


@needs_browser
def test_browser_would_complain(browser, tmp_path):
    """The checks above can fail, each for its own reason."""
    page = tmp_path / "page.html"
    page.write_text(
        "<p style='width: 2000px'>wide</p><img src='absent.png' alt='absent'>"
        "<svg viewBox='0 0 300 60' style='width:300px'><text x='280' y='9'>far away"
        "</text><text font-size='3' y='50'>small</text></svg>"
        "<svg viewBox='0 0 300 60' style='width:300px'><title>blank</title></svg>"
        "<svg class='cell' viewBox='0 0 300 60' style='width:300px'>"
        "<rect width='90' height='40'/><text x='70' y='20'>too long</text></svg>"
        "<script>console.log('hello'); missing()</script>"
    )
    wrong = wrong_in(browser, page, PHONE, dark=False)
    assert wrong.pop("scrolls") is True
    assert wrong.pop("broken") == ["absent"]
    assert wrong.pop("empty") == ["blank"]
    assert wrong.pop("cut") == ["far away"]
    assert wrong.pop("outside") == ["too long"]
    assert wrong.pop("tiny") == ["small"]
    assert len(wrong.pop("scripts")) == 1
    complaints = " ".join(wrong.pop("complaints"))
    assert wrong == {}
    for part in ("console: ", "hello", "Uncaught", "request: file://", "absent.png"):
        assert part in complaints


@needs_browser
def test_page_shows_every_picture_and_number(browser, search, training):
    browser.open(search / "report.html")
    count = "document.querySelectorAll('{}').length"
    assert browser.evaluate(count.format("svg.cell .node")) == 2 * 5
    assert browser.evaluate(count.format(".small svg")) == 2 * 5
    assert browser.evaluate("document.querySelector('h1').textContent") == (
        "Search search <b>"
    )
    text = browser.evaluate("document.body.innerText")
    for part in ("is collapsing", "3 of 3", "epoch 2", "70.00%", "3.0 GB", "38 s"):
        assert part in text
    browser.open(training / "report.html")
    assert browser.evaluate("document.images.length") == 5
    text = browser.evaluate("document.body.innerText")
    report = read_report(training)
    for part in (f"{report['evaluation']['accuracy']:.2%}", CLASSES[1], "2 of 2"):
        assert part in text


@pytest.mark.parametrize("kind", ["search", "training"])
def test_page_is_one_small_file(kind, request):
    page = (request.getfixturevalue(kind) / "report.html").read_text()
    assert len(page.encode()) < LARGEST_PAGE
    assert "<script" not in page and "http-equiv" not in page
    links = re.findall(r'(?:src|href)="([^"]{0,20})', page)
    assert links and all(link.startswith("data:") for link in links)
    addresses = set(re.findall(r"https?://[^\"'<> ]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<b>&lt;b" not in page and "search <b>" not in page


def test_judgement_is_that_of_the_network(training):
    report = read_report(training)
    run = RunDirectory(training)
    config, description = run.read_config(RetrainConfig)
    images, labels = load_dataset(config.dataset).arrays("test")
    normalised = (images / 255 - description["mean"]) / description["std"]
    network = keras.saving.load_model(run.file(workdir.NETWORK))
    probabilities = keras.ops.softmax(network(normalised.astype("float32"))).numpy()
    predicted = probabilities.argmax(axis=-1)
    wrong = np.flatnonzero(predicted != labels)
    assert report["evaluation"]["accuracy"] == (
        (len(labels) - len(wrong)) / len(labels)
    )
    of_truth = probabilities[np.arange(len(labels)), labels]
    expected = sorted(of_truth[wrong])[:5]
    worst = report["worst_images"]
    assert [one["probability_of_label"] for one in worst] == pytest.approx(expected)
    for one in worst:
        assert one["label"] == CLASSES[labels[one["image"]]]
        assert one["predicted"] == CLASSES[predicted[one["image"]]]


def test_pictures_are_the_images_themselves(training):
    page = (training / "report.html").read_text()
    pictures = re.findall(r'src="(data:image/png;base64,[^"]+)', page)
    config, _ = RunDirectory(training).read_config(RetrainConfig)
    images, _ = load_dataset(config.dataset).arrays("test")
    worst = read_report(training)["worst_images"]
    for picture, one in zip(pictures, worst, strict=True):
        shown = sample_data.read_data_uri(picture)
        np.testing.assert_array_equal(shown, images[one["image"]])


def test_run_stays_as_it_was_and_the_report_can_lie_elsewhere(search, tmp_path, capsys):
    before = sorted(path.name for path in search.iterdir())
    assert scripts.run("report.py", search, "--output", tmp_path / "new" / "place") == 0
    assert sorted(path.name for path in search.iterdir()) == before
    names = sorted(path.name for path in (tmp_path / "new" / "place").iterdir())
    assert names == ["report.html", "report.json"]
    printed = capsys.readouterr().out
    assert "Warning: The normal cell is collapsing" in printed
    assert f"Written to {tmp_path / 'new' / 'place' / 'report.html'}" in printed


@pytest.mark.parametrize("genotypes", [(), [report_runs.EARLY]], ids=["none", "one"])
def test_unfinished_search_is_reported(genotypes, tmp_path, capsys):
    path = report_runs.write_search(tmp_path / "a", genotypes, finished=False)
    assert scripts.run("report.py", path) == 0
    expected = f"Warning: This run is unfinished: {len(genotypes)} of 3 epochs"
    assert expected in capsys.readouterr().out
    assert "This run is unfinished" in (path / "report.html").read_text()


def test_older_run_is_reported(tmp_path, capsys):
    path = report_runs.make_old(report_runs.write_search(tmp_path / "a"))
    assert scripts.run("report.py", path) == 0
    assert "Note: An older version recorded this run" in capsys.readouterr().out


def test_random_search_is_reported(tmp_path):
    words = ["--strategy", "random", "--samples", 3, "--workdir", tmp_path / "a"]
    assert scripts.run("search.py", *words) == 0
    assert scripts.run("report.py", tmp_path / "a") == 0
    assert "The first of 3 genotypes" in (tmp_path / "a" / "report.html").read_text()


def test_cells_are_drawn_without_graphviz(search, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert scripts.run("report.py", search, "--output", tmp_path) == 0
    page = (tmp_path / "report.html").read_text()
    assert page == (search / "report.html").read_text()
    assert page.count('class="cell"') == 2
    assert re.search(r"node 1 +skip_connect +&lt;- c_{k-1}", page)
    assert "graphviz" not in page + capsys.readouterr().out


def test_evaluation_that_is_there_is_shown_without_images(training, tmp_path, capsys):
    run = RunDirectory(training)
    evaluation = {**read_report(training)["evaluation"], "accuracy": 0.123}
    run.write_json(workdir.EVALUATION, evaluation)
    words = [training, "--no-classify", "--output", tmp_path]
    assert scripts.run("report.py", *words) == 0
    run.file(workdir.EVALUATION).unlink()
    assert "those of evaluation.json" in capsys.readouterr().out
    assert read_report(tmp_path)["worst_images"] == []
    assert "12.30%" in (tmp_path / "report.html").read_text()


def copy_with(training, path, **settings):
    """Copies a run to a folder, with other settings."""
    for file in training.iterdir():
        if file.is_file() and not file.name.startswith("report"):
            (path / file.name).write_bytes(file.read_bytes())
    saved = json.loads((path / "config.json").read_text())
    saved["config"] |= settings
    (path / "config.json").write_text(json.dumps(saved))


def test_held_out_training_is_not_judged_by_test_images(training, tmp_path, capsys):
    copy_with(training, tmp_path, held_out=0.2)
    validation = {"num_examples": 50, "accuracy": 0.62, "parameters": 7}
    (tmp_path / "validation.json").write_text(json.dumps(validation))
    assert scripts.run("report.py", tmp_path) == 0
    assert "test images are left alone" in capsys.readouterr().out
    report = read_report(tmp_path)
    assert report["evaluation"] is None and report["worst_images"] == []
    assert report["validation"]["accuracy"] == 0.62
    assert "62.00%" in (tmp_path / "report.html").read_text()


def test_retraining_whose_data_are_gone_is_reported(training, tmp_path, capsys):
    copy_with(training, tmp_path, dataset=str(tmp_path / "gone"))
    assert scripts.run("report.py", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "cannot be classified" in printed and str(tmp_path / "gone") in printed
    assert read_report(tmp_path)["evaluation"] is None


def test_large_images_become_small():
    image = sample_data.random_pixels(300, 200, 3)
    shown = sample_data.read_data_uri(data_uri(image))
    assert shown.shape == (LONGEST_SIDE, 2 * LONGEST_SIDE // 3, 3)


def long_search(num_epochs):
    """The numbers of a search of the largest kind, which changes in every epoch."""
    random = np.random.default_rng(0)
    spaces = CellAlphas(AT_DARTS, attention=("identity", *attention_names()))
    edges = [(node, source) for node in range(4) for source in range(2 + node)]

    def alphas(names):
        return {
            edge: dict(zip(names, random.normal(size=len(names)), strict=True))
            for edge in edges
        }

    epochs = [
        {cell: spaces.map(alphas) for cell in CELL_TYPES} for _ in range(num_epochs)
    ]
    genotypes = random_genotypes(AT_DARTS, num_epochs, seed=0)
    numbers = list(range(1, num_epochs + 1))
    history = {"epoch": numbers, "loss": random.random(num_epochs).tolist()}
    record = RunRecord(
        run=RunDirectory("runs/long"),
        kind=SEARCH,
        saved={"config": {"epochs": num_epochs}, "finished": "yes"},
        history=history,
        resources={**dict.fromkeys(COLUMNS, [1.0] * num_epochs), "epoch": numbers},
        alphas=epochs,
        genotypes=list(genotypes),
        drawn=[],
        genotype=genotypes[-1],
        evaluation=None,
    )
    return report_numbers(record)


def test_page_of_a_long_search_stays_small():
    assert 1e6 < len(search_page(long_search(600)).encode()) < LARGEST_PAGE


def test_page_of_many_classes_stays_small(training):
    num_classes = 1000
    matrix = np.full((num_classes, num_classes), 1)
    names = [f"class number {number}" for number in range(num_classes)]
    numbers = read_report(training)
    numbers["evaluation"] |= {
        "class_accuracy": {name: n / 1000 for n, name in enumerate(names)},
        "confusion_matrix": matrix.tolist(),
        "top_5_accuracy": 0.4321,
    }
    numbers["worst_images"] = []
    page = training_page(numbers)
    assert len(page.encode()) < LARGEST_PAGE / 10
    assert "Confusion matrix" not in page and "43.21%" in page
    assert page.count('class="bar"') == MOST_BARS - 1  # One is of 0 %.
    assert page.count("<td>class number") == MOST_CONFUSIONS


def test_quantities_of_other_scales_have_charts_of_their_own():
    names = ("loss", "accuracy", "alpha_eigenvalue", "temperature", "perturbation")
    history = {"epoch": [1, 2], **{name: [2.0, 1.0] for name in names}}
    figures = str(curves_section(history)).split("<figcaption>")[1:]
    captions = [each.partition(" by epoch")[0] for each in figures]
    hessian = "Largest eigenvalue of the alphas&#x27; Hessian"
    assert captions == ["Loss", "Accuracy", hessian, "Temperature and perturbation"]
    assert "temperature" in figures[3] and "temperature" not in figures[0]
