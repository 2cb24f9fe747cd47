"""Runs that are really killed end as if they had never been.

Four processes train side by side: a search and a retraining that are left alone,
and the same two, killed once or twice and resumed.
"""

import concurrent.futures
import dataclasses
import random
import shutil
import signal
import subprocess
import time
import zipfile

import h5py
import numpy as np
import pytest
import sample_data
import scripts
import tensorflow as tf

from keras_atdarts.experiments.runs import checkpoints
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import read_events
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.sampling import random_genotypes

EPOCHS, STEPS = 4, 5
SMALL = f"--filters 4 --num-cells 3 --batch-size 8 --steps-per-epoch {STEPS}"
SHARED = f"{SMALL} --epochs {EPOCHS} --seed 3 --deterministic"
SPACE = ("none", "max_pool_3x3", "dil_conv_3x3")
# It is killed in its second epoch, before the alphas learn.
PARTIAL = "--partial-channels 2 --warm-up-epochs 2"
# What is drawn, what changes with the epochs, and what looks back at them.
REMEDIES = (
    "--sampler dirichlet --perturbation 0.05 0.1 --regularizers beta_decay=0:5 "
    "--eigenvalue record --stop-when-unchanged 5 "
    "--target-parameters 2e3 --retrain-filters 4 --retrain-num-cells 3 "
    "--target-strength 1 3"
)
REGULARISED = "--drop-path-rate 0.3 --auxiliary --cutout 4"
PATIENCE = 240  # Seconds.


@dataclasses.dataclass
class Killed:
    """A command that was killed and resumed until its end.

    Args:
        words: The words of its command line, without `--resume`.
        run: The `RunDirectory`.
        printed: What its processes printed, in their order.
    """

    words: list
    run: RunDirectory
    printed: list


