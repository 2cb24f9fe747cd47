"""The targets that a search has for what the network costs that is trained in the end.

They count the network of `train/retrain.py`, in which no weight has been trained yet.
"""

from keras_atdarts.experiments.runs.retrain_config import IMAGES_BY_PRESET
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.search.alphas import search_choices
from keras_atdarts.search.expected_cost import CostTarget
from keras_atdarts.search.operation_costs import MEASURES
from keras_atdarts.search.operation_costs import operation_costs
from keras_atdarts.search.regularizers import changing


def make_cost_targets(config, dataset, steps):
    """Returns a `CostTarget` for each target of a search.

    Args:
        config: `SearchConfig`.
        dataset: `ImageDataset`, on which the network is trained, unless the preset of
            the retraining has other images.
        steps: Integer, of an epoch.

    Raises:
        InputError: No network of the search space costs so little, or what an operation
            costs cannot be counted.
    """
    strength = changing(config.target_strength or (1.0,), config.epochs, steps)
    targets = {name: getattr(config, f"target_{name}") for name in MEASURES}
    targets = {name: target for name, target in targets.items() if target is not None}
    if not targets:
        return []
    choices = search_choices(config.operations, config.attention_placement)
    network = network_arguments(config, dataset)
    return [
        CostTarget(operation_costs(name, choices, **network), target, strength)
        for name, target in targets.items()
    ]


def network_arguments(config, dataset):
    """Returns what decides the network of the retraining, but for the genotype."""
    retrain = RetrainConfig.preset(config.retrain_preset, **retrain_changes(config))
    of_dataset = dataset.image_shape, dataset.num_classes
    images, num_classes = IMAGES_BY_PRESET.get(config.retrain_preset, of_dataset)
    return {
        "input_shape": images,
        "num_classes": num_classes,
        "filters": retrain.filters,
        "num_cells": retrain.num_cells,
        "stem": retrain.network,
    }


def retrain_changes(config):
    """Returns the settings of the retraining that are not those of its preset."""
    values = {"filters": config.retrain_filters, "num_cells": config.retrain_num_cells}
    return {name: value for name, value in values.items() if value is not None}


def describe_cost(target, genotype):
    """Returns in words what the network of a genotype costs, beside a `CostTarget`."""
    found, measure = target.costs.of_genotype(genotype), target.costs.measure
    words = "meets" if found <= target.target else "misses"
    name = measure.replace("_", "-")
    return (
        f"Its network of the retraining has {found:,} {name}: this {words} the target "
        f"of {target.target:,.0f}."
    )
