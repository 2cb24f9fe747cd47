"""A search with remedies against collapse, as a user runs and reads it."""

import json
import re

import pytest
import sample_data
import scripts

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import alphas_from_dict
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.genotype import Genotype

REMEDIES = "--sampler sigmoid --regularizers zero_one=10 beta_decay=0:25"
REMEDIES += " --perturbation 0.01 0.1 --max-skip-connections 1"
# Alphas that hardly learn: the genotype stays.
STOPS = "--stop-when-unchanged 2 --eigenvalue record --alpha-learning-rate 1e-9"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("remedies") / "images"
    return sample_data.write_image_folder(place, (9, 8, 1), 12)


def test_a_search_stops_says_why_and_is_reported(images, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    words = [*scripts.SMALL, *REMEDIES.split(), *STOPS.split(), "--epochs", 9]
    words += ["--dataset", images, "--workdir", run.path]
    words += ["--operations", "none", "skip_connect", "avg_pool_3x3"]
    assert scripts.run("search.py", *words) == 0
    printed = capsys.readouterr().out
    reason = "Stopped after epoch 3: the genotype has not changed for 2 epochs."
    assert reason in printed and "Next: " in printed
    epochs = run.read_optional_json(workdir.ALPHAS)
    assert len(epochs) == 3
    eigenvalues = read_columns(run.file(workdir.HISTORY))["alpha_eigenvalue"]
    assert len(eigenvalues) == 3 and all(eigenvalues)
    alphas = alphas_from_dict(epochs[-1]["alphas"])
    found = derive_genotype(alphas, sampler="sigmoid", max_skip_connections=1)
    assert Genotype.load(run.file(workdir.GENOTYPE)) == found
    assert scripts.run("report.py", run.path) == 0
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "by the sampler sigmoid" in page and "eigenvalue" in page
    numbers = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    weights = numbers["weights"]["normal"]["0<-0"].values()
    # Of a sigmoid, all are about one half.
    assert [series[-1] for series in weights] == pytest.approx([0.5] * 3, abs=0.01)


def test_a_search_meets_the_target_that_it_is_given(images, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    words = [*scripts.SMALL, "--operations", "none", "skip_connect", "sep_conv_3x3"]
    words += ["--retrain-filters", 6, "--retrain-num-cells", 4, "--epochs", 3]
    words += ["--dataset", images, "--workdir", run.path]
    # Nothing but the target counts.
    words += ["--target-strength", 1e4, 1e6, "--alpha-learning-rate", 0.3]
    words += ["--regularizers", "beta_decay=1e-9", "--target-parameters"]
    assert scripts.run("search.py", *words, 1) == 2
    error = capsys.readouterr().err
    [smallest] = re.findall(r"target of 1 parameters is below .* has ([\d,]+)\.", error)
    assert not run.path.exists()
    smallest = int(smallest.replace(",", ""))
    assert scripts.run("search.py", *words, smallest) == 0
    printed = capsys.readouterr().out
    assert f"has {smallest:,} parameters: this meets the target" in printed
    assert "--filters 6 --num-cells 4" in printed
    history = read_columns(run.file(workdir.HISTORY))
    assert history["derived_parameters"][-1] == smallest
    expected = history["expected_parameters"]
    assert expected[0] > expected[1] > expected[2] > smallest
    assert scripts.run("report.py", run.path) == 0
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Parameters by epoch, in millions" in page
    assert "Multiply-adds by epoch" not in page and "expected_" not in page
    capsys.readouterr()
    net = ["--workdir", tmp_path / "net", "--genotype", run.file(workdir.GENOTYPE)]
    net += [*scripts.SMALL, "--dataset", images, "--epochs", 1]
    net += ["--filters", 6, "--num-cells", 4]
    assert scripts.run("retrain.py", *net) == 0
    assert scripts.run("evaluate.py", "--workdir", tmp_path / "net") == 0
    assert f"{smallest:,}" in capsys.readouterr().out
