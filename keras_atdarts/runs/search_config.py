"""What a search can be told, and its named presets.

Every value stands here once: the defaults are those of DARTS, and a preset
states only what it changes.
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.operations import ATTENTION_PLACEMENTS
from keras_atdarts.runs.settings import number
from keras_atdarts.runs.settings import one_of
from keras_atdarts.runs.settings import setting
from keras_atdarts.runs.settings import several
from keras_atdarts.runs.settings import text
from keras_atdarts.runs.settings import whole_number
from keras_atdarts.runs.training_config import CELLS_HELP
from keras_atdarts.runs.training_config import CUTOUT_HELP
from keras_atdarts.runs.training_config import DECAY_HELP
from keras_atdarts.runs.training_config import FILTERS_HELP
from keras_atdarts.runs.training_config import WEIGHTS
from keras_atdarts.runs.training_config import TrainingConfig
from keras_atdarts.runs.training_config import check_falling

SEARCH_PRESETS = {
    # python train/search.py
    # A few minutes on two cores: shows the whole road, not a cell to keep.
    "quick": {
        "filters": 8,
        "num_cells": 5,
        "epochs": 3,
        "steps_per_epoch": 30,
        "alpha_learning_rate": 6e-3,
    },
    # python train/search.py --preset cpu
    # About 20 minutes on two cores: what found the cell in saved_models/.
    "cpu": {
        "filters": 8,
        "num_cells": 5,
        "epochs": 8,
        "steps_per_epoch": 110,
        "alpha_learning_rate": 3e-3,
    },
    # python train/search.py --preset paper
    # The AT-DARTS paper: about 40 hours on four RTX 2080 Ti. Its text names one
    # optimizer, SGD, and one weight decay; the preset takes both for alphas too.
    "paper": {
        "dataset": "cifar10",
        "batch_size": 128,
        "alpha_optimizer": "sgd",
        "alpha_learning_rate": 0.1,
        "alpha_weight_decay": 3e-4,
    },
}

ALPHAS = "learning the alphas, how much each operation counts"  # Of --help.


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig):
    """Everything that decides a search."""

    presets = SEARCH_PRESETS

    weight_fraction: float = setting(
        0.5,
        number(above=0, below=1),
        "data",
        "part of the training images that trains weights; the rest trains alphas",
    )
    cutout: int = setting(0, whole_number(0), "data", CUTOUT_HELP)
    operations: tuple = setting(
        ("at_darts",),
        several(text()),
        "supernet",
        "what every edge of a cell can be: operations, or a named set of them",
    )
    attention_placement: str = setting(
        "among_operations",
        one_of(*ATTENTION_PLACEMENTS),
        "supernet",
        "attention as operations among the others, or as a choice of its own that "
        "follows them on every edge",
    )
    filters: int = setting(16, whole_number(1), "supernet", FILTERS_HELP)
    num_cells: int = setting(8, whole_number(3), "supernet", CELLS_HELP)
    epochs: int = setting(
        50, whole_number(1), "training", "passes over the images that train weights"
    )
    batch_size: int = setting(
        64, whole_number(1), "training", "images per step for weights, and for alphas"
    )
    weight_learning_rate: float = setting(
        0.025, number(above=0), WEIGHTS, "learning rate of the first epoch"
    )
    weight_learning_rate_min: float = setting(
        0.001, number(minimum=0), WEIGHTS, "learning rate the cosine ends at"
    )
    alpha_optimizer: str = setting(
        "adam", one_of("adam", "sgd"), ALPHAS, "optimizer of the alphas"
    )
    alpha_learning_rate: float = setting(
        3e-4, number(above=0), ALPHAS, "learning rate, the same in all epochs"
    )
    alpha_weight_decay: float = setting(1e-3, number(minimum=0), ALPHAS, DECAY_HELP)

    def __post_init__(self):
        super().__post_init__()
        check_falling(self, "weight_learning_rate", "weight_learning_rate_min")
        if len(set(self.operations)) < len(self.operations):
            raise InputError(
                "operations must not name one twice; "
                f"received {', '.join(self.operations)}."
            )
