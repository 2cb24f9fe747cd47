"""The numbers of a report, against runs made by hand."""

import json
import math

import numpy as np
import pytest
import report_runs

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.reports.alphas import entropy
from keras_atdarts.experiments.reports.alphas import entropy_over_epochs
from keras_atdarts.experiments.reports.alphas import mixing_weights
from keras_atdarts.experiments.reports.alphas import weights_over_epochs
from keras_atdarts.experiments.reports.collapse import MOST_SKIPS
from keras_atdarts.experiments.reports.collapse import find_collapse
from keras_atdarts.experiments.reports.judgement import Mistakes
from keras_atdarts.experiments.reports.numbers import report_numbers
from keras_atdarts.experiments.reports.records import read_record
from keras_atdarts.experiments.reports.search_page import search_page
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.sampling import random_genotypes


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    path = report_runs.write_search(tmp_path_factory.mktemp("runs") / "a")
    return report_numbers(read_record(path))


def texts(numbers):
    return [notice["text"] for notice in numbers["notices"]]


def test_numbers_are_ready_for_json(numbers):
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


def test_weights_are_the_softmax_of_the_alphas(numbers):
    series = numbers["weights"]["normal"]["0<-1"]
    expected = [math.exp(n) / (math.exp(n) + 3) for n in range(3)]
    assert series["skip_connect"] == pytest.approx(expected, abs=1e-6)
    assert series["none"][0] == 0.25
    assert numbers["weights"]["normal"]["1<-2"]["none"] == [0.25] * 3
    assert len(numbers["weights"]["reduction"]) == 5


def test_entropy_of_the_edges(numbers):
    share = math.exp(2) / (math.exp(2) + 3)
    rest = (1 - share) / 3
    nats = -share * math.log(share) - 3 * rest * math.log(rest)
    assert numbers["entropy"]["normal"]["0<-1"][0] == pytest.approx(1)
    last = numbers["entropy"]["normal"]["0<-1"][2]
    assert last == pytest.approx(nats / math.log(4), abs=1e-6)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 0.5, "b": 0.5}, 1),
        ({"a": 1.0, "b": 0.0}, 0),
        ({"a": 1.0}, 0),
        ({"a": 0.5, "b": 0.5, "c": 0, "d": 0}, 0.5),
    ],
)
def test_entropy_by_hand(weights, expected):
    assert entropy(weights.values()) == pytest.approx(expected)


def test_softmax_of_large_alphas():
    assert mixing_weights({"a": 1000.0, "b": 1000.0, "c": -1000.0}, "softmax") == {
        "a": 0.5,
        "b": 0.5,
        "c": 0.0,
    }


def test_genotype_history(numbers):
    history = numbers["genotypes"]
    assert history["last_changed"] == 2
    assert [epoch["changed"] for epoch in history["epochs"]] == [True, True, False]
    normal = [epoch["families"]["normal"] for epoch in history["epochs"]]
    assert normal[0] == {"skip": 2, "pool": 1, "attention": 1}
    assert normal[2] == {"skip": 3, "pool": 0, "attention": 1}
    assert history["epochs"][1]["genotype"] == report_runs.SETTLED.to_dict()


def test_operations_are_counted_where_they_stand(numbers):
    normal = numbers["operations"]["normal"]
    assert normal["skip_connect"] == {
        "total": 3,
        "nodes": [2, 1],
        "sources": {"c_{k-1}": 2, "c_{k-2}": 1, "node": 0},
    }
    assert normal["channel_attention"]["sources"]["node"] == 1
    assert numbers["operations"]["reduction"]["max_pool_3x3"]["nodes"] == [2, 2]


def test_history_and_costs(numbers):
    assert numbers["history"]["epoch"] == [1, 2, 3]
    assert numbers["history"]["alpha_accuracy"] == pytest.approx([0.5, 0.6, 0.7])
    assert numbers["costs"]["seconds"] == pytest.approx(11.5 + 12.5 + 13.5)
    assert numbers["costs"]["peak_memory"] == 3_000_000_000
    assert numbers["costs"]["peak_gpu_memory"] == 0
    assert numbers["costs"]["complete"]


