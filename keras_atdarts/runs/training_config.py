"""What searches and retrainings have in common."""

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

# Headings of --help.
WEIGHTS = "learning the weights"
MEMORY = "memory and speed"

CUTOUT_HELP = "side in pixels of the square cut out of each image; 0 switches it off"
FILTERS_HELP = "channels of a node in the first cells; each reduction doubles them"
CELLS_HELP = "number of cells; those at one and two thirds are reduction cells"
DECAY_HELP = "L2 decay, added to the gradient"


def check_falling(config, highest, lowest):
    """Raises `InputError` where the schedule from `highest` to `lowest` climbs."""
    end = getattr(config, lowest)
    if end is not None and end > getattr(config, highest):
        raise InputError(
            f"{lowest} must not exceed {highest} ({getattr(config, highest)}); "
            f"received {end}."
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
    deterministic: bool = setting(
        False,
        on_or_off(),
        "training",
        "the same results to the last bit from the same seed, machine and versions; "
        "GPUs then take slower kernels, and refuse an operation that has none",
    )
    precision: str = setting(
        "float32",
        one_of("float32", "mixed_bfloat16", "mixed_float16"),
        MEMORY,
        "of the activations; weights, alphas, statistics of batch norms and losses "
        "are float32 always. mixed_bfloat16 halves the memory, for GPUs that know "
        "it; mixed_float16, for older ones, is for retraining on one device: its "
        "gradients need a scale, which Keras finds for one optimizer and one device",
    )
    jit: bool = setting(
        False,
        on_or_off(),
        MEMORY,
        "let XLA compile the step: for GPUs, after minutes of compiling. On CPUs its "
        "depthwise convolutions are 50 to 100 times slower",
        only_with={"devices": 1},
    )
    momentum: float = setting(
        0.9, number(minimum=0, below=1), WEIGHTS, "momentum of SGD"
    )
    weight_decay: float = setting(3e-4, number(minimum=0), WEIGHTS, DECAY_HELP)
    clip_norm: float = setting(
        5.0,
        optional(number(above=0)),
        WEIGHTS,
        "clip gradients to this global norm; none does not clip",
    )

    def __post_init__(self):
        super().__post_init__()
        check_divisible(self.batch_size, self.devices)
