"""Two workers train as one process with two devices does, and outlive no loss."""

import csv
import json
import os
import signal
import time

import cluster_runs
import keras
import numpy as np
import pytest
import sample_data
import scripts

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.script import EXIT_WORKER_LOST
from keras_atdarts.experiments.runs.workers import Workers
from keras_atdarts.experiments.runs.workers import await_file
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

SHORT = [*scripts.SMALL, "--epochs", 2]
# Their preprocessing, reductions, stem and classifier have weights enough.
SPACE = ["--operations", "none", "skip_connect"]
LOSS_IS_NOTICED_IN = 60  # Seconds; ten, and what a busy machine takes.


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return sample_data.write_image_folder(tmp_path_factory.mktemp("i"), (9, 8, 1))


@pytest.fixture(scope="module")
def genotype(tmp_path_factory):
    """The file of a genotype whose network is quickly built."""
    node = (Edge("skip_connect", 0), Edge("dil_conv_3x3", 1))
    cell = CellGenotype((node,), (2,))
    path = tmp_path_factory.mktemp("genotype") / workdir.GENOTYPE
    Genotype(cell, cell).save(path)
    return path


def run_both_ways(folder, name, *words):
    """Returns the runs of two workers and of one process, and what was printed."""
    two, one = folder / "two", folder / "one"
    processes = cluster_runs.start_workers(2, name, *words, "--workdir", two)
    code = scripts.run(name, *words, "--devices", 2, "--workdir", one)
    outputs = cluster_runs.finish(processes)
    assert code == 0
    return two, one, outputs


def read_history(run):
    with open(run / workdir.HISTORY, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_alphas(run):
    return json.loads((run / workdir.ALPHAS).read_text(encoding="utf-8"))


def assert_same_history(run, other):
    rows, others = read_history(run), read_history(other)
    assert len(rows) == len(others)
    for row, expected in zip(rows, others, strict=True):
        assert row.keys() == expected.keys()
        for name in row:
            value = pytest.approx(float(expected[name]), rel=1e-3, nan_ok=True)
            assert float(row[name]) == value


def test_search_of_two_workers_is_that_of_two_devices(images, tmp_path):
    words = ["--dataset", images, *SHORT, *SPACE]
    words += ["--partial-channels", 2, "--warm-up-epochs", 1]
    two, one, outputs = run_both_ways(tmp_path, "search.py", *words)
    assert_same_history(two, one)
    epochs, others = (
        json.loads((run / workdir.ALPHAS).read_text()) for run in (two, one)
    )
    assert epochs[0]["alphas"] != epochs[1]["alphas"]  # After the warm-up.
    for epoch, expected in zip(epochs, others, strict=True):
        assert epoch["genotype"] == expected["genotype"]
        for cell, alphas in expected["alphas"].items():
            for edge, of_edge in alphas["operations"].items():
                found = epoch["alphas"][cell]["operations"][edge]
                assert found == pytest.approx(of_edge, rel=1e-3, abs=1e-6)
    assert Genotype.load(two / workdir.GENOTYPE) == Genotype.load(
        one / workdir.GENOTYPE
    )
    assert f"Genotype: {two / workdir.GENOTYPE}" in outputs[0]
    last = outputs[1].strip().splitlines()[-1]
    assert last == f"Worker 1 of 2: the chief wrote it to {two}."
    assert not list(two.glob(".*"))


def test_retraining_of_two_workers_is_that_of_two_devices(images, genotype, tmp_path):
    words = ["--dataset", images, *SHORT, "--genotype", genotype, "--cutout", 3]
    words.append("--sync-batch-norm")
    two, one, _ = run_both_ways(tmp_path, "retrain.py", *words)
    assert_same_history(two, one)
    network, expected = (
        keras.models.load_model(run / workdir.NETWORK) for run in (two, one)
    )
    for weight, other in zip(network.weights, expected.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "other"])
def test_killed_worker_ends_the_others(killed, images, genotype, tmp_path):
    words = ["--dataset", images, *scripts.SMALL, "--genotype", genotype]
    words += ["--epochs", 1000, "--workdir", tmp_path / "run"]
    processes = cluster_runs.start_workers(2, "retrain.py", *words)
    network = tmp_path / "run" / workdir.NETWORK
    try:
        wait_for(lambda: network.exists() or processes[0].poll() is not None, 300)
        os.kill(processes[killed].pid, signal.SIGKILL)
        output, _ = processes[1 - killed].communicate(timeout=LOSS_IS_NOTICED_IN)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    assert processes[1 - killed].returncode == EXIT_WORKER_LOST, output[-3000:]
    assert f"worker {1 - killed} of 2 lost another worker" in output
    # A thread of TensorFlow's may have a last word.
    assert any(line.endswith("--resume") for line in output.splitlines())
    assert "Traceback" not in output
    assert len(read_history(tmp_path / "run")) >= 1
    keras.models.load_model(network)


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_directory_that_is_not_shared_is_refused(tmp_path):
    with pytest.raises(InputError, match="Worker 1 does not see .* all machines share"):
        await_file(tmp_path / "sign", 1, patience=0)


def test_different_genotypes_are_an_error(monkeypatch):
    workers = Workers(strategy=None, index=1, count=2)
    monkeypatch.setattr(workers, "gather", lambda number: [number, number])
    workers.check_same("a genotype", "genotypes")
    monkeypatch.setattr(workers, "gather", lambda number: [number + 1, number])
    with pytest.raises(RuntimeError, match="different genotypes; here"):
        workers.check_same("a genotype", "genotypes")


def test_batch_that_workers_cannot_share_is_refused(monkeypatch, capsys, tmp_path):
    addresses = cluster_runs.free_addresses(3)
    monkeypatch.setenv("TF_CONFIG", cluster_runs.tf_config(addresses, 0))
    words = ["--batch-size", 64, "--workdir", tmp_path / "run"]
    assert scripts.run("search.py", *words) == 2
    assert "Give --batch-size 63 or 66." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--strategy", "random"], "on a single machine, without TF_CONFIG"),
        (["--devices", 2], "Give --devices 1."),
        (["--jit"], "--jit is for one device; received 2 machines"),
        (["--checkpoint-steps", 5], "--checkpoint-steps needs a single machine"),
    ],
)
def test_what_several_workers_cannot_do_is_refused(
    monkeypatch, capsys, tmp_path, words, expected
):
    addresses = cluster_runs.free_addresses(2)
    monkeypatch.setenv("TF_CONFIG", cluster_runs.tf_config(addresses, 0))
    assert scripts.run("search.py", *words, "--workdir", tmp_path / "run") == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
