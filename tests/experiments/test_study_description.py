"""What a study compares, and what it refuses before it begins."""

import dataclasses
import json

import pytest
import study_fakes

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.study.arms import DRAWN
from keras_atdarts.experiments.study.arms import GIVEN
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.arms import parse_arm
from keras_atdarts.experiments.study.description import Description
from keras_atdarts.experiments.study.directory import StudyDirectory
from keras_atdarts.experiments.study.overrides import parse_overrides
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.text_forms import darts_text
from keras_atdarts.operations import SEARCH_SPACES


def test_arms_are_spaces_chance_and_genotypes(tmp_path):
    for space in SEARCH_SPACES:
        assert parse_arm(space).kind == SEARCHED
    assert parse_arm("random").kind == DRAWN
    genotype = Genotype.load("DARTS_V2")
    (tmp_path / "found").mkdir()
    for name in ("genotype.json", "other.json"):
        genotype.save(tmp_path / "found" / name)
    for word, name in (
        ("DARTS_V2", "DARTS_V2"),
        ("mine=DARTS_V2", "mine"),
        (f"{tmp_path}/found/genotype.json", "found"),
        (f"{tmp_path}/found/other.json", "other"),
        (f"own={tmp_path}/found/other.json", "own"),
        (f"printed={darts_text(genotype)}", "printed"),
    ):
        arm = parse_arm(word)
        assert (arm.name, arm.kind, arm.genotype) == (name, GIVEN, genotype)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("at_dart", "Unknown arm or genotype file 'at_dart'. Did you mean 'at_darts'?"),
        ("mine=nowhere.json", "Unknown arm or genotype file 'nowhere.json'"),
        ("../up=DARTS_V2", "cannot be called '../up'"),
        ("darts=DARTS_V2", "cannot be called 'darts'"),
        ("=DARTS_V2", "cannot be called ''"),
        ("darts: epochs=3", "cannot be called 'darts'"),
        (
            "beta: regulariser=beta_decay",
            "arm beta: Unknown setting 'regulariser'.",
        ),
        ("beta: seed=3", "arm beta: the study decides seed for its runs"),
        ("beta: sampler", "arm beta: expected NAME=VALUE"),
    ],
)
def test_words_that_are_no_arm(word, message):
    with pytest.raises(InputError) as caught:
        parse_arm(word)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_arm_has_settings_of_its_own(tmp_path):
    words = "beta: operations=darts regularizers=beta_decay=0:25,zero_one=2 order=2"
    arm = parse_arm(words)
    expected = {
        "operations": ("darts",),
        "regularizers": ("beta_decay=0:25", "zero_one=2"),
        "order": 2,
    }
    assert (arm.name, arm.kind, arm.settings) == ("beta", SEARCHED, expected)
    study = Description(
        (arm, parse_arm("fair: sampler=sigmoid"), parse_arm("darts")),
        (0, 1),
        SearchConfig(epochs=7),
        RetrainConfig(),
    )
    assert Description.from_dict(json.loads(json.dumps(study.to_dict()))) == study
    beta, fair, plain = (study.search_config(each, 1) for each in study.arms)
    assert (beta.regularizers, beta.order, beta.operations) == (
        ("beta_decay=0:25", "zero_one=2"),
        2,
        ("darts",),
    )
    assert (fair.sampler, fair.operations) == ("sigmoid", ("at_darts",))
    assert (plain.sampler, plain.regularizers) == ("softmax", None)
    assert {each.epochs for each in (beta, fair, plain)} == {7}
    other = dataclasses.replace(
        study, arms=(*study.arms[:1], parse_arm("fair: order=2"), study.arms[2])
    )
    assert study.differences(other) == ["the settings of the arm fair"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a: temperature=5,1", "temperature only counts with .*sampler=gumbel_softmax"),
        ("a: sampler=gumbel", "arm a: sampler must be one of"),
        ("a: operations=dart", "arm a: .*Did you mean 'darts'"),
    ],
)
def test_settings_of_an_arm_are_checked_before_it_begins(word, message):
    with pytest.raises(InputError, match=message):
        Description((parse_arm(word),), (0,), SearchConfig(), RetrainConfig())


def test_overrides_are_values_of_their_kind():
    words = ["epochs=8", "flip=off", "steps-per-epoch=none", "alpha_betas=0.4,0.9"]
    assert parse_overrides(SearchConfig, "--search", words) == {
        "epochs": 8,
        "flip": False,
        "steps_per_epoch": None,
        "alpha_betas": (0.4, 0.9),
    }


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("epochs", "expected NAME=VALUE, such as epochs=8; received 'epochs'"),
        ("epochs=", "expected NAME=VALUE"),
        ("epoch=3", "Unknown setting 'epoch'. Did you mean 'epochs'?"),
        ("flip=maybe", "flip must be on or off; received 'maybe'"),
        ("seed=3", "Give --seeds instead"),
        ("dataset=cifar10", "Give --dataset instead"),
    ],
)
def test_words_that_are_no_override(word, message):
    with pytest.raises(InputError) as caught:
        parse_overrides(RetrainConfig, "--retrain", [word])
    assert str(caught.value).startswith("--retrain: ") and message in str(caught.value)


