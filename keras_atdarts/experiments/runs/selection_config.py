"""What a selection among genotypes can be told, and its named presets.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://arxiv.org/abs/1806.09055, section
    3.2: of four searches the cell is kept that is best after a short training from
    scratch, of 100 epochs in the place of 600.
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.retrain_config import RETRAIN_PRESETS
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.settings import number
from keras_atdarts.experiments.runs.settings import setting
from keras_atdarts.experiments.runs.settings import whole_number

# A preset is that of the retraining, with fewer epochs: with quick, a training takes
# about a minute on two cores.
EPOCHS = {"quick": 2, "cpu": 3, "darts": 100, "paper": 100, "imagenet": 25}


@dataclasses.dataclass(frozen=True)
class SelectionConfig(RetrainConfig):
    """Everything that decides a selection, but for the genotypes."""

    presets = {
        name: {**values, "epochs": EPOCHS[name]}
        for name, values in RETRAIN_PRESETS.items()
    }

    held_out: float = setting(
        0.2,
        number(above=0, below=1),
        "data",
        "part of the training images that is not trained on and measures the "
        "accuracy; the test images are not used",
    )
    seeds: int = setting(
        1,
        whole_number(1),
        "training",
        "how often each genotype is trained: with seeds from --seed on, each with "
        "other images held out",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.seed + self.seeds > 2**32:
            raise InputError(
                f"Seeds must be at most 4294967295; received {self.seeds} seeds from "
                f"{self.seed} on. Give a lower --seed."
            )

    def of_training(self, number):
        """Returns the `RetrainConfig` of the `number`th training of a genotype."""
        values = {**self.to_dict(), "seed": self.seed + number}
        del values["seeds"]
        return RetrainConfig.from_dict(values)
