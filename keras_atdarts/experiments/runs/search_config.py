"""What a search can be told. The defaults are those of DARTS."""

import dataclasses
import itertools

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.perturbation_selection import PERTURBATION
from keras_atdarts.experiments.runs.perturbation_selection import selection_epochs
from keras_atdarts.experiments.runs.retrain_config import RETRAIN_PRESETS
from keras_atdarts.experiments.runs.search_presets import SEARCH_PRESETS
from keras_atdarts.experiments.runs.settings import TEXT
from keras_atdarts.experiments.runs.settings import flag_name
from keras_atdarts.experiments.runs.settings import number
from keras_atdarts.experiments.runs.settings import one_of
from keras_atdarts.experiments.runs.settings import optional
from keras_atdarts.experiments.runs.settings import setting
from keras_atdarts.experiments.runs.settings import several
from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.experiments.runs.settings import whole_number
from keras_atdarts.experiments.runs.training_config import CELLS_HELP
from keras_atdarts.experiments.runs.training_config import CUTOUT_HELP
from keras_atdarts.experiments.runs.training_config import DECAY_HELP
from keras_atdarts.experiments.runs.training_config import FILTERS_HELP
from keras_atdarts.experiments.runs.training_config import PART
from keras_atdarts.experiments.runs.training_config import WEIGHTS
from keras_atdarts.experiments.runs.training_config import TrainingConfig
from keras_atdarts.experiments.runs.training_config import check_falling
from keras_atdarts.operations import ATTENTION_PLACEMENTS
from keras_atdarts.search.partial_channels import check_partial_channels
from keras_atdarts.search.regularizers import regularizer_names
from keras_atdarts.search.samplers import SAMPLERS

# All other settings decide how a supernet is trained.
OF_RANDOM_SEARCH = (
    "strategy",
    "samples",
    "operations",
    "attention_placement",
    "imports",
    "seed",
)
OF_ITS_RETRAINING = (
    "dataset",
    "data_dir",
    "image_size",
    "retrain_preset",
    "retrain_filters",
    "retrain_num_cells",
)

