"""A search in stages, as a user runs, interrupts and reads it."""

import json
import re

import keras
import pytest
import sample_data
import scripts
from interrupted import Interruption
from interrupted import assert_same_run

from keras_atdarts.experiments.runs import checkpoints
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import alphas_from_dict
from keras_atdarts.genotypes.pruning import kept_from_dict
from keras_atdarts.genotypes.pruning import strongest_operations

EPOCHS, STEPS = 2, 2
SPACE = ("none", "skip_connect", "avg_pool_3x3")
STAGES = (
    f"--epochs {EPOCHS} --stages 2 --stage-cells 3 4 --warm-up-epochs 1 "
    "--sampler dirichlet --alpha-learning-rate 0.1 --checkpoint-steps 1"
)


def words_of(path, images):
    # All of the smallest networks but --num-cells.
    small = "--filters 4 --batch-size 4 --steps-per-epoch".split()
    words = [*small, STEPS, *STAGES.split(), "--operations", *SPACE]
    return ["search.py", *words, "--dataset", images, "--workdir", path]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("stages") / "images"
    return sample_data.write_image_folder(place, (9, 8, 1))


@pytest.fixture(scope="module")
def alone(images, tmp_path_factory):
    """A run that nothing has interrupted."""
    run = RunDirectory(tmp_path_factory.mktemp("stages") / "run")
    assert scripts.run(*words_of(run.path, images)) == 0
    return run


def test_epochs_go_on_from_stage_to_stage(alone):
    history = read_columns(alone.file(workdir.HISTORY))
    assert history["epoch"] == [1, 2, 3, 4]
    # Each stage warms up.
    assert [each is None for each in history["alpha_loss"]] == [True, False] * 2
    first, second = alone.read_json(workdir.STAGES)
    assert (first["first_epoch"], first["num_cells"], first["kept"]) == (0, 3, None)
    assert (second["first_epoch"], second["num_cells"]) == (2, 4)
    epochs = [
        alphas_from_dict(epoch["alphas"]) for epoch in alone.read_json(workdir.ALPHAS)
    ]
    kept = strongest_operations(epochs[1], 2, "dirichlet")
    assert kept_from_dict(second["kept"]) == kept
    for labelled, left in ((epochs[1], 3), (epochs[2], 2)):
        assert {len(each) for each in labelled["normal"].operations.values()} == {left}
    # New alphas, near 0.
    assert abs(epochs[2]["normal"].operations[0, 0][kept["normal"][0, 0][0]]) < 0.01
    supernet = keras.saving.load_model(alone.file(workdir.SUPERNET))
    assert supernet.num_cells == 4
    assert supernet.labelled_alphas()["normal"] == epochs[3]["normal"]


def test_the_report_shows_what_was_dropped(alone):
    assert scripts.run("report.py", alone.path) == 0
    numbers = json.loads(alone.file(workdir.REPORT).read_text(encoding="utf-8"))
    first, second = numbers["stages"]
    assert [first[name] for name in ("first", "last", "operations")] == [1, 2, 3]
    assert [second[name] for name in ("first", "last", "operations")] == [3, 4, 2]
    seconds = numbers["costs"]["epochs"]["seconds"]
    assert second["step_seconds"] == pytest.approx(seconds[3] / STEPS, abs=1e-4)
    lost = second["dropped"]["normal"]["0<-0"]
    assert len(lost) == 1 and not any(first["dropped"]["normal"].values())
    weights = numbers["weights"]["normal"]["0<-0"]
    for name, series in weights.items():
        assert [each is None for each in series] == [False] * 2 + [name in lost] * 2
    page = alone.file(workdir.REPORT_PAGE).read_text(encoding="utf-8")
    assert "the operations that each edge has lost" in page
    assert f"<td>{', '.join(lost)}</td>" in page


def interrupt(words, monkeypatch, name, function):
    """Runs the search with one of its functions replaced, up to its interruption."""
    script = scripts.load("search.py")
    with monkeypatch.context() as patch:
        patch.setattr(script, name, function)
        assert scripts.run(*words) == 130


def test_a_search_that_is_interrupted_at_the_border_ends_the_same(
    alone, images, tmp_path, monkeypatch, capsys
):
    run = RunDirectory(tmp_path / "run")
    words = words_of(run.path, images)
    script = scripts.load("search.py")
    make_supernet, batches_of = script.make_supernet, script.batches_of

    def before_the_second_stage(stage, *arguments):
        if stage.number == 1:
            raise KeyboardInterrupt
        return make_supernet(stage, *arguments)

    def in_the_second_stage(*arguments):
        if run.read_json(workdir.STAGES)[1:]:
            raise KeyboardInterrupt
        return batches_of(*arguments)

    interrupt(words, monkeypatch, "make_supernet", before_the_second_stage)
    assert len(run.read_json(workdir.STAGES)) == 1
    resumed = [*words, "--resume"]
    interrupt(resumed, monkeypatch, "batches_of", in_the_second_stage)
    assert len(run.read_json(workdir.STAGES)) == 2
    # The first epoch of a stage is its warm-up.
    interruption = Interruption(epoch=3, learns=lambda epoch: epoch % EPOCHS >= 1)
    interrupt(resumed, monkeypatch, "AlphaWarmUp", lambda _: interruption)
    capsys.readouterr()
    assert scripts.run(*resumed) == 0
    printed = capsys.readouterr().out
    assert "Resuming after step 7 of 8." in printed and "Stage 2 of 2" in printed
    assert "Stage 1 of 2" not in printed
    names = (workdir.HISTORY, workdir.ALPHAS, workdir.GENOTYPE, workdir.STAGES)
    assert_same_run(run, alone, names)
    newest = checkpoints.Checkpoints(run.file(workdir.CHECKPOINTS)).newest()
    assert newest.step == 2 * EPOCHS * STEPS


def test_a_stop_ends_the_whole_search(images, tmp_path, capsys):
    run = RunDirectory(tmp_path / "run")
    words = [*words_of(run.path, images), "--stop-at-skip-connections", 1]
    # Only skip connections can be derived.
    words[words.index("--operations") : words.index("--dataset")] = [
        "--operations",
        *("none", "skip_connect"),
    ]
    words[words.index("--stages") + 1] = 1
    assert scripts.run(*words) == 0
    assert "after epoch 1: the normal cell has 2 skip conn" in capsys.readouterr().out
    assert len(run.read_json(workdir.ALPHAS)) == 1
    assert len(run.read_json(workdir.STAGES)) == 1 and not run.is_unfinished()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--stages 3 3", "stages must fall: .* received 3 3"),
        ("--stages 0", "stages must be one or more values, each a whole number of at"),
        (
            "--stages 8 3",
            "--stages 8 3 would drop nothing after the first stage",
        ),
        (
            "--stages 5 3 --stage-cells 5 11",
            "stage_cells must have one number for each stage; received 5 11 for 3 stag",
        ),
        ("--stage-cells 5 11", "received 5 11 for 1 stage: --stages none asks for one"),
        (
            "--stages 5 2 --max-skip-connections 2",
            "could leave an edge with none and skip_connect alone, .* at least 3",
        ),
        (
            "--stages 5 --strategy random",
            "--stages only counts with --strategy gradient",
        ),
    ],
)
def test_a_schedule_without_sense_is_refused(words, message, tmp_path, capsys):
    place = tmp_path / "run"
    command = ["search.py", "--operations", "darts", "--workdir", place]
    assert scripts.run(*command, *words.split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert not place.exists()
