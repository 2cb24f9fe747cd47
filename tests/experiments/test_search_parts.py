"""The parts of a search are those that its configuration asks for."""

import pytest

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.cost_targets import make_cost_targets
from keras_atdarts.experiments.runs.cost_targets import network_arguments
from keras_atdarts.experiments.runs.retrain_config import IMAGES_BY_PRESET
from keras_atdarts.experiments.runs.retrain_config import RETRAIN_PRESETS
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.search_parts import alpha_optimizer
from keras_atdarts.experiments.runs.search_parts import make_architect
from keras_atdarts.experiments.runs.search_parts import make_perturbation
from keras_atdarts.experiments.runs.search_parts import make_sampler
from keras_atdarts.experiments.runs.search_parts import make_stops
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.samplers import SAMPLERS
from keras_atdarts.search.stopping import StopAtEigenvalue
from keras_atdarts.search.stopping import StopAtSkips
from keras_atdarts.search.stopping import StopWhenUnchanged


def test_alphas_learn_as_their_settings_say():
    betas = SearchConfig(alpha_betas=(0.8, 0.95), alpha_learning_rate=0.25)
    adam = alpha_optimizer(betas, steps=7).get_config()
    assert (adam["beta_1"], adam["beta_2"], adam["learning_rate"]) == (0.8, 0.95, 0.25)
    assert adam["coupled_weight_decay"] == 1e-3
    falling = SearchConfig(
        alpha_optimizer="sgd",
        alpha_momentum=0.5,
        alpha_weight_decay=0.25,
        alpha_learning_rate=0.1,
        alpha_learning_rate_min=0.02,
        epochs=2,
    )
    sgd = alpha_optimizer(falling, steps=7)
    assert (sgd.momentum, sgd.coupled_weight_decay) == (0.5, 0.25)
    rates = [float(sgd._learning_rate(step)) for step in (0, 6, 7)]
    assert rates == pytest.approx([0.1, 0.1, 0.06])


def test_architect_is_that_of_the_settings():
    assert type(make_architect(SearchConfig(order=1), steps=7)) is FirstOrder
    for hessian in ("finite_difference", "exact"):
        architect = make_architect(SearchConfig(order=2, hessian=hessian), 7)
        assert type(architect) is SecondOrder and architect.hessian == hessian


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_is_that_of_the_settings(name):
    assert make_sampler(SearchConfig(sampler=name), steps=7).name == name


def test_what_changes_does_so_from_the_first_epoch_to_the_last():
    config = SearchConfig(
        epochs=3,
        sampler="gumbel_softmax",
        temperature=(4.0, 2.0),
        perturbation=(0.1, 0.3),
        regularizers=("beta_decay=0:8",),
    )
    [rule] = make_architect(config, 7).regularizers
    schedules = (
        make_sampler(config, 7).temperature,
        make_perturbation(config, 7).epsilon,
        rule.strength,
    )
    found = [[float(each(step)) for step in (0, 7, 14)] for each in schedules]
    assert found[0] == pytest.approx([4, 3, 2])
    assert found[1] == pytest.approx([0.1, 0.2, 0.3])
    assert found[2] == pytest.approx([0, 4, 8])
    assert make_perturbation(SearchConfig(), 7) is None


def test_stops_go_on_where_a_run_was(tmp_path):
    run = RunDirectory(tmp_path)
    genotype = Genotype.load("DARTS_V2")
    entry = {"epoch": 0, "genotype": genotype.to_dict()}
    run.write_json(workdir.ALPHAS, [entry])
    run.file(workdir.HISTORY).write_text("epoch,alpha_eigenvalue\n0,0.25\n")
    config = SearchConfig(
        stop_at_skip_connections=2, stop_when_unchanged=3, eigenvalue="stop"
    )
    skips, unchanged, eigenvalue = make_stops(config, run, None)
    assert type(skips) is StopAtSkips and skips.count == 2
    assert type(unchanged) is StopWhenUnchanged and unchanged.epochs == 3
    assert type(eigenvalue) is StopAtEigenvalue and eigenvalue.values == [0.25]
    assert skips.genotypes == unchanged.genotypes == eigenvalue.genotypes == [genotype]
    assert make_stops(SearchConfig(eigenvalue="record"), run, None) == []


def test_a_stop_that_is_never_reached_is_refused():
    with pytest.raises(InputError, match=r"\(3\) is never reached.*\(2\)"):
        SearchConfig(stop_at_skip_connections=3, max_skip_connections=2)


def test_targets_count_the_network_of_the_retraining():
    dataset = load_dataset()
    config = SearchConfig.preset("cpu")
    assert make_cost_targets(config, dataset, 7) == []
    small = {"input_shape": (28, 28, 1), "num_classes": 10, "stem": "cifar"}
    expected = {**small, "filters": 16, "num_cells": 6}
    assert network_arguments(config, dataset) == expected
    changed = SearchConfig.preset("cpu", retrain_filters=5, retrain_num_cells=9)
    expected = {**small, "filters": 5, "num_cells": 9}
    assert network_arguments(changed, dataset) == expected
    config = SearchConfig(retrain_preset="imagenet")
    large = {"input_shape": (224, 224, 3), "num_classes": 1000, "stem": "imagenet"}
    expected = {**large, "filters": 48, "num_cells": 14}
    assert network_arguments(config, dataset) == expected
    # These, and no others, have images of their own.
    sizes = {
        name: values["image_size"]
        for name, values in RETRAIN_PRESETS.items()
        if "image_size" in values
    }
    assert sizes == {name: shape[:2] for name, (shape, _) in IMAGES_BY_PRESET.items()}


def test_targets_are_penalties_beside_others():
    config = SearchConfig(
        operations=("none", "skip_connect", "max_pool_3x3"),
        retrain_filters=4,
        retrain_num_cells=3,
        epochs=3,
        regularizers=("beta_decay",),
        target_parameters=9e9,
        target_multiply_adds=8e9,
        target_strength=(0.0, 4.0),
    )
    targets = make_cost_targets(config, load_dataset(), steps=7)
    assert [(x.costs.measure, x.target) for x in targets] == [
        ("multiply_adds", 8e9),
        ("parameters", 9e9),
    ]
    for target in targets:
        found = [float(target.strength(step)) for step in (0, 7, 14)]
        assert found == pytest.approx([0, 2, 4])
    rules = make_architect(config, 7, targets).regularizers
    assert rules[1:] == tuple(targets) and rules[0].name == "beta_decay"
