"""What a study compares, and with which budget: the content of study.json."""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.experiments.runs.start import FREE_SETTINGS
from keras_atdarts.experiments.study.arms import DEFAULT_SPACE
from keras_atdarts.experiments.study.arms import DRAWN
from keras_atdarts.experiments.study.arms import GIVEN
from keras_atdarts.experiments.study.arms import SEARCHED
from keras_atdarts.experiments.study.arms import Arm
from keras_atdarts.experiments.study.arms import check_different
from keras_atdarts.operations import place_attention
from keras_atdarts.operations import resolve_operations

# Settings that differ from run to run: they are no part of the study.
RUN_SETTINGS = ("seed", "strategy", "samples", "operations")
# Settings that searches and trainings have in common.
COMMON_SETTINGS = ("dataset", "image_size")


@dataclasses.dataclass(frozen=True)
class Description:
    """Everything that decides the results of a study.

    Args:
        arms: Tuple of `Arm`s.
        seeds: Tuple of integers. Every arm is searched and trained once with each.
        search: `SearchConfig`, the budget of all searches.
        retrain: `RetrainConfig`, the budget of all trainings.

    Raises:
        InputError: The arms cannot be compared with each other, or cannot be built.
    """

    arms: tuple
    seeds: tuple
    search: SearchConfig
    retrain: RetrainConfig

    def __post_init__(self):
        check_different(self.arms)
        if len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                "Equal seeds make equal runs, so seeds must differ; received "
                f"{' '.join(map(str, self.seeds))}. Leave out those given twice."
            )
        for name in COMMON_SETTINGS:
            searched, trained = getattr(self.search, name), getattr(self.retrain, name)
            if searched != trained and self.has(SEARCHED):
                raise InputError(
                    f"Searches and trainings must have the same {name}; received "
                    f"{show_value(searched)} and {show_value(trained)}. Give "
                    f"--{name.replace('_', '-')}."
                )
        for seed in self.seeds:
            self.retrain_config(seed)
        for arm in self.arms:
            with located(f"arm {arm.name}"):
                config = self.search_config(arm, self.seeds[0])
                if config is not None:
                    check_counting(config, arm.settings or ())
                    operations = resolve_operations(config.operations)
                    place_attention(operations, config.attention_placement)

    def has(self, *kinds):
        """Whether there is an arm of one of these kinds."""
        return any(arm.kind in kinds for arm in self.arms)

    def search_config(self, arm, seed):
        """Returns the `SearchConfig` of a run; None where a genotype is given."""
        if arm.kind == GIVEN:
            return None
        if arm.kind == DRAWN:
            values = {"strategy": "random", "operations": (DEFAULT_SPACE,)}
        else:
            # A target counts the network that the study trains.
            network = {
                "retrain_filters": self.retrain.filters,
                "retrain_num_cells": self.retrain.num_cells,
            }
            values = {**network, **arm.search_settings}
        return dataclasses.replace(self.search, seed=seed, **values)

    def retrain_config(self, seed):
        """Returns the `RetrainConfig` of a run."""
        return dataclasses.replace(self.retrain, seed=seed)

    def to_dict(self):
        """Returns the description as a dict, ready for JSON."""
        return {
            "arms": [arm.to_dict() for arm in self.arms],
            "seeds": list(self.seeds),
            "search": _settings(self.search),
            "retrain": _settings(self.retrain),
        }

    @classmethod
    def from_dict(cls, study):
        """Returns the description that `to_dict` (through JSON) came from."""
        return cls(
            tuple(Arm.from_dict(arm) for arm in study["arms"]),
            tuple(study["seeds"]),
            SearchConfig.from_dict(study["search"]),
            RetrainConfig.from_dict(study["retrain"]),
        )

    def differences(self, other):
        """Returns the differences from another study as a list of texts."""
        kinds = ["retrain"]
        if self.has(SEARCHED, DRAWN) or other.has(SEARCHED, DRAWN):
            kinds.append("search")
        own, its = self._shown(kinds), other._shown(kinds)
        found = [
            f"{name} (it began with {own[name]}, received {its[name]})"
            for name in own
            if own[name] != its[name]
        ]
        arms = {arm.name: arm for arm in self.arms}
        for arm in other.arms:
            before = arms.get(arm.name, arm)
            if before.genotype != arm.genotype:
                found.append(f"the genotype of the arm {arm.name}")
            if before.settings != arm.settings:
                found.append(f"the settings of the arm {arm.name}")
        return found

    def _shown(self, kinds):
        """Returns all values that must stay the same, as texts by their names."""
        shown = {
            "arms": " ".join(arm.name for arm in self.arms),
            "seeds": " ".join(map(str, self.seeds)),
        }
        for kind in kinds:
            config = getattr(self, kind)
            for name in _settings(config):
                if name not in FREE_SETTINGS:
                    shown[f"{kind} {name}"] = show_value(getattr(config, name))
        return shown


def check_counting(config, names):
    """Raises `InputError` for settings that decide nothing in a configuration."""
    for name in names:
        if not config.counts(name):
            needed = " and ".join(
                f"{other}={show_value(value)}"
                for other, value in config.conditions(name).items()
            )
            raise InputError(f"{name} only counts with {needed}. Leave it out.")


def _settings(config):
    """Returns the settings of a configuration that all runs share, by name."""
    values = config.to_dict().items()
    return {name: value for name, value in values if name not in RUN_SETTINGS}