def start(words):
    return subprocess.Popen(
        scripts.command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(words):
    """Runs a command to its end; returns what it printed."""
    process = start(words)
    try:
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, printed[-3000:]
    return printed


def kill_when(words, ready):
    """Runs a command and kills it some time after `ready()`; returns its output."""
    process = start(words)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, process.communicate()[0][-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.15))
    finally:
        process.send_signal(signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had ended before"
    return printed


def checkpoint_paths(run):
    """Returns the run's whole and damaged checkpoints, the newest last."""
    return sorted(run.file(workdir.CHECKPOINTS).glob("0*.npz"))


def after(run, step):
    """Returns a function: whether there is a checkpoint of that step or later."""
    return lambda: any(int(path.stem) >= step for path in checkpoint_paths(run))


def kill_search(words, run):
    """Kills a search while it saves every step; its last checkpoint loses its end."""
    printed = [kill_when(words, after(run, STEPS + 3))]
    newest = checkpoint_paths(run)[-1]
    newest.write_bytes(newest.read_bytes()[:-1000])
    newest.with_name(".partial-000000099.npz").write_bytes(b"half")
    return Killed(words, run, [*printed, finish([*words, "--resume"])])


def kill_retraining(words, run):
    """Kills a retraining before its first checkpoint and in a later epoch."""
    printed = [kill_when(words, run.file(workdir.GENOTYPE).exists)]
    resumed = [*words, "--resume"]
    printed.append(kill_when(resumed, after(run, 2 * STEPS + 2)))
    return Killed(words, run, [*printed, finish(resumed)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns `{script: (run left alone, Killed)}`."""
    place = tmp_path_factory.mktemp("resume")
    images = sample_data.write_image_folder(place / "images", (12, 12, 1), 40)
    (genotype,) = random_genotypes(SPACE, 1, seed=1, num_nodes=2)
    genotype.save(place / "genotype.json")
    shared = [*SHARED.split(), "--dataset", str(images)]
    searching = ["search.py", *shared, *PARTIAL.split(), *REMEDIES.split()]
    searching += ["--operations", *SPACE]
    retraining = ["retrain.py", *shared, *REGULARISED.split()]
    retraining += ["--genotype", str(place / "genotype.json")]

    def words(command, name, *more):
        return [*command, "--workdir", str(place / name), *more]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        alone = [
            pool.submit(finish, words(searching, "search")),
            pool.submit(finish, words(retraining, "net")),
        ]
        killed = [
            pool.submit(
                kill_search,
                words(searching, "killed-search", "--checkpoint-steps", "1"),
                RunDirectory(place / "killed-search"),
            ),
            pool.submit(
                kill_retraining,
                words(retraining, "killed-net", "--checkpoint-steps", "2"),
                RunDirectory(place / "killed-net"),
            ),
        ]
        for one in alone:
            one.result()
        search, net = (one.result() for one in killed)
    return {
        "search.py": (RunDirectory(place / "search"), search),
        "retrain.py": (RunDirectory(place / "net"), net),
    }


SCRIPTS = ("search.py", "retrain.py")


def assert_same_arrays(arrays, others):
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        assert array.dtype == others[name].dtype, name
        assert array.tobytes() == others[name].tobytes(), name


def saved_weights(path):
    """Returns all arrays in a `.keras` file by name."""
    arrays = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with zipfile.ZipFile(path) as archive:
        with archive.open("model.weights.h5") as content, h5py.File(content) as file:
            file.visititems(note)
    return arrays


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_bit_is_that_of_a_run_left_alone(runs, script):
    alone, killed = runs[script]
    (expected, found) = (
        checkpoints.Checkpoints(run.file(workdir.CHECKPOINTS)).newest()
        for run in (alone, killed.run)
    )
    assert expected.step == found.step == EPOCHS * STEPS
    assert any(name.startswith("optimizers/") for name in expected.arrays)
    assert_same_arrays(expected.arrays, found.arrays)
    model = workdir.SUPERNET if script == "search.py" else workdir.NETWORK
    weights = [saved_weights(run.file(model)) for run in (alone, killed.run)]
    assert len(weights[0]) > 20
    assert_same_arrays(*weights)


@pytest.mark.parametrize("script", SCRIPTS)
def test_records_have_neither_gaps_nor_doubles(runs, script):
    alone, killed = runs[script]
    names = [workdir.HISTORY, workdir.GENOTYPE]
    names += [workdir.ALPHAS] if script == "search.py" else []
    for name in names:
        assert alone.file(name).read_text() == killed.run.file(name).read_text()
    assert len(alone.file(workdir.HISTORY).read_text().splitlines()) == 1 + EPOCHS
    values = [sorted(tensorboard_values(run)) for run in (alone, killed.run)]
    assert values[0] == values[1]
    assert len(set(values[0])) == len(values[0])
    steps = [step for step, tag, _ in values[0] if tag == "epoch_loss"]
    assert steps == list(range(EPOCHS))


def tensorboard_values(run):
    for path in run.file(workdir.TENSORBOARD).rglob("events*"):
        for event in read_events(path):
            for value in event.summary.value:
                yield event.step, value.tag, value.tensor.SerializeToString()


def test_the_way_was_that_of_the_kills(runs):
    search, net = (runs[script][1] for script in SCRIPTS)
    damaged = "Skipping the damaged '"
    assert [printed.count(damaged) for printed in search.printed] == [0, 1]
    assert "yet: starting again" in net.printed[1]
    for killed in (search, net):
        assert "Resuming after" in killed.printed[-1]
        config = killed.run.read_json(workdir.CONFIG)
        assert config["finished"] and config["resumed"][-1]["step"] > STEPS
        names = [path.name for path in killed.run.file(workdir.CHECKPOINTS).iterdir()]
        assert sorted(names)[-1] == f"{EPOCHS * STEPS:09}.npz"
        assert len(names) == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_finished_run_says_so_and_stays(runs, script, capsys):
    killed = runs[script][1]
    before = contents(killed.run)
    assert scripts.run(*killed.words, "--resume") == 0
    assert "is finished: nothing to resume" in capsys.readouterr().out
    assert contents(killed.run) == before


def contents(run):
    paths = sorted(path for path in run.path.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


@pytest.fixture
def stopped(runs, tmp_path, monkeypatch):
    """Returns a function that copies a killed run, as if it had not been finished.

    It ends in this process, whose other tests do not ask for determinism.
    """
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)

    def copy(script):
        killed = runs[script][1]
        run = RunDirectory(shutil.copytree(killed.run.path, tmp_path / "run"))
        config = run.read_json(workdir.CONFIG)
        run.write_json(workdir.CONFIG, {**config, workdir.FINISHED: None})
        place = {str(killed.run.path): str(run.path)}
        return run, [place.get(word, word) for word in killed.words]

    return copy


def refusal(capsys, *words):
    """Returns the one line that a script says, having done nothing."""
    assert scripts.run(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_run_killed_after_its_last_checkpoint_only_writes_its_results(stopped, runs):
    run, words = stopped("search.py")
    run.file(workdir.SUPERNET).unlink()
    run.file(workdir.GENOTYPE).unlink()
    assert scripts.run(*words, "--resume") == 0
    alone = runs["search.py"][0]
    for name in (workdir.GENOTYPE, workdir.HISTORY, workdir.ALPHAS):
        assert run.file(name).read_bytes() == alone.file(name).read_bytes()
    weights = [saved_weights(each.file(workdir.SUPERNET)) for each in (run, alone)]
    assert_same_arrays(*weights)
    assert not run.is_unfinished()


def test_other_settings_are_named_with_both_values(stopped, capsys):
    run, words = stopped("search.py")
    before = contents(run)
    more = ["--resume", "--epochs", "9", "--no-deterministic", "--data-dir", "x"]
    line = refusal(capsys, *words, *more)
    assert (
        f"--epochs (it began with '--epochs {EPOCHS}', received '--epochs 9')" in line
    )
    assert "'--deterministic', received '--no-deterministic'" in line
    assert "data-dir" not in line
    assert contents(run) == before


def test_other_genotype_is_refused(stopped, capsys):
    run, words = stopped("retrain.py")
    line = refusal(capsys, *words, "--resume", "--genotype", "DARTS_V2")
    assert f"Give --genotype '{run.file(workdir.GENOTYPE)}'" in line


def test_other_images_are_refused(stopped, capsys):
    run, words = stopped("search.py")
    config = run.read_json(workdir.CONFIG)
    config["dataset"]["num_train"] -= 1
    run.write_json(workdir.CONFIG, config)
    line = refusal(capsys, *words, "--resume")
    assert "num_train (it began with 107, received 108)" in line


def test_other_versions_are_named(stopped, capsys):
    run, words = stopped("search.py")
    config = run.read_json(workdir.CONFIG)
    config["versions"]["numpy"] = "0.1"
    config[workdir.FINISHED] = "now"
    run.write_json(workdir.CONFIG, config)
    assert scripts.run(*words, "--resume") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Warning: the run began with numpy 0.1, now {np.__version__}." in line


def test_without_a_whole_checkpoint_it_says_what_to_do(stopped, capsys):
    run, words = stopped("search.py")
    for path in checkpoint_paths(run):
        path.write_bytes(b"")
    assert scripts.run(*words, "--resume") == 2
    *damaged, line = capsys.readouterr().err.splitlines()
    assert len(damaged) == 2
    assert "None of the 2 checkpoints" in line and "--overwrite" in line


def test_unfinished_run_is_not_begun_anew_by_chance(stopped, capsys):
    _, words = stopped("search.py")
    assert "add --resume to go on with the unfinished run" in refusal(capsys, *words)
    line = refusal(capsys, *words, "--resume", "--overwrite")
    assert "give one" in line


@pytest.mark.parametrize(
    "script", [["search.py"], ["retrain.py", "--genotype", "DARTS_V2"]]
)
def test_without_a_run_there_is_nothing_to_resume(script, tmp_path, capsys):
    line = refusal(capsys, *script, "--resume", "--workdir", tmp_path / "absent")
    assert "There is no run in" in line and "leave out --resume" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--checkpoint-steps", "--keep-checkpoints"])
def test_random_search_has_no_checkpoints(flag, tmp_path, capsys):
    words = [
        "search.py",
        "--strategy",
        "random",
        flag,
        "1",
        "--workdir",
        tmp_path / "a",
    ]
    assert f"{flag} only counts with --strategy gradient" in refusal(capsys, *words)
