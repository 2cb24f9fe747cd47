import argparse
import contextlib
import dataclasses
import json

import keras
import pytest

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import changed_flags
from keras_atdarts.experiments.runs.flags import config_from_arguments
from keras_atdarts.experiments.runs.flags import config_parser
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.records import drop_epochs_from
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.selection_config import SelectionConfig
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.runs.settings import flag_words
from keras_atdarts.experiments.runs.workdir import RunDirectory

CONFIGS = (SearchConfig, RetrainConfig, SelectionConfig)
PRESETS = [(config, name) for config in CONFIGS for name in config.presets]
FIELDS = [(config, field) for config in CONFIGS for field in dataclasses.fields(config)]


# A strength counts with either of two targets, which conditions cannot say.
ALSO_NEEDED = {"target_strength": {"target_multiply_adds": 4e8}}
# A selection by perturbation is refused with what chooses by the alphas.
BY_ALPHAS = {
    "stages": None,
    "stage_cells": None,
    "max_skip_connections": None,
    "eigenvalue": "off",
}
BY_PERTURBATION = ("selection", "selection_tuning_epochs", "selection_images")
CHOOSING = (*BY_ALPHAS, "stop_at_skip_connections", "stop_when_unchanged")
BESIDE = {
    **dict.fromkeys(BY_PERTURBATION, BY_ALPHAS),
    **dict.fromkeys(CHOOSING, {"selection": "argmax"}),
}


def field_name(value):
    if isinstance(value, str):
        return value
    return value.name if isinstance(value, dataclasses.Field) else value.__name__


def parse(config_class, *argv):
    parser = config_parser(config_class, "A script.", argv)
    return config_from_arguments(config_class, parser.parse_args(argv))


# 20 epochs are more than a warm-up of 15, and 20 filters have four equal parts.
CANDIDATES = (True, False, 0.01, 0.002, 1e-4, 2, 1, 3, 20)
CANDIDATES += ((5, 7), (0.3, 0.4), "x", ("x",), (7, 5), (3,), (3, 4, 5))


def with_another_value(config, name):
    """Returns `config` with another value of the setting `name`, any that it takes."""
    kind = config.__dataclass_fields__[name].metadata["kind"]
    for candidate in (*(kind.choices or ()), *CANDIDATES):
        with contextlib.suppress(InputError):
            changed = dataclasses.replace(config, **{name: candidate})
            if changed != config:
                return changed
    raise AssertionError(f"no other value known for {name}")


def as_words(config, names):
    """Returns the flags that give the named settings of `config`."""
    return [word for name in names for word in flag_words(name, getattr(config, name))]


@pytest.mark.parametrize(("config_class", "name"), PRESETS)
def test_preset_states_only_what_it_changes(config_class, name):
    config = config_class.preset(name)
    default = config_class()
    for field, value in config_class.presets[name].items():
        assert getattr(config, field) == value
        assert getattr(default, field) != value


@pytest.mark.parametrize(("config_class", "name"), PRESETS)
def test_config_survives_json(config_class, name):
    config = config_class.preset(name, image_size=(30, 31))
    assert config_class.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_paper_presets_are_those_of_the_paper():
    search = SearchConfig.preset("paper")
    assert (search.dataset, search.epochs, search.batch_size) == ("cifar10", 50, 128)
    assert (search.alpha_optimizer, search.alpha_learning_rate) == ("sgd", 0.1)
    assert (search.weight_learning_rate, search.operations) == (0.025, ("at_darts",))
    assert (search.momentum, search.alpha_momentum) == (0.9, 0.9)
    assert (search.weight_decay, search.alpha_weight_decay) == (3e-4, 3e-4)
    assert (search.filters, search.num_cells) == (16, 8)
    retrain = RetrainConfig.preset("paper")
    assert (retrain.epochs, retrain.batch_size) == (600, 128)
    assert (retrain.learning_rate, retrain.weight_decay) == (0.025, 3e-4)
    assert (retrain.filters, retrain.num_cells) == (36, 20)