def test_old_run_that_a_new_version_went_on_with(tmp_path):
    path = report_runs.write_search(tmp_path / "a")
    rows = ["2,5.0,1000,0"]
    header = "epoch,seconds,peak_memory,peak_gpu_memory"
    report_runs.write_rows(path / "resources.csv", header, rows)
    costs = report_numbers(read_record(path))["costs"]
    assert costs["seconds"] == 5 and not costs["complete"]


def cell_of(*operations):
    return CellGenotype([[(operation, 0) for operation in operations]], [2])


@pytest.mark.parametrize(
    ("operations", "levels"),
    [
        (["sep_conv_3x3"] * 8, []),
        (["skip_connect"] + ["sep_conv_3x3"] * 7, []),
        (["skip_connect"] * MOST_SKIPS + ["sep_conv_3x3"] * 6, ["note"]),
        (["skip_connect"] * (MOST_SKIPS + 1) + ["sep_conv_3x3"] * 5, ["warning"]),
        (["max_pool_3x3"] * 4 + ["sep_conv_3x3"] * 4, []),
        (["avg_pool_3x3"] * 5 + ["channel_attention"] * 3, ["warning"]),
        (["skip_connect+channel_attention"] * 6, ["warning", "warning"]),
    ],
)
def test_signs_of_collapse(operations, levels):
    pools = cell_of(*["max_pool_3x3"] * 8)  # In reduction cells they are usual.
    signs = find_collapse(Genotype(cell_of(*operations), pools))
    assert [sign["level"] for sign in signs] == levels


def test_collapse_is_told_in_plain_words(numbers):
    assert "collapsing: 3 of its 4 edges are skip connections" in texts(numbers)[0]
    assert "2 skip connections" in numbers["collapse"]["rule"]


def test_unfinished_run_says_so(tmp_path):
    genotypes = [report_runs.EARLY]
    path = report_runs.write_search(tmp_path / "a", genotypes, finished=False)
    numbers = report_numbers(read_record(path))
    assert not numbers["finished"] and numbers["epochs_done"] == 1
    assert "unfinished: 1 of 3 epochs" in texts(numbers)[0]
    assert numbers["genotype"] == report_runs.EARLY.to_dict()


def test_run_killed_before_its_first_epoch(tmp_path):
    path = report_runs.write_search(tmp_path / "a", genotypes=(), finished=False)
    numbers = report_numbers(read_record(path))
    assert numbers["genotype"] is None and numbers["weights"] == {}
    assert "unfinished: 0 of 3 epochs" in texts(numbers)[0]
    assert "operations" not in numbers


def test_run_of_an_older_version(tmp_path):
    path = report_runs.make_old(report_runs.write_search(tmp_path / "a"))
    numbers = report_numbers(read_record(path))
    assert numbers["finished"]  # As many epochs as it was to have.
    assert any("older version" in text for text in texts(numbers))
    assert numbers["costs"]["seconds"] is None and numbers["costs"]["epochs"] == {}


def test_older_run_with_fewer_epochs_is_unfinished(tmp_path):
    path = report_runs.write_search(tmp_path / "a", epochs=5)
    numbers = report_numbers(read_record(report_runs.make_old(path)))
    assert "unfinished: 3 of 5" in texts(numbers)[0]


def test_numbers_that_are_not_finite_are_left_out(tmp_path):
    path = report_runs.write_search(tmp_path / "a")
    rows = ["0,nan,1", "1,NA,inf", "2,0.5,1"]
    report_runs.write_rows(path / "history.csv", "epoch,accuracy,loss", rows)
    history = read_record(path).history
    assert history["accuracy"] == [None, None, 0.5]
    assert history["loss"] == [1.0, None, 1.0]


def test_run_with_hardly_any_configuration_is_reported(tmp_path):
    path = report_runs.write_search(tmp_path / "a")
    saved = {"kind": "SearchConfig", "config": {}, "date": "today", "finished": "now"}
    (path / "config.json").write_text(json.dumps(saved))
    numbers = report_numbers(read_record(path))
    assert numbers["costs"]["wall_seconds"] is None
    assert "3 of ?" in search_page(numbers)