STAGES = "stages, from one to the next of which every edge loses operations"
ALPHAS = "learning the alphas, how much each operation counts"  # Of --help.
CHOICE = "when to stop, and what to choose"
RETRAINING = "the network that is trained in the end"


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig):
    """Everything that decides a search."""

    presets = SEARCH_PRESETS

    strategy: str = setting(
        "gradient",
        one_of("gradient", "random"),
        "search",
        "gradient learns which operations count; random draws genotypes, to compare "
        f"with. random takes only {', '.join(map(flag_name, OF_RANDOM_SEARCH[1:]))} "
        "and, for the retraining that follows, "
        f"{', '.join(map(flag_name, OF_ITS_RETRAINING))}",
    )
    samples: int = setting(
        1,
        whole_number(1),
        "search",
        "how many different genotypes to draw; genotype.json is the first",
        only_with={"strategy": "random"},
    )
    weight_fraction: float = setting(
        0.5,
        number(above=0, below=1),
        "data",
        "part of the training images that trains weights; the others train alphas",
    )
    cutout: int = setting(0, whole_number(0), "data", CUTOUT_HELP)
    operations: tuple = setting(
        ("at_darts",),
        several(TEXT),
        "supernet",
        "operations that an edge of a cell can be, or a named set of them",
    )
    attention_placement: str = setting(
        "among_operations",
        one_of(*ATTENTION_PLACEMENTS),
        "supernet",
        "attention is one of the operations, or follows an operation and is chosen "
        "for itself",
    )
    filters: int = setting(16, whole_number(1), "supernet", FILTERS_HELP)
    num_cells: int = setting(
        8, whole_number(3), "supernet", CELLS_HELP, only_with={"stage_cells": None}
    )
    partial_channels: int = setting(
        1,
        whole_number(1),
        "supernet",
        "above 1, mix one in N channels and pass the others on, as in PC-DARTS, for "
        "less time and memory. Edges then have weights too, by which they are chosen",
    )
    stages: tuple = setting(
        None,
        optional(several(whole_number(1))),
        STAGES,
        "search in stages, as in P-DARTS: how many operations stay on every edge after "
        "the first stage, after the second, and so on; one more stage follows. Each "
        "begins with new weights and alphas, and has all epochs and their warm-up",
        metavar="N",
    )
    stage_cells: tuple = setting(
        None,
        optional(several(whole_number(3))),
        STAGES,
        "the cells of each stage, as --num-cells says; none are those of --num-cells",
        metavar="N",
    )
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
        0.001, number(minimum=0), WEIGHTS, "learning rate at the end of the cosine"
    )
    warm_up_epochs: int = setting(
        0,
        whole_number(0),
        ALPHAS,
        "epochs at the start that train weights only",
    )
    order: int = setting(
        1,
        whole_number(1, maximum=2),
        ALPHAS,
        "order of approximation: 1 takes the weights as they are; 2 takes them after "
        "their next step, at about three times the cost",
    )
    hessian: str = setting(
        "finite_difference",
        one_of("finite_difference", "exact"),
        ALPHAS,
        "how second derivatives are computed: from two gradients, as in the DARTS "
        "paper, or by differentiating twice",
        only_with={"order": 2},
    )
    alpha_optimizer: str = setting(
        "adam", one_of("adam", "sgd"), ALPHAS, "optimizer of the alphas"
    )
    alpha_betas: tuple = setting(
        (0.5, 0.999),
        several(PART, count=2),
        ALPHAS,
        "decay rates of Adam's two moments",
        metavar=("BETA_1", "BETA_2"),
        only_with={"alpha_optimizer": "adam"},
    )
    alpha_momentum: float = setting(
        0.9, PART, ALPHAS, "momentum of SGD", only_with={"alpha_optimizer": "sgd"}
    )
    alpha_learning_rate: float = setting(
        3e-4, number(above=0), ALPHAS, "learning rate of the first epoch"
    )
    alpha_learning_rate_min: float = setting(
        None,
        optional(number(minimum=0)),
        ALPHAS,
        "learning rate at the end of the cosine; none keeps that of the first epoch",
    )
    alpha_weight_decay: float = setting(1e-3, number(minimum=0), ALPHAS, DECAY_HELP)
    sampler: str = setting(
        "softmax",
        one_of(*SAMPLERS),
        ALPHAS,
        "how alphas become the weights of operations: softmax as in DARTS, sigmoid as "
        "in Fair DARTS, gumbel_softmax as in GDAS, dirichlet as in DrNAS",
    )
    temperature: tuple = setting(
        (10.0, 0.1),
        several(number(above=0), count=2),
        ALPHAS,
        "temperature of the first and of the last epoch",
        metavar=("FIRST", "LAST"),
        only_with={"sampler": "gumbel_softmax"},
    )
    regularizers: tuple = setting(
        None,
        optional(several(TEXT)),
        ALPHAS,
        "penalties that are added to the loss of the alphas, with their strengths, or "
        f"FIRST:LAST of the epochs: {', '.join(regularizer_names())}, or your own, see "
        "--import",
        metavar="NAME=STRENGTH",
    )
    target_multiply_adds: float = setting(
        None,
        optional(number(above=0)),
        ALPHAS,
        "the most multiply-adds, such as 400e6, that the network trained in the end "
        "is to have: a penalty lowers the alphas of what makes it dearer",
    )
    target_parameters: float = setting(
        None,
        optional(number(above=0)),
        ALPHAS,
        "the same of its parameters, such as 3e6",
    )
    target_strength: tuple = setting(
        None,
        optional(several(number(minimum=0))),
        ALPHAS,
        "strength of these penalties, or those of the first and of the last epoch; "
        "none is 1",
        metavar=("FIRST", "LAST"),
    )
    perturbation: tuple = setting(
        None,
        optional(several(number(above=0), count=2)),
        ALPHAS,
        "the most, in the first and in the last epoch, by which the weights of "
        "operations are changed at random where convolutions learn, as in SmoothDARTS",
        metavar=("FIRST", "LAST"),
    )
    max_skip_connections: int = setting(
        None,
        optional(whole_number(0)),
        CHOICE,
        "the most skip connections of the normal cell, as in P-DARTS",
    )
    selection: str = setting(
        "argmax",
        one_of("argmax", PERTURBATION),
        CHOICE,
        "how the genotype is chosen: argmax of the alphas as in DARTS, or perturbation "
        "as in DARTS-PT, which keeps what the accuracy suffers most without",
    )
    selection_tuning_epochs: int = setting(
        5,
        whole_number(1),
        CHOICE,
        "epochs after each of its rounds but the last, 16 times so many in all",
        only_with={"selection": PERTURBATION},
    )
    selection_images: int = setting(
        None,
        optional(whole_number(1)),
        CHOICE,
        "images, drawn from those for alphas, that measure an accuracy, in whole "
        "batches; none takes all",
        only_with={"selection": PERTURBATION},
    )
    stop_at_skip_connections: int = setting(
        None,
        optional(whole_number(1)),
        CHOICE,
        "stop when the normal cell has so many, as in DARTS+ (2)",
    )
    stop_when_unchanged: int = setting(
        None,
        optional(whole_number(1)),
        CHOICE,
        "stop when the genotype has stayed the same for so many epochs",
    )
    eigenvalue: str = setting(
        "off",
        one_of("off", "record", "stop"),
        CHOICE,
        "the largest eigenvalue of the Hessian of the alphas' loss, for about 13 steps "
        "more an epoch: record it, or also stop when it rises fast, as in RobustDARTS",
    )
    retrain_preset: str = setting(
        "darts",
        one_of(*RETRAIN_PRESETS),
        RETRAINING,
        "preset of train/retrain.py for what is found; the command that is printed at "
        "the end has it, and targets count its network",
    )
    retrain_filters: int = setting(
        None,
        optional(whole_number(1)),
        RETRAINING,
        "filters of that network; none are those of its preset",
    )
    retrain_num_cells: int = setting(
        None,
        optional(whole_number(3)),
        RETRAINING,
        "cells of that network; none are those of its preset",
    )

    @property
    def num_stages(self):
        """The number of stages, 1 for a search without any."""
        return 1 + len(self.stages or ())

    @property
    def total_epochs(self):
        """The epochs of all stages, and of the selection of the genotype."""
        return total_epochs(vars(self))

    @classmethod
    def conditions(cls, name):
        own = super().conditions(name)
        if name in (*OF_RANDOM_SEARCH, *OF_ITS_RETRAINING):
            return own
        return {"strategy": "gradient", **own}

    def __post_init__(self):
        super().__post_init__()
        if self.precision == "mixed_float16":
            raise InputError(
                "precision mixed_float16 is for retraining: Keras scales the loss of "
                "one optimizer; a search has two. Give --precision mixed_bfloat16."
            )
        check_partial_channels(self.filters, self.partial_channels)
        if self.warm_up_epochs and self.warm_up_epochs >= self.epochs:
            raise InputError(
                f"warm_up_epochs must be fewer than the epochs ({self.epochs}): "
                f"alphas learn after it; received {self.warm_up_epochs}. Give fewer."
            )
        check_stages(self)
        check_selection(self)
        check_falling(self, "weight_learning_rate", "weight_learning_rate_min")
        check_falling(self, "alpha_learning_rate", "alpha_learning_rate_min")
        check_target_strength(self)
        limit, stop = self.max_skip_connections, self.stop_at_skip_connections
        if limit is not None and stop is not None and stop > limit:
            raise InputError(
                f"stop_at_skip_connections ({stop}) is never reached: genotypes have "
                f"at most max_skip_connections ({limit}). Give one of both."
            )
        if len(set(self.operations)) < len(self.operations):
            raise InputError(
                "operations must not name one twice; "
                f"received {', '.join(self.operations)}."
            )