@pytest.mark.parametrize(("name", "order"), [("darts", 1), ("darts-second-order", 2)])
def test_darts_presets_are_those_of_the_reference(name, order):
    search = SearchConfig.preset(name)
    assert (search.dataset, search.operations) == ("cifar10", ("darts",))
    assert (search.order, search.hessian) == (order, "finite_difference")
    assert (search.epochs, search.batch_size, search.weight_fraction) == (50, 64, 0.5)
    assert (search.filters, search.num_cells) == (16, 8)
    assert (search.weight_learning_rate, search.weight_learning_rate_min) == (
        0.025,
        0.001,
    )
    assert (search.momentum, search.weight_decay, search.clip_norm) == (0.9, 3e-4, 5)
    assert (search.alpha_optimizer, search.alpha_betas) == ("adam", (0.5, 0.999))
    assert (search.alpha_learning_rate, search.alpha_weight_decay) == (3e-4, 1e-3)
    assert search.alpha_learning_rate_min is None


def test_the_pc_darts_preset_is_that_of_the_reference():
    search = SearchConfig.preset("pc-darts")
    assert (search.dataset, search.operations) == ("cifar10", ("darts",))
    assert (search.partial_channels, search.warm_up_epochs) == (4, 15)
    assert (search.epochs, search.batch_size, search.weight_fraction) == (50, 256, 0.5)
    assert (search.filters, search.num_cells, search.order) == (16, 8, 1)
    rates = search.weight_learning_rate, search.weight_learning_rate_min
    assert rates == (0.1, 0.001)
    assert (search.momentum, search.weight_decay, search.clip_norm) == (0.9, 3e-4, 5)
    assert (search.alpha_optimizer, search.alpha_betas) == ("adam", (0.5, 0.999))
    assert (search.alpha_learning_rate, search.alpha_weight_decay) == (6e-4, 1e-3)


def test_darts_retraining_is_that_of_the_reference():
    retrain = RetrainConfig.preset("darts")
    assert (retrain.dataset, retrain.epochs, retrain.batch_size) == ("cifar10", 600, 96)
    assert (retrain.filters, retrain.num_cells, retrain.cutout) == (36, 20, 16)
    assert (retrain.learning_rate, retrain.learning_rate_min) == (0.025, 0)
    assert (retrain.momentum, retrain.weight_decay, retrain.clip_norm) == (0.9, 3e-4, 5)
    assert (retrain.drop_path_rate, retrain.auxiliary_weight) == (0.2, 0.4)
    assert retrain.auxiliary and retrain.flip and retrain.crop_padding == 4


@pytest.mark.parametrize(("config_class", "field"), FIELDS, ids=field_name)
def test_every_flag_overrides_every_preset(config_class, field):
    for name in config_class.presets:
        conditions = config_class.conditions(field.name)
        conditions |= ALSO_NEEDED.get(field.name, {})
        conditions |= BESIDE.get(field.name, {}) if config_class is SearchConfig else {}
        preset = dataclasses.replace(config_class.preset(name), **conditions)
        changed = with_another_value(preset, field.name)
        words = as_words(changed, [*conditions, field.name])
        assert parse(config_class, "--preset", name, *words) == changed


@pytest.mark.parametrize(("config_class", "name"), PRESETS)
def test_preset_states_only_what_counts(config_class, name):
    config = config_class.preset(name)
    assert all(map(config.counts, config_class.presets[name]))


CONDITIONS = [
    (config, field, other)
    for config, field in FIELDS
    for other in config.conditions(field.name)
    if field.name not in ALSO_NEEDED
]


@pytest.mark.parametrize(("config_class", "field", "other"), CONDITIONS, ids=field_name)
def test_flag_that_would_not_count_is_refused(config_class, field, other):
    needed = config_class.conditions(field.name)
    right = with_another_value(
        dataclasses.replace(config_class(), **needed), field.name
    )
    wrong = with_another_value(right, other)
    with pytest.raises(InputError) as error:
        parse(config_class, *as_words(wrong, [other, field.name]))
    expected, received = (" ".join(as_words(each, [other])) for each in (right, wrong))
    assert str(error.value) == (
        f"{flag_name(field.name)} only counts with {expected}; received {received}. "
        f"Leave it out, or give {expected}."
    )