def test_override_given_twice():
    with pytest.raises(InputError, match="epochs is given twice"):
        parse_overrides(RetrainConfig, "--retrain", ["epochs=3", "epochs=4"])


@pytest.mark.parametrize(
    ("arms", "values", "message"),
    [
        (["darts", "darts"], {}, "Two arms are called 'darts'"),
        (["darts"], {"seeds": (1, 2, 1)}, "seeds must differ; received 1 2 1"),
        (["DARTS_V1"], {"seeds": (-1,)}, "seed must be a whole number"),
        (["darts"], {"epochs": 0}, "epochs must be a whole number"),
        (["darts"], {"search": {"order": "3"}}, "order must be"),
        (
            ["at_darts", "darts"],
            {"search": {"attention_placement": "after_operations"}},
            "arm darts: No attention could follow",
        ),
    ],
)
def test_studies_that_cannot_be(arms, values, message):
    with pytest.raises(InputError) as caught:
        study_fakes.describe(arms, **values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_searches_and_trainings_have_the_same_data():
    configs = SearchConfig.preset("paper"), RetrainConfig.preset("cpu")
    with pytest.raises(InputError, match="same dataset; received cifar10 and fashion"):
        Description((parse_arm("darts"),), (0,), *configs)
    Description((parse_arm("DARTS_V2"),), (0,), *configs)


def test_targets_of_searches_count_the_network_that_the_study_trains():
    arms = tuple(map(parse_arm, ("darts", "small: retrain_filters=3", "random")))
    retrain = RetrainConfig.preset("cpu", filters=11, num_cells=4)
    description = Description(arms, (0,), SearchConfig.preset("cpu"), retrain)
    configs = [description.search_config(arm, 0) for arm in arms]
    found = [(each.retrain_filters, each.retrain_num_cells) for each in configs]
    assert found == [(11, 4), (3, 4), (None, None)]
    assert {each.retrain_preset for each in configs} == {"cpu"}


def test_study_goes_on_with_the_same_description_alone(tmp_path):
    path = tmp_path / "study"
    first = study_fakes.describe(["darts", "mine=DARTS_V1"], filters=6)
    directory, _ = study_fakes.begin(path, first)
    assert directory.description() == first
    assert Genotype.load(directory.genotype(first.arms[1])) == first.arms[1].genotype
    study_fakes.begin(path, first)
    moved = study_fakes.describe(
        ["darts", "mine=DARTS_V1"], search={"data_dir": "elsewhere"}, filters=6
    )
    study_fakes.begin(path, moved)
    assert directory.description().search.data_dir == "elsewhere"


@pytest.mark.parametrize(
    ("values", "difference"),
    [
        ({"filters": 7}, "retrain filters (it began with 6, received 7)"),
        ({"search": {"epochs": 9}}, "search epochs (it began with 3, received 9)"),
        ({"seeds": (0, 1, 2)}, "seeds (it began with 0 1, received 0 1 2)"),
        (
            {"arms": ["darts", "random"]},
            "arms (it began with darts mine, received darts random)",
        ),
        ({"arms": ["darts", "mine=DARTS_V2"]}, "the genotype of the arm mine"),
    ],
)
def test_another_study_is_refused(values, difference, tmp_path):
    usual = {"arms": ["darts", "mine=DARTS_V1"], "filters": 6}
    directory, _ = study_fakes.begin(tmp_path / "a", study_fakes.describe(**usual))
    before = directory.file("study.json").read_bytes()
    with pytest.raises(InputError) as caught:
        study_fakes.begin(tmp_path / "a", study_fakes.describe(**(usual | values)))
    assert f"other values: {difference}. Give" in str(caught.value)
    assert directory.file("study.json").read_bytes() == before


def test_settings_of_searches_do_not_matter_where_there_are_none():
    one, other = (
        study_fakes.describe(["DARTS_V1"], search={"epochs": epochs})
        for epochs in (3, 4)
    )
    assert one.differences(other) == []


def test_directories_without_a_study(tmp_path):
    directory = StudyDirectory(tmp_path)
    with pytest.raises(InputError, match="There is no study in"):
        directory.description()
    directory.file("study.json").write_text("{")
    with pytest.raises(InputError, match="Expected the JSON that a script"):
        directory.description()
    directory.file("study.json").write_text('{"study": {"arms": []}}')
    with pytest.raises(InputError, match="not the description of a study"):
        directory.description()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="is not empty and holds no study.json"):
        study_fakes.begin(tmp_path / "other", study_fakes.describe(["darts"]))


def test_directory_of_a_study_that_was_killed_at_once_is_new(tmp_path):
    (tmp_path / ".partial-study.json").touch()
    description = study_fakes.describe(["darts"])
    directory, _ = study_fakes.begin(tmp_path, description)
    assert directory.description() == description