def total_epochs(settings):
    """Returns the epochs of a whole search.

    Args:
        settings: Dict of the values of a `SearchConfig`; those that earlier versions
            did not have may be missing.
    """
    epochs = settings["epochs"] * (1 + len(settings.get("stages") or ()))
    if settings.get("selection") == PERTURBATION:
        epochs += selection_epochs(settings["selection_tuning_epochs"])
    return epochs


def check_stages(config):
    """Raises `InputError` where the schedule of the stages makes no sense."""
    stages, cells = config.stages, config.stage_cells
    if stages is not None and any(x <= y for x, y in itertools.pairwise(stages)):
        raise InputError(
            "stages must fall: each leaves fewer operations on an edge than the one "
            f"before; received {show_value(stages)}. Give, for example, --stages 5 3."
        )
    if cells is not None and len(cells) != config.num_stages:
        number = "1 stage" if stages is None else f"{config.num_stages} stages"
        raise InputError(
            f"stage_cells must have one number for each stage; received "
            f"{show_value(cells)} for {number}: --stages {show_value(stages)} asks for "
            "one more stage than it has numbers. Give as many, or --stage-cells none."
        )


def check_selection(config):
    """Raises `InputError` where the genotype would be chosen in two ways."""
    given = {
        "stages": config.stages,
        "max_skip_connections": config.max_skip_connections,
        "stop_at_skip_connections": config.stop_at_skip_connections,
        "stop_when_unchanged": config.stop_when_unchanged,
        "eigenvalue": "stop" if config.eigenvalue == "stop" else None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if config.selection != PERTURBATION or not given:
        return
    words = ", ".join(f"{flag_name(x)} {show_value(y)}" for x, y in given.items())
    raise InputError(
        "selection perturbation measures all operations of a supernet that is trained "
        f"to its end; received it with {words}, which choose by the alphas. Give one "
        "of both."
    )


def check_target_strength(config):
    """Raises `InputError` where the strength of targets is not one."""
    strength = config.target_strength
    if strength is None:
        return
    if config.target_multiply_adds is None and config.target_parameters is None:
        raise InputError(
            "target_strength only counts with a target; received "
            f"{show_value(strength)}. Leave it out, or give --target-multiply-adds or "
            "--target-parameters."
        )
    if len(strength) > 2 or not any(strength):
        raise InputError(
            "target_strength must be one number above 0, or those of the first and of "
            f"the last epoch, of which one is; received {show_value(strength)}."
        )