def test_refused_setting_says_when_its_preset_decided():
    expected = (
        "--auxiliary-weight only counts with --auxiliary; the preset quick has "
        "--no-auxiliary. Leave it out, or give --auxiliary."
    )
    with pytest.raises(InputError, match=f"^{expected}$"):
        RetrainConfig.preset("quick", auxiliary_weight=0.4)


@pytest.mark.parametrize("config_class", CONFIGS)
def test_no_flags_give_the_quick_preset(config_class):
    assert parse(config_class) == config_class.preset("quick")


@pytest.mark.parametrize("name", ["image_size", "steps_per_epoch", "data_dir"])
def test_optional_flag_takes_none(name):
    assert (
        getattr(parse(SearchConfig, "--" + name.replace("_", "-"), "none"), name)
        is None
    )


@pytest.mark.parametrize("config_class", CONFIGS)
def test_help_names_every_setting_and_the_presets_values(config_class, capsys):
    with pytest.raises(SystemExit) as exit_info:
        parse(config_class, "--help", "--preset", "paper")
    assert exit_info.value.code == 0
    shown = "".join(capsys.readouterr().out.split())  # It also breaks at hyphens.
    for field in dataclasses.fields(config_class):
        described = field.metadata["help"]
        for condition in field.metadata["only_with"].items():
            described += f"; only with {' '.join(flag_words(*condition))}"
        assert "".join(described.split()) in shown
    assert "(cifar10)" in shown and "(128)" in shown


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "at least 1"),
        ("epochs", 2.0, "whole number"),
        ("epochs", True, "whole number"),
        ("num_cells", 2, "at least 3"),
        ("seed", -1, "at least 0"),
        ("seed", 2**32, "at most 4294967295"),
        ("image_size", (32,), "2 values"),
        ("image_size", [32, 32], "2 values"),
        ("image_size", (32, 0), "at least 1"),
        ("weight_fraction", 0.0, "above 0 and below 1"),
        ("weight_fraction", 1.0, "above 0 and below 1"),
        ("momentum", 1.0, "at least 0 and below 1"),
        ("clip_norm", float("nan"), "above 0"),
        ("clip_norm", float("inf"), "above 0"),
        ("weight_decay", "much", "number"),
        ("flip", 1, "True or False"),
        ("dataset", "", "non-empty"),
        ("operations", (), "one or more"),
        ("operations", "none", "one or more"),
        ("operations", ("none", "none"), "twice"),
        ("alpha_optimizer", "rmsprop", "adam, sgd"),
        ("weight_learning_rate_min", 0.5, "weight_learning_rate"),
        ("alpha_learning_rate_min", 0.5, "alpha_learning_rate"),
        ("order", 3, "at most 2"),
        ("order", 0, "at least 1"),
        ("order", "2", "whole number"),
        ("hessian", "approximate", "finite_difference, exact"),
        ("alpha_betas", 0.9, "2 values"),
        ("alpha_betas", (0.9,), "2 values"),
        ("alpha_betas", (0.9, 1.0), "below 1"),
        ("alpha_momentum", -0.1, "at least 0"),
    ],
)
def test_bad_value_is_refused(name, value, expected):
    with pytest.raises(InputError) as error:
        SearchConfig(**{name: value})
    message = str(error.value)
    assert name in message and expected in message and "received" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--epochs", "many"], "epochs must be a whole number"),
        (["--image-size", "3"], "image_size must be 2 values"),
        (["--preset", "papr"], "Did you mean 'paper'?"),
        (["--epoch", "3"], "--epoch"),
        (["--epochs"], "--epochs"),
    ],
)
def test_bad_flag_is_one_line_and_code_2(argv, expected, capsys):
    assert run_script(lambda argv: parse(SearchConfig, *argv), argv) == 2
    message = capsys.readouterr().err
    assert expected in message and ": error: " in message
    assert message.count("\n") == 1


def test_changed_flags_give_another_run_the_same_values():
    preset = SearchConfig.preset("cpu")
    config = dataclasses.replace(preset, dataset="my photos", image_size=(9, 8))
    words = changed_flags(config, ("dataset", "data_dir", "image_size"), preset)
    assert words == ["--dataset", "my photos", "--image-size", "9", "8"]
    assert parse(SearchConfig, "--preset", "cpu", *words) == config


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "many", ""])
def test_positive_number_refuses_the_rest(word):
    assert positive_number("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        positive_number(word)


def test_workdir_is_made_with_its_parents(tmp_path):
    run = RunDirectory(tmp_path / "runs" / "a").make()
    assert run.path.is_dir() and not any(run.path.iterdir())
    RunDirectory(run.path).make()


def test_workdir_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="--overwrite"):
        RunDirectory(tmp_path).make()


