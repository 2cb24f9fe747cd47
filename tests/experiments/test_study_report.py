"""The results of a study: numbers, tables and picture, of runs that only pretend."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
import study_fakes

from keras_atdarts.experiments.study.chart import draw_accuracies
from keras_atdarts.experiments.study.execution import run_all
from keras_atdarts.experiments.study.results import collect
from keras_atdarts.experiments.study.tables import describe_study
from keras_atdarts.experiments.study.units import SEARCH
from keras_atdarts.experiments.study.units import StepTimes
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

# Channel attention reads the previous cell, then a node; spatial attention after it.
ATTENTIVE = Genotype(
    normal=CellGenotype(
        [
            [("channel_attention", 1), ("skip_connect", 0)],
            [("channel_attention", 2), ("sep_conv_3x3", 0)],
        ],
        [2, 3],
    ),
    reduction=CellGenotype(
        [
            [("max_pool_3x3", 0), ("max_pool_3x3", 1)],
            [("spatial_attention", 0), ("max_pool_3x3", 2)],
        ],
        [2, 3],
    ),
)


class Study:
    """A study of three arms and three seeds; its directory, units and results."""

    def __init__(self, path, unfinished=()):
        self.fakes = study_fakes.FakeScripts(path / "scripts")
        self.fakes.genotype("darts", ATTENTIVE)
        self.fakes.genotype("random", Genotype.load("DARTS_V1"))
        arms = ["random", "darts", "mine=DARTS_V2"]
        self.description = study_fakes.describe(arms, (0, 1, 2))
        self.directory, self.units = study_fakes.begin(path / "a", self.description)
        for script, unit in unfinished:
            self.fakes.mark("fail", script, self.units[unit])
        list(run_all(self.units, self.fakes.path, jobs=3))
        self.results = collect(self.directory, self.description)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


def test_results_of_an_arm(study):
    arm = study.results["arms"]["darts"]
    assert arm["accuracy"]["mean"] == pytest.approx(0.91)
    assert arm["accuracy"]["standard_deviation"] == pytest.approx(0.01)
    assert arm["parameters"] == {"mean": 1001, "standard_deviation": 1}
    assert arm["multiply_adds"] == {"mean": 5000, "standard_deviation": 0}
    assert [run["accuracy"] for run in arm["runs"]] == [0.90, 0.92, 0.91]
    assert [run["supernet_accuracy"] for run in arm["runs"]] == [0.75] * 3
    seconds = [
        StepTimes(unit).seconds(SEARCH) for unit in study.units if unit.arm == "darts"
    ]
    assert [run["search_seconds"] for run in arm["runs"]] == seconds
    assert min(seconds) > 0
    assert arm["search_core_hours"] == {"mean": 1.0, "standard_deviation": 0.0}
    assert arm["training_core_hours"]["mean"] == 1.0
    assert [run["unchanged_epochs"] for run in arm["runs"]] == [2] * 3
    assert json.loads(json.dumps(study.results))["arms"]["darts"] == arm


@pytest.mark.parametrize("name", ["random", "mine"])
def test_arms_without_search_have_no_search_time(study, name):
    arm = study.results["arms"][name]
    assert arm["search_seconds"] is None
    assert arm["search_core_hours"] is None
    assert arm["training_core_hours"]["mean"] == 1.0
    assert {run["supernet_accuracy"] for run in arm["runs"]} == {None}


def test_comparisons_are_with_chance_and_darts(study):
    found = {
        (pair["arm"], pair["baseline"]): pair for pair in study.results["comparisons"]
    }
    assert list(found) == [("darts", "random"), ("mine", "random"), ("mine", "darts")]
    pair = found["darts", "random"]
    assert pair["mean_difference"] == pytest.approx(0.02)
    assert pair["standard_deviation"] == pytest.approx(0.01)
    assert pair["p_value"] == pair["lowest_p_value"] == 0.25


def test_places_of_attention_are_counted_over_all_seeds(study):
    cells = study.results["arms"]["darts"]["cells"]
    assert (cells["genotypes"], cells["choices"]) == (3, 24)
    assert cells["attention"]["channel_attention"] == {
        "cell_type": {"normal": 6},
        "source_kind": {"c_{k-1}": 3, "node": 3},
        "depth": {"1": 3, "2": 3},
    }
    assert cells["attention"]["spatial_attention"] == {
        "cell_type": {"reduction": 3},
        "source_kind": {"c_{k-2}": 3},
        "depth": {"1": 3},
    }
    assert cells["operations"]["max_pool_3x3"] == 9
    # The same genotype with every seed is counted once.
    assert study.results["arms"]["mine"]["cells"]["genotypes"] == 1


def rows(page, heading):
    """Returns the cells of the rows of the table under a heading."""
    lines = page.split(heading, 1)[1].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| ---"))
    table = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_page_has_the_numbers_and_says_how_they_came_about(study):
    page = describe_study(study.results, "accuracy.svg")
    assert page.startswith("# random, darts, mine on fashion_mnist_small\n")
    assert "    python train/compare.py --workdir a\n" in page
    assert "after the last epoch of its training" in page
    assert "`random` has no search" in page
    assert "filters=8 num_cells=5 epochs=3 batch_size=64" in page
    assert "![Test accuracy of every run](accuracy.svg)" in page
    random, darts, mine = rows(page, "supernet accuracy")
    assert random[:3] == [
        "random",
        "89.00 ± 1.00 %",
        "89.00% (0), 90.00% (1), 88.00% (2)",
    ]
    assert random[3:] == ["1,001", "5,000", "none", "1.00", "-", "-"]
    assert darts[1] == "91.00 ± 1.00 %" and darts[5].endswith(" s")
    assert darts[6:] == ["1.00 + 1.00", "2, 2, 2", "75.00%, 75.00%, 75.00%"]
    assert mine[1] == "10.00 ± 0.00 %"
    assert rows(page, "## Differences")[0] == [
        *("darts", "random", "+2.00 ± 1.00", "3", "0.25", "0.25")
    ]
    assert "With so few seeds no difference can be significant at 0.05." in page
    attention = rows(page, "## Where attention was chosen")
    assert attention[2:4] == [
        ["darts", "channel_attention", *"6 6 0 3 0 3 3 3".split()],
        ["darts", "spatial_attention", *"3 0 3 0 3 0 3 0".split()],
    ]
    operations = {name: counts for name, *counts in rows(page, "## Operations")}
    assert operations["max_pool_3x3"][1:] == ["9", "5"]
    assert operations["spatial_attention"] == ["0", "3", "0"]
    assert "Not finished" not in page


def test_unfinished_runs_are_named_and_left_out(tmp_path):
    # Of the seeds 0, 1, 2: random has only 0, darts 1 and 2, mine none.
    failing = [("search", 1), ("retrain", 3), ("evaluate", 6)]
    failing += [("retrain", unit) for unit in (2, 5, 8)]
    study = Study(tmp_path, failing)
    page = describe_study(study.results)
    _, listed = page.split("## Not finished, and not in any number below\n\n")
    assert listed.split("\n\n")[0].splitlines() == [
        "- darts, seed 0: search, 2 epochs are finished",
        "- mine, seed 0: training, 2 epochs are finished",
        "- random, seed 1: training, 2 epochs are finished",
        "- mine, seed 1: training, 2 epochs are finished",
        "- random, seed 2: trained, not evaluated",
        "- mine, seed 2: training, 2 epochs are finished",
    ]
    random, darts, mine = rows(page, "supernet accuracy")
    assert random[1:3] == ["89.00 %", "89.00% (0)"]
    assert darts[1:3] == ["91.50 ± 0.71 %", "92.00% (1), 91.00% (2)"]
    assert mine[1:] == ["-"] * 4 + ["none", "-", "-", "-"]
    assert study.results["comparisons"] == [] and "## Differences" not in page
    assert len(dots(draw_accuracies(study.results["arms"]))) == 3


def test_study_that_has_hardly_begun_is_reported(tmp_path):
    description = study_fakes.describe(["darts", "random"], [5])
    directory, _ = study_fakes.begin(tmp_path / "a", description)
    results = collect(directory, description)
    page = describe_study(results)
    assert "- darts, seed 5: not begun\n- random, seed 5: not begun\n" in page
    assert [row[1] for row in rows(page, "supernet accuracy")] == ["-", "-"]
    assert dots(draw_accuracies(results["arms"])) == []


def dots(picture):
    """Returns the circles of an SVG picture."""
    svg = ElementTree.fromstring(picture)
    return [each for each in svg.iter() if each.tag.endswith("circle")]


def test_picture_has_every_run_at_its_place(study):
    picture = draw_accuracies(study.results["arms"])
    found = {
        (dot.get("cy"), dot[0].text): float(dot.get("cx")) for dot in dots(picture)
    }
    # The axis goes from 0 to 100 %, from pixel 170 to pixel 616.
    assert len(found) == 9
    for place, accuracy in (
        (("22", "seed 1: 90.00%"), 0.90),
        (("66", "seed 1: 92.00%"), 0.92),
        (("110", "seed 2: 10.00%"), 0.10),
    ):
        assert found[place] == pytest.approx(170 + 446 * accuracy, abs=0.1)
    for text in (">random<", ">darts<", ">mine<", ">20<", ">100<"):
        assert text in picture


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.893, 0.921], ["89.0", "89.5", "90.0", "92.5"]),
        ([0.9312, 0.9312], ["93.06", "93.18"]),
        ([], ["0", "100"]),
    ],
)
def test_axis_is_round_and_holds_all(accuracies, expected):
    runs = [{"seed": 0, "accuracy": each} for each in accuracies]
    picture = draw_accuracies({"darts": {"accuracy": None, "runs": runs}})
    for label in expected:
        assert f">{label}</text>" in picture
    assert all(170 <= float(dot.get("cx")) <= 616 for dot in dots(picture))
