"""What an import of weights can be told."""

import dataclasses

from keras_atdarts.experiments.runs.training_config import DataConfig
from keras_atdarts.experiments.runs.training_config import central_fraction_setting
from keras_atdarts.experiments.runs.training_config import imports_setting


@dataclasses.dataclass(frozen=True)
class ImportConfig(DataConfig):
    """Which data an imported network is for; its size is that of the weights."""

    held_out = 0.0  # No setting: the test images judge it.

    central_fraction: float = central_fraction_setting()
    imports: tuple = imports_setting()