def test_overwriting_removes_only_the_files_of_a_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / workdir.TENSORBOARD / "train").mkdir(parents=True)
    (tmp_path / workdir.CONFIG).write_text("{}")
    RunDirectory(tmp_path).make(overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_workdir_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write the run to"):
        RunDirectory(tmp_path / "file" / "run").make()


def test_read_only_place_is_refused():
    with pytest.raises(InputError, match="Cannot write the run to '/proc/a/b'"):
        RunDirectory("/proc/a/b").make()


def test_check_asks_and_changes_nothing(tmp_path):
    RunDirectory.check(tmp_path / "runs" / "a")
    RunDirectory.check(tmp_path)
    assert not any(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not empty"):
        RunDirectory.check(tmp_path)
    RunDirectory.check(tmp_path, overwrite=True)
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(InputError, match="Not a directory"):
            RunDirectory.check(path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_finished_epochs_are_the_rows_of_the_history(tmp_path):
    run = RunDirectory(tmp_path)
    nothing = f"0 finished epochs are in {tmp_path}. To go on: "
    assert run.progress().startswith(nothing)
    for rows, expected in (("0\n", "1 finished epoch is"), ("0\n1\n", "2 finished")):
        run.file(workdir.HISTORY).write_text(f"epoch\n{rows}")
        assert run.progress().startswith(expected)


def test_network_of_a_dropped_epoch_goes_too(tmp_path):
    run = RunDirectory(tmp_path)
    run.file(workdir.HISTORY).write_text("epoch,loss\n0,3\n1,2\n")
    run.file(workdir.NETWORK).touch()
    drop_epochs_from(run, 2)
    assert run.file(workdir.NETWORK).exists()
    drop_epochs_from(run, 1)
    assert not run.file(workdir.NETWORK).exists()
    assert run.file(workdir.HISTORY).read_text() == "epoch,loss\n0,3\n"


def test_result_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(InputError, match="Cannot write"):
        RunDirectory(tmp_path / "absent").write_json(workdir.EVALUATION, {})


def test_missing_or_unfinished_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run"):
        RunDirectory.open(tmp_path / "absent")
    with pytest.raises(InputError, match="network.keras"):
        RunDirectory.open(tmp_path, needs=[workdir.NETWORK])


def test_config_of_a_run_is_complete_and_comes_back(tmp_path):
    run = RunDirectory(tmp_path).make()
    config = SearchConfig.preset("cpu", image_size=(9, 8))
    run.write_config(config, {"name": "clothes"})
    assert run.read_config(SearchConfig) == (config, {"name": "clothes"})
    saved = run.read_json(workdir.CONFIG)
    assert saved["versions"].keys() >= {"python", "keras", "tensorflow", "numpy"}
    assert saved["versions"]["keras"] == keras.__version__
    assert saved.keys() >= {"command", "date", "git_revision", "platform"}
    with pytest.raises(InputError, match="expected RetrainConfig"):
        run.read_config(RetrainConfig)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_damaged_config_is_refused(tmp_path, content):
    (tmp_path / workdir.CONFIG).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="config.json"):
        RunDirectory(tmp_path).read_config(SearchConfig)


def test_config_with_unknown_setting_is_refused():
    with pytest.raises(InputError, match="Did you mean 'epochs'"):
        SearchConfig.from_dict({"epoch": 3})


def test_interrupted_write_leaves_the_previous_file(tmp_path):
    path = tmp_path / "alphas.json"
    atomic.write_json(path, [1])
    with pytest.raises(RuntimeError), atomic.replacing(path) as partial:
        partial.write_text("[1, 2")
        assert partial.suffix == path.suffix
        raise RuntimeError
    assert json.loads(path.read_text()) == [1]
    assert list(tmp_path.iterdir()) == [path]
