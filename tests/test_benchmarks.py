"""The benchmarks run, at the smallest sizes, and their arithmetic is right."""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.search.supernet import Supernet

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"
# Another environment's Python, where PyTorch is not in this one.
TORCH_PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)
SMALL = "--filters 4 --num-cells 3 --operations skip_connect sep_conv_3x3".split()
SMALLEST = [*SMALL, "--num-nodes", "1"]


@pytest.fixture
def benchmark(monkeypatch):
    """Returns a function that imports a benchmark by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


@pytest.fixture
def torch_python(benchmark, monkeypatch):
    # Threads that wait for each other spin, and other tests wait for the cores.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if not benchmark("comparisons").has_torch(TORCH_PYTHON):
        pytest.skip(f"{TORCH_PYTHON} has no PyTorch: pip install '.[benchmarks]'")
    return TORCH_PYTHON


def test_a_search_is_measured(benchmark):
    words = [*SMALLEST, "--batch-size", 4, "--steps", 2, "--recompute"]
    report = benchmark("measuring").run_worker("ours.py", "search", *words)
    assert report["startup_seconds"] > 1 and report["seconds_per_step"] > 0
    assert report["peak_gib"] > 0.1  # TensorFlow alone takes more.
    # Both batches of four.
    assert report["images_per_second"] == pytest.approx(8 / report["seconds_per_step"])
    supernet = Supernet(10, 4, 3, SMALL[-2:], num_nodes=1)
    supernet.build((None, 32, 32, 3))
    sizes = [np.prod(weight.shape) for weight in supernet.operation_weights]
    assert report["parameters"] == sum(sizes)


def test_a_worker_that_fails_ends_in_one_line(benchmark):
    run_worker = benchmark("measuring").run_worker
    with pytest.raises(SystemExit, match="failed: ours.py: error: Unknown .* 'sep'"):
        run_worker("ours.py", "search", "--operations", "sep")


def test_the_first_step_of_a_search_is_seen():
    command = [sys.executable, FOLDER / "first_step.py", *SMALL, "--batch-size", "4"]
    done = subprocess.run(command, check=True, capture_output=True)
    assert json.loads(done.stdout)["startup_seconds"] > 1


def test_a_search_that_ends_early_is_told():
    command = [sys.executable, FOLDER / "first_step.py", "--num-cells", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode
    assert "before its first step: search.py: error: num_cells" in done.stderr


def test_nodes_are_counted_as_often_as_they_run(benchmark):
    @tf.function
    def twice_the_sine(x):
        return 2.0 * tf.sin(x)

    @tf.function
    def compute(x):
        tf.cos(x)  # Which nothing needs.
        return twice_the_sine(x) + twice_the_sine(tf.reshape(x, [4]))

    graph = benchmark("graph")
    # Both calls of one signature, so one function.
    traced = compute.get_concrete_function(tf.TensorSpec([4]))
    library = traced.graph.as_graph_def().library.function
    library = {function.signature.name: function for function in library}
    counts = [
        graph.by_type(count(traced.function_def, library))
        for count in (graph.stored_nodes, graph.executed_nodes)
    ]
    stored, executed = [each["kernel"] for each in counts]
    assert stored == {"Sin": 1, "Mul": 1, "AddV2": 1}
    assert executed == {"Sin": 2, "Mul": 2, "AddV2": 1}
    assert counts[0]["call"] == {"PartitionedCall": 2}
    assert counts[1]["bookkeeping"]["Reshape"] == 1


@pytest.fixture
def backend_set_back(monkeypatch):
    """The benchmarks set it for their whole process."""
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", "reference")


@pytest.mark.usefixtures("backend_set_back")
def test_the_graph_of_a_step_is_counted(benchmark, tmp_path, capsys):
    output = tmp_path / "graph.json"
    words = ["--backend", "reference", "--output", str(output)]
    benchmark("graph").main([*SMALLEST, *words])
    counts = json.loads(output.read_text())
    kernels = counts["executed"]["kernel"]
    # Three cells with two edges of two depthwise convolutions, forward twice.
    assert kernels["DepthwiseConv2dNative"] >= 2 * 3 * 2 * 2
    # Cells are calls of functions, stored once.
    stored = sum(counts["stored"]["kernel"].values())
    assert stored < sum(kernels.values())
    line = f"| kernel | {stored:,} | {sum(kernels.values()):,} |"
    assert line in capsys.readouterr().out


@pytest.mark.usefixtures("backend_set_back")
def test_a_gpu_runs_fewer_kernels(benchmark, tmp_path):
    def count(backend):
        output = tmp_path / f"{backend}.json"
        words = ["--backend", backend, "--output", str(output)]
        # Of two nodes, so that two edges leave each input.
        benchmark("graph").main([*SMALL, "--num-nodes", "2", *words])
        return json.loads(output.read_text())["executed"]["kernel"]

    joined, apart = count("joined"), count("reference")
    for kernel in ("DepthwiseConv2dNative", "MatMul", "Relu"):
        assert joined[kernel] < apart[kernel]


def test_a_line_and_a_power_are_told_apart(benchmark):
    fit = benchmark("growth").fit
    line = fit([(x, 3 + 2 * x) for x in (1, 2, 4, 8)])
    assert line["grows"] == "linear"
    assert (line["fixed"], line["each"]) == pytest.approx((3, 2))
    power = fit([(x, 5 * x**3) for x in (1, 2, 4, 8)])
    assert power["grows"] == "to the power 3.0"
    assert power["exponent"] == pytest.approx(3)
    assert fit([(1, 10.0), (2, 10.5)])["grows"] == "constant"
    assert fit([(1, 7.0), (2, 7.0)])["exponent"] == pytest.approx(0)


def test_growth_is_measured_and_drawn(benchmark, tmp_path, capsys):
    plot, output = tmp_path / "growth.svg", tmp_path / "growth.json"
    words = ["--tiny", "--axes", "batch_size", "--steps", "1"]
    benchmark("growth").main([*words, "--plot", str(plot), "--output", str(output)])
    points = json.loads(output.read_text())["points"]["batch_size"]
    assert [size for size, _ in points] == [8, 16]
    drawn = ElementTree.parse(plot).getroot()
    assert len(drawn.findall(".//{*}circle")) == 3 * len(points)  # Of three costs.
    assert "| batch_size | peak memory, GiB | " in capsys.readouterr().out


def test_ratios_are_of_pairs(benchmark):
    comparisons = benchmark("comparisons")
    ours, theirs = comparisons.Command("a"), comparisons.Command("b")
    costs = {ours: (1, 2, 10), theirs: (4, 6, 20)}  # The machine slows down.
    results = {
        command: [{"seconds_per_step": value} for value in values]
        for command, values in costs.items()
    }
    row = comparisons.Row("a", "", "seconds_per_step", ours, {"them": theirs})
    [outcome] = comparisons.compare(row, results)
    assert (outcome["ours"], outcome["theirs"], outcome["ratio"]) == (2, 6, 3)
    [share] = comparisons.compare(row._replace(as_share=True), results)
    assert share["ratio"] == pytest.approx(1 / 3)
    assert comparisons.table_cells(outcome)[-1] == "theirs : ours = 3.00"


def test_a_side_that_failed_is_named(benchmark):
    comparisons = benchmark("comparisons")
    ours, theirs = comparisons.Command("a"), comparisons.Command("b")
    results = {ours: [{"peak_gib": 2}], theirs: [{"failed": "not | done after 9 s"}]}
    row = comparisons.Row("a", "memory", "peak_gib", ours, {"them": theirs}, True)
    [outcome] = comparisons.compare(row, results)
    cells = ["memory", "2 GiB", "them", "not / done after 9 s", ""]
    assert comparisons.table_cells(outcome) == cells
    [outcome] = comparisons.compare(row._replace(ours=theirs), results)
    assert comparisons.table_cells(outcome)[1:4:2] == ["not / done after 9 s"] * 2


def test_a_worker_that_takes_too_long_is_ended(benchmark, tmp_path):
    script, child = tmp_path / "endless.py", tmp_path / "child.py"
    script.write_text(
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, {str(child)!r}])\n"
        "print('warming up', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    alive = tmp_path / "alive"
    child.write_text(f"import time\ntime.sleep(4)\nopen({str(alive)!r}, 'w')\n")
    measuring = benchmark("measuring")
    with pytest.raises(measuring.WorkerFailed) as failure:
        measuring.run_worker(script, seconds=2)
    assert failure.value.reason == "not done after 2 s"
    assert failure.value.log == "warming up\n"
    time.sleep(3)
    assert not alive.exists()  # Its children are ended too.


def test_rows_of_a_gpu_share_commands(benchmark):
    comparisons, gpu_rows = benchmark("comparisons"), benchmark("gpu_rows")
    rows = {row.name: row for row in gpu_rows.make_rows("folder", steps=1)}
    assert tuple(rows) == gpu_rows.ORDER
    assert rows["start"].ours == rows["memory"].ours == rows["search"].ours
    [needed] = rows["input"].theirs.values()
    assert needed == rows["search"].ours
    # The second start is a process of its own, after the first one.
    again = rows["start-cached"].ours
    assert again != again.after == rows["start-jit"].ours == rows["search-jit"].ours
    assert again.words == again.after.words
    # What is to be measured on a GPU must not run on a CPU unnoticed.
    on_cpus = ("first_step.py", "input_pipeline.py")
    for command in comparisons.commands_of(rows.values()):
        assert command.script in on_cpus or "cuda" in command.words


def test_a_table_names_failures_and_lack_of_time(benchmark, tmp_path, monkeypatch):
    gpu_table, comparisons = benchmark("gpu_table"), benchmark("comparisons")
    measuring = benchmark("measuring")
    costs = {
        "ours.py": {"seconds_per_step": 2.0, "images_per_second": 64},
        "torch_peer.py": {"seconds_per_step": 6.0, "images_per_second": 20},
        "input_pipeline.py": {"images_per_second": 320},
    }
    ran = []

    def run(command, torch_python, seconds):
        assert (torch_python, seconds) == ("python", 50)
        ran.append(command)
        if "export" in command.words:
            raise measuring.WorkerFailed([str(command)], "disk full", "log")
        return costs[command.script]

    monkeypatch.setattr(comparisons, "run", run)
    monkeypatch.setattr(comparisons, "has_torch", lambda python: True)
    output = tmp_path / "table.json"
    names = ["search", "retrain", "throughput", "input"]
    words = ["--output", str(output), "--torch-python", "python"]
    words += ["--process-seconds", "50", "--rows", *names]
    arguments, rows = gpu_table.parse_arguments(words, tmp_path)
    table = gpu_table.Table(arguments, deadline=time.monotonic() + 100)
    search, retrain, exported, images = rows
    [outcome] = table.measure(search)
    assert (outcome["theirs"], outcome["ratio"]) == (6.0, 3.0)
    [outcome] = table.measure(images)
    assert outcome["ratio"] == 5  # The input delivers five times what is needed.
    assert len(ran) == 3
    [outcome] = table.measure(exported)
    assert outcome["ours"].startswith("what comes before it failed: benchmarks/ours.py")
    assert outcome["theirs"] == 20
    table.deadline = time.monotonic()
    [outcome] = table.measure(retrain)
    assert outcome["ours"] == outcome["theirs"] == "no time: 8 minutes are over"
    kept = json.loads(output.read_text())
    assert [row["row"] for row in kept["rows"]] == [
        *("search", "input", "throughput", "retrain")
    ]
    assert kept["reports"][1]["seconds_per_step"] == 6.0
    assert kept["reports"][3]["failed"] == "disk full"


def test_a_gpu_table_without_torch(benchmark, tmp_path, capsys):
    output = tmp_path / "table.json"
    words = ["--rows", "retrain", "--tiny", "--device", "cpu", "--steps", "1"]
    words += ["--torch-python", "nowhere/python", "--output", str(output)]
    benchmark("gpu_table").main(words)
    [row] = json.loads(output.read_text())["rows"]
    assert row["ours"] > 0
    assert row["theirs"].startswith("nowhere/python has no PyTorch. Install it")
    printed = capsys.readouterr().out
    assert f"| {row['ours']:.3g} s | eager PyTorch | nowhere/python has no" in printed


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU")
def test_a_missing_gpu_is_told(benchmark):
    run_worker = benchmark("measuring").run_worker
    with pytest.raises(SystemExit, match="failed: --device cuda needs a GPU"):
        run_worker("ours.py", "search", "--device", "cuda")


def test_remedies_are_compared_with_plain_darts(benchmark, capsys):
    remedies = benchmark("remedies")
    seconds = {name: [2.0, 4.0] for name in remedies.REMEDIES}
    remedies.print_table({**seconds, "perturbation": [3.0, 8.0]})
    table = capsys.readouterr().out
    assert "| plain | 1.00 | 1.00 to 1.00 |" in table
    assert "| perturbation | 1.75 | 1.50 to 2.00 |" in table


def test_kernels_of_a_profile_are_summed_by_kind(benchmark):
    events = [
        ("cell/conv:Conv2D", 3e9),
        ("gradients/conv:Conv2D", 1e9),
        ("cell/add:AddV2", 2e9),
        ("StatefulPartitionedCall:StatefulPartitionedCall", 9e9),  # Holds others.
        ("ExecutorState::Process", 9e9),
        ("EagerLocalExecute: __inference_1", 9e9),
    ]
    times = benchmark("step_profile").times_by_kind(events)
    assert times == {"Conv2D": (4.0, 2), "AddV2": (2.0, 1)}


def test_a_step_is_profiled(benchmark, capsys, monkeypatch):
    monkeypatch.setattr(benchmark("measuring"), "hide_gpus", lambda: None)
    words = ["--filters", "2", "--num-cells", "3", "--image-size", "8"]
    words += ["--batch-size", "2", "--steps", "2"]
    benchmark("step_profile").main(["retrain", *words])
    first, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert first.startswith("A step takes ")
    shares = [row.split("|")[3].strip() for row in rows[2:]]
    assert sum(int(share.rstrip("%")) for share in shares) == pytest.approx(100, abs=7)


def test_the_input_pipeline_is_measured(benchmark):
    words = ["--image-size", "32", "32", "--seconds", "0.2"]
    report = benchmark("measuring").run_worker("input_pipeline.py", *words)
    assert report["image_shape"] == [32, 32, 1]
    assert report["images_per_second"] > 0 and report["in_training"] > 0


def test_each_command_runs_once_a_round(benchmark):
    comparisons = benchmark("comparisons")
    rows = benchmark("cpu_rows").make_rows("saved", steps=1)
    commands = comparisons.commands_of(rows)
    assert len(commands) == len(set(commands)) < sum(1 + len(r.theirs) for r in rows)
    [export] = comparisons.preparations_of(commands)
    assert export.words == ("export", "--output", "saved")
    assert commands[0].script == "ours.py"
    assert commands[1].script == commands[2].script == "torch_peer.py"


def test_a_python_without_torch_is_refused(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark("against_torch").main(["--torch-python", "nowhere/python"])
    assert "nowhere/python has no PyTorch. Install it" in capsys.readouterr().err


PEER_PARAMETERS = """
import torch_networks as networks
supernet = networks.make_supernet(networks.OPERATIONS, filters=4, num_cells=3)
network = networks.make_network("DARTS_V2", filters=4, num_cells=3)
for each in supernet, network:
    print(sum(weight.numel() for weight in each.parameters()))
