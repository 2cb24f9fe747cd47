"""What a search and a retraining can be told, and the named presets.

Every value stands here once: the defaults are those of DARTS, and a preset
states only what it changes.
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.runs.settings import Config
from keras_atdarts.runs.settings import number
from keras_atdarts.runs.settings import on_or_off
from keras_atdarts.runs.settings import one_of
from keras_atdarts.runs.settings import optional
from keras_atdarts.runs.settings import setting
from keras_atdarts.runs.settings import several
from keras_atdarts.runs.settings import text
from keras_atdarts.runs.settings import whole_number

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

RETRAIN_PRESETS = {
    # python train/retrain.py --genotype runs/a/genotype.json --workdir runs/a-net
    # A few minutes on two cores.
    "quick": {
        "filters": 8,
        "num_cells": 5,
        "epochs": 3,
        "batch_size": 64,
        "drop_path_rate": 0.0,
        "auxiliary": False,
        "cutout": 0,
    },
    # python train/retrain.py --preset cpu --genotype ... --workdir ...
    # About half an hour on two cores with the full Fashion-MNIST: 93.26 % with the
    # cell in saved_models/. So few epochs want little regularisation.
    "cpu": {
        "filters": 16,
        "num_cells": 6,
        "epochs": 8,
        "batch_size": 64,
        "crop_padding": 2,
        "drop_path_rate": 0.0,
        "auxiliary": False,
        "cutout": 0,
    },
    # python train/retrain.py --preset paper --genotype ... --workdir ...
    # The AT-DARTS paper: CIFAR-10, error 2.76 %.
    "paper": {
        "dataset": "cifar10",
        "batch_size": 128,
    },
}


# Headings of --help.
WEIGHTS = "learning the weights"
ALPHAS = "learning the alphas, how much each operation counts"

CUTOUT_HELP = "side in pixels of the square cut out of each image; 0 switches it off"
FILTERS_HELP = "channels of a node in the first cells; each reduction doubles them"
CELLS_HELP = "number of cells; those at one and two thirds are reduction cells"
DECAY_HELP = "L2 decay, added to the gradient"


def check_falling(config, highest, lowest):
    """Raises `InputError` where the schedule from `highest` to `lowest` climbs."""
    if getattr(config, lowest) > getattr(config, highest):
        raise InputError(
            f"{lowest} must not exceed {highest} ({getattr(config, highest)}); "
            f"received {getattr(config, lowest)}."
        )


def check_divisible(batch_size, devices):
    """Raises `InputError` where devices cannot have equal parts of a batch."""
    if batch_size % devices:
        lower = batch_size - batch_size % devices
        sizes = [str(size) for size in (lower, lower + devices) if size]
        raise InputError(
            f"A batch of {batch_size} images cannot be shared equally by {devices} "
            f"devices. Give --batch-size {' or '.join(sizes)}."
        )


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Config):
    """What a search and a retraining have in common."""

    dataset: str = setting(
        "fashion_mnist_small",
        text(),
        "data",
        "fashion_mnist_small, which comes with the package; a folder with one "
        "sub-folder of images per class; or the name of an image classification "
        "set of TensorFlow Datasets, such as cifar10, which is downloaded",
    )
    data_dir: str = setting(
        None,
        optional(text()),
        "data",
        "folder where TensorFlow Datasets has its data or will put the download; "
        "for fashion_mnist also one of IDX files; none is its usual folder",
        metavar="DIR",
    )
    image_size: tuple = setting(
        None,
        optional(several(whole_number(1), count=2)),
        "data",
        "resize all images to this size; none keeps their own",
        metavar=("HEIGHT", "WIDTH"),
    )
    crop_padding: int = setting(
        4,
        whole_number(0),
        "data",
        "pixels of padding for random crops; 0 switches them off",
    )
    flip: bool = setting(True, on_or_off(), "data", "mirror half of the images")
    steps_per_epoch: int = setting(
        None,
        optional(whole_number(1)),
        "training",
        "end each epoch after at most so many steps; none uses all images",
    )
    devices: int = setting(
        1,
        whole_number(1),
        "training",
        "GPUs that share each batch; without a GPU, as many parts of the CPU",
    )
    seed: int = setting(
        0,
        whole_number(0, maximum=2**32 - 1),
        "training",
        "decides the order of images, their augmentation and the initial values",
    )
    momentum: float = setting(
        0.9, number(minimum=0, below=1), WEIGHTS, "momentum of SGD"
    )
    weight_decay: float = setting(3e-4, number(minimum=0), WEIGHTS, DECAY_HELP)
    clip_norm: float = setting(
        5.0, number(above=0), WEIGHTS, "clip gradients to this global norm"
    )

    def __post_init__(self):
        super().__post_init__()
        check_divisible(self.batch_size, self.devices)


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


@dataclasses.dataclass(frozen=True)
class RetrainConfig(TrainingConfig):
    """Everything that decides a retraining, but for the genotype."""

    presets = RETRAIN_PRESETS

    cutout: int = setting(16, whole_number(0), "data", CUTOUT_HELP)
    filters: int = setting(36, whole_number(1), "network", FILTERS_HELP)
    num_cells: int = setting(20, whole_number(3), "network", CELLS_HELP)
    drop_path_rate: float = setting(
        0.2,
        number(minimum=0, below=1),
        "network",
        "part of the paths dropped in the last epoch, rising from 0 in the first",
    )
    auxiliary: bool = setting(
        True,
        on_or_off(),
        "network",
        "train with a second classifier at two thirds of the cells",
    )
    auxiliary_weight: float = setting(
        0.4, number(minimum=0), "network", "weight of the loss of that classifier"
    )
    epochs: int = setting(
        600, whole_number(1), "training", "passes over the training images"
    )
    batch_size: int = setting(96, whole_number(1), "training", "images per step")
    learning_rate: float = setting(
        0.025, number(above=0), WEIGHTS, "learning rate of the first epoch"
    )
    learning_rate_min: float = setting(
        0.0, number(minimum=0), WEIGHTS, "learning rate the cosine ends at"
    )

    def __post_init__(self):
        super().__post_init__()
        check_falling(self, "learning_rate", "learning_rate_min")