def test_attention_after_operations_has_weights_of_its_own(tmp_path):
    path = report_runs.write_search(tmp_path / "a")
    run = RunDirectory(path)
    entries = run.read_json(workdir.ALPHAS)
    for entry in entries:
        of_cell = entry["alphas"]["normal"]
        of_cell["attention"] = {
            edge: {"identity": 0.0, "channel_attention": 0.0}
            for edge in of_cell["operations"]
        }
    run.write_json(workdir.ALPHAS, entries)
    weights = report_numbers(read_record(path))["weights"]
    assert weights["normal_attention"]["1<-2"]["identity"] == [0.5] * 3


def test_random_search_counts_all_that_was_drawn(tmp_path):
    run = RunDirectory(tmp_path / "a").make()
    run.write_config(SearchConfig(strategy="random", samples=5))
    genotypes = random_genotypes(["skip_connect"], 5, seed=0)
    run.write_genotypes(genotypes)
    run.mark_finished()
    numbers = report_numbers(read_record(run.path))
    assert numbers["drawn"] == 5 and numbers["notices"] == []
    assert numbers["operations"]["normal"]["skip_connect"]["total"] == 5 * 8


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.json", "{", "config.json"),
        ("config.json", "[]", "is not of a run"),
        ("config.json", '{"kind": "Other", "config": {}}', "is not of a run"),
        ("config.json", '{"kind": ["SearchConfig"], "config": {}}', "is not of a run"),
        (
            "config.json",
            '{"kind": "SearchConfig", "config": {}, "versions": "1"}',
            "is not of a run",
        ),
        ("history.csv", "loss\n1\n", "column 'epoch'"),
        ("history.csv", "epoch,loss\n0\n", "line of numbers"),
        ("history.csv", "epoch,loss\n0,low\n", "line of numbers"),
        ("history.csv", "", "column 'epoch'"),
        ("resources.csv", "epoch,seconds\n0,long\n", "resources.csv"),
        ("alphas.json", "[1]", "alphas.json: is damaged"),
        ("alphas.json", '[{"alphas": {"normal": {"0-1": {}}}}]', "is damaged"),
        ("genotype.json", "[]", "genotype.json"),
    ],
)
def test_damaged_run_is_one_line(name, content, expected, tmp_path):
    path = report_runs.write_search(tmp_path / "a")
    (path / name).write_text(content)
    with pytest.raises(InputError) as error:
        read_record(path)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_worst_mistakes_by_hand():
    mistakes = Mistakes(count=2)
    sure, unsure = math.log(9), math.log(1.5)
    mistakes.observe([0, 1], np.array([[sure, 0.0], [unsure, 0.0]]))
    mistakes.observe([1, 0, 1], np.array([[sure, 0.0], [0.0, 0.1], [0.0, sure]]))
    assert mistakes.seen == 5
    assert [one["image"] for one in mistakes.worst] == [2, 1]
    worst = mistakes.worst[0]
    assert (worst["label"], worst["predicted"]) == (1, 0)
    assert worst["probability_of_label"] == pytest.approx(0.1)
    assert worst["probability_of_predicted"] == pytest.approx(0.9)
    assert mistakes.worst[1]["probability_of_label"] == pytest.approx(0.4)


def test_weights_of_normalized_edges_are_products():
    operations = {"none": 0.0, "skip_connect": math.log(3.0)}
    alphas = CellAlphas(
        operations={(0, 0): operations, (0, 1): operations, (1, 0): operations},
        # The last one is the only one of its node.
        edges={(0, 0): math.log(4.0), (0, 1): 0.0, (1, 0): 2.0},
    )
    weights = weights_over_epochs([{"normal": alphas}])
    assert list(weights) == ["normal"]
    skips = [edge["skip_connect"] for edge in weights["normal"].values()]
    assert sum(skips, []) == pytest.approx([0.8 * 0.75, 0.2 * 0.75, 0.75])
    plain = weights_over_epochs([{"normal": alphas._replace(edges=None)}])
    for name, values in entropy_over_epochs(weights)["normal"].items():
        assert values == pytest.approx(entropy_over_epochs(plain)["normal"][name])