"""


def test_the_peer_has_our_parameters(benchmark, torch_python):
    command = [torch_python, "-c", PEER_PARAMETERS]
    done = subprocess.run(command, cwd=FOLDER, check=True, capture_output=True)
    workloads = benchmark("workloads")
    supernet = Supernet(10, 4, 3, "at_darts")
    supernet.build((None, 32, 32, 3))
    network = workloads.make_network("DARTS_V2", filters=4, num_cells=3)
    ours = supernet.operation_weights, network.trainable_variables
    assert list(map(int, done.stdout.split())) == [
        workloads.count_values(variables) for variables in ours
    ]


@pytest.mark.parametrize("order", [1, 2])
def test_the_peer_searches(benchmark, torch_python, order):
    words = [*SMALL, "--order", order, "--batch-size", 2, "--image-size", 8]
    words += ["--steps", 1]
    report = benchmark("measuring").run_worker(
        "torch_peer.py", "search", *words, python=torch_python
    )
    assert report["startup_seconds"] > 1
    # Both batches of two.
    assert report["images_per_second"] == pytest.approx(4 / report["seconds_per_step"])


def test_both_sides_are_compared(benchmark, torch_python, tmp_path, capsys):
    output = tmp_path / "comparison.json"
    words = ["--rows", "latency", "--rounds", "1", "--steps", "1", "--tiny"]
    words += ["--torch-python", torch_python, "--output", str(output)]
    benchmark("against_torch").main(words)
    rows = json.loads(output.read_text())["rows"]
    assert [row["compared_with"] for row in rows] == [
        "PyTorch NCHW",
        "PyTorch channels-last",
    ]
    printed = capsys.readouterr().out
    for row in rows:
        assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"])
        assert f"theirs : ours = {row['ratio']:.2f}" in printed
