"""What a retraining can be told, and its named presets.

Every value stands here once: the defaults are those of DARTS, and a preset
states only what it changes.
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.settings import ON_OR_OFF
from keras_atdarts.experiments.runs.settings import number
from keras_atdarts.experiments.runs.settings import one_of
from keras_atdarts.experiments.runs.settings import setting
from keras_atdarts.experiments.runs.settings import whole_number
from keras_atdarts.experiments.runs.training_config import CELLS_HELP
from keras_atdarts.experiments.runs.training_config import CUTOUT_HELP
from keras_atdarts.experiments.runs.training_config import FILTERS_HELP
from keras_atdarts.experiments.runs.training_config import PART
from keras_atdarts.experiments.runs.training_config import WEIGHTS
from keras_atdarts.experiments.runs.training_config import TrainingConfig
from keras_atdarts.experiments.runs.training_config import central_fraction_setting
from keras_atdarts.experiments.runs.training_config import check_falling

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
    # python train/retrain.py --preset darts --genotype ... --workdir ...
    # The reference of DARTS: CIFAR-10, error 3.00 % for cells of its first order and
    # 2.76 % for those of its second. All but the data are the defaults.
    "darts": {
        "dataset": "cifar10",
    },
    # python train/retrain.py --preset paper --genotype ... --workdir ...
    # The AT-DARTS paper: CIFAR-10, error 2.76 %.
    "paper": {
        "dataset": "cifar10",
        "batch_size": 128,
    },
    # python train/retrain.py --preset imagenet --genotype ... --workdir ...
    # The DARTS paper, section 3.3: a cell found on small images moves to large ones.
    # Error of DARTS_V2 26.7 %, and 8.7 % of the first five answers.
    "imagenet": {
        "dataset": "imagenet2012",
        "image_size": (224, 224),
        "central_fraction": 0.875,
        "resized_crop": True,
        "crop_padding": 0,
        "cutout": 0,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.2,
        "network": "imagenet",
        "filters": 48,
        "num_cells": 14,
        "drop_path_rate": 0.0,
        "epochs": 250,
        "batch_size": 128,
        "learning_rate": 0.1,
        "learning_rate_schedule": "exponential",
        "weight_decay": 3e-5,
        "label_smoothing": 0.1,
    },
}

# Shape and classes of the images of presets that are for others than those of a search,
# so that networks can be counted where the images are not.
IMAGES_BY_PRESET = {"imagenet": ((224, 224, 3), 1000)}


@dataclasses.dataclass(frozen=True)
class RetrainConfig(TrainingConfig):
    """Everything that decides a retraining, but for the genotype."""

    presets = RETRAIN_PRESETS

    held_out: float = setting(
        0.0,
        PART,
        "data",
        "part of the training images that is not trained on and measures the accuracy "
        "in place of the test images; 0 trains on all",
    )
    central_fraction: float = central_fraction_setting()
    resized_crop: bool = setting(
        False,
        ON_OR_OFF,
        "data",
        "train on a random part of each image, 8 to 100 % of its area, resized",
    )
    cutout: int = setting(16, whole_number(0), "data", CUTOUT_HELP)
    brightness: float = setting(
        0.0, PART, "data", "make images brighter or darker, at most by this part"
    )
    contrast: float = setting(
        0.0, PART, "data", "raise or lower the contrast, at most by this part"
    )
    saturation: float = setting(
        0.0, PART, "data", "raise or lower the saturation, at most by this part"
    )
    hue: float = setting(
        0.0, PART, "data", "turn the colour circle, at most by this part"
    )
    network: str = setting(
        "cifar",
        one_of("cifar", "imagenet"),
        "network",
        "cifar begins with one convolution; imagenet with three that divide height "
        "and width by 8",
    )
    filters: int = setting(36, whole_number(1), "network", FILTERS_HELP)
    num_cells: int = setting(20, whole_number(3), "network", CELLS_HELP)
    drop_path_rate: float = setting(
        0.2,
        PART,
        "network",
        "part of the paths that is dropped in the last epoch; rises from 0",
    )
    auxiliary: bool = setting(
        True,
        ON_OR_OFF,
        "network",
        "train with a second classifier at two thirds of the cells",
    )
    auxiliary_weight: float = setting(
        0.4,
        number(minimum=0),
        "network",
        "weight of the loss of that classifier",
        only_with={"auxiliary": True},
    )
    epochs: int = setting(
        600, whole_number(1), "training", "passes over the training images"
    )
    batch_size: int = setting(96, whole_number(1), "training", "images per step")
    learning_rate: float = setting(
        0.025, number(above=0), WEIGHTS, "learning rate of the first epoch"
    )
    learning_rate_schedule: str = setting(
        "cosine",
        one_of("cosine", "exponential"),
        WEIGHTS,
        "how the learning rate falls from epoch to epoch",
    )
    learning_rate_min: float = setting(
        0.0,
        number(minimum=0),
        WEIGHTS,
        "learning rate at the end of the cosine",
        only_with={"learning_rate_schedule": "cosine"},
    )
    learning_rate_decay: float = setting(
        0.97,
        number(above=0, below=1),
        WEIGHTS,
        "what an epoch multiplies the learning rate by",
        only_with={"learning_rate_schedule": "exponential"},
    )
    label_smoothing: float = setting(
        0.0, PART, WEIGHTS, "part of each label that is divided among all classes"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.precision == "mixed_float16" and self.devices > 1:
            raise InputError(
                "precision mixed_float16 is for one device, where Keras scales losses; "
                f"received {self.devices} devices. Give --precision mixed_bfloat16."
            )
        check_falling(self, "learning_rate", "learning_rate_min")
