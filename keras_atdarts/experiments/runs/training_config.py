"""What searches and retrainings have in common."""

import dataclasses

from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.imports import IMPORT_HELP
from keras_atdarts.experiments.runs.imports import SUFFIX
from keras_atdarts.experiments.runs.imports import absolute_import
from keras_atdarts.experiments.runs.imports import is_import
from keras_atdarts.experiments.runs.settings import ON_OR_OFF
from keras_atdarts.experiments.runs.settings import TEXT
from keras_atdarts.experiments.runs.settings import Config
from keras_atdarts.experiments.runs.settings import Kind
from keras_atdarts.experiments.runs.settings import number
from keras_atdarts.experiments.runs.settings import one_of
from keras_atdarts.experiments.runs.settings import optional
from keras_atdarts.experiments.runs.settings import setting
from keras_atdarts.experiments.runs.settings import several
from keras_atdarts.experiments.runs.settings import whole_number

PART = number(minimum=0, below=1)
PYTHON = Kind(
    f"a file *{SUFFIX} or the dotted name of a module", is_import, absolute_import
)

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


def check_divisible(batch_size, devices, parts=1):
    """Raises `InputError` where devices cannot have equal parts of a batch.

    Args:
        batch_size: Integer, the images of a batch.
        devices: Integer, how many share it.
        parts: Integer, in how many parts each works off its share.
    """
    if batch_size % devices:
        lower = batch_size - batch_size % devices
        sizes = [str(size) for size in (lower, lower + devices) if size]
        raise InputError(
            f"A batch of {batch_size} images cannot be shared equally by {devices} "
            f"devices. Give --batch-size {' or '.join(sizes)}."
        )
    share = batch_size // devices
    if share % parts:
        possible = [str(n) for n in range(1, share + 1) if share % n == 0]
        raise InputError(
            f"A device cannot divide its {share} images of a batch into {parts} equal "
            "parts. Give --gradient-accumulation one of the numbers "
            f"{', '.join(possible)}."
        )


def load_dataset_of(config):
    """Opens the `ImageDataset` of a configuration."""
    return load_dataset(
        config.dataset,
        config.data_dir,
        config.image_size,
        central_fraction=getattr(config, "central_fraction", 1.0),
    )


def imports_setting():
    """Returns the field of the user's own code."""
    return setting(
        None,
        optional(several(PYTHON)),
        "code of your own",
        f"{IMPORT_HELP}. The run records them for all later scripts",
        metavar="FILE",
    )


def central_fraction_setting():
    """Returns the field of how much of an image remains after it is resized."""
    return setting(
        1.0,
        number(above=0),
        "data",
        "part of its sides that an image keeps when it is cropped after resizing; "
        "with 0.875, an image of 224 pixels is resized to 256 first",
    )


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """Which data a network is for."""

    dataset: str = setting(
        "fashion_mnist_small",
        TEXT,
        "data",
        "fashion_mnist_small, which comes with the package; a folder with one "
        "sub-folder of images per class; or the name of an image classification "
        "set of TensorFlow Datasets, such as cifar10, which is downloaded",
    )
    data_dir: str = setting(
        None,
        optional(TEXT),
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


@dataclasses.dataclass(frozen=True)
class TrainingConfig(DataConfig):
    """What a search and a retraining have in common."""

    crop_padding: int = setting(
        4,
        whole_number(0),
        "data",
        "pixels of padding for random crops; 0 switches them off",
    )
    flip: bool = setting(True, ON_OR_OFF, "data", "mirror half of the images")
    steps_per_epoch: int = setting(
        None,
        optional(whole_number(1)),
        "training",
        "most steps of an epoch; none uses all images",
    )
    devices: int = setting(
        1,
        whole_number(1),
        "training",
        "GPUs of a machine that share each batch; a machine without GPUs divides its "
        "CPU",
    )
    seed: int = setting(
        0,
        whole_number(0, maximum=2**32 - 1),
        "training",
        "seed of the order of images, of their augmentation and of the initial values",
    )
    deterministic: bool = setting(
        False,
        ON_OR_OFF,
        "training",
        "give the same results to the last bit for the same seed, machine and "
        "versions; on GPUs this is slower, and an operation without a deterministic "
        "kernel is an error",
    )
    precision: str = setting(
        "float32",
        one_of("float32", "mixed_bfloat16", "mixed_float16"),
        MEMORY,
        "precision of the activations. Weights, alphas, statistics of batch norms and "
        "losses are always float32. mixed_bfloat16 halves the memory, on GPUs that "
        "support it. mixed_float16 does so on older GPUs, but only in a retraining on "
        "one device: Keras scales its gradients for one optimizer and one device",
    )
    jit: bool = setting(
        False,
        ON_OR_OFF,
        MEMORY,
        "compile the cells with XLA: one function for each kind of cell. This takes "
        "time at the start. On CPUs XLA's depthwise convolutions are 50 to 100 times "
        "slower",
        only_with={"devices": 1},
    )
    jit_cache: bool = setting(
        True,
        ON_OR_OFF,
        MEMORY,
        "keep what XLA compiles in ~/.cache/keras_atdarts/xla, or below "
        "XDG_CACHE_HOME, so that the next run of the same networks starts sooner",
        only_with={"jit": True},
    )
    tf32: bool = setting(
        True,
        ON_OR_OFF,
        MEMORY,
        "on GPUs from Ampere on, round what convolutions and matrix products read to "
        "TensorFloat-32 (10 bits after the point), as TensorFlow does by default. "
        "Off is exact and slower. Evaluation and export are always exact",
    )
    sync_batch_norm: bool = setting(
        False,
        ON_OR_OFF,
        "training",
        "on several devices, normalise by the statistics of the whole batch. Devices "
        "then communicate in every layer; without it each uses its part of the batch",
    )
    gradient_accumulation: int = setting(
        1,
        whole_number(1),
        MEMORY,
        "compute each batch in N equal parts, one after the other, and take one step "
        "with the mean of their gradients. This divides the memory of activations by "
        "about N. Batch norms see one part at a time, so parts should not be small",
    )
    recompute: bool = setting(
        False,
        ON_OR_OFF,
        MEMORY,
        "keep only the activations between cells, and compute those within a cell "
        "again for its gradients. This gives the same results and takes about a third "
        "more time; try --gradient-accumulation first",
    )
    imports: tuple = imports_setting()
    momentum: float = setting(0.9, PART, WEIGHTS, "momentum of SGD")
    weight_decay: float = setting(3e-4, number(minimum=0), WEIGHTS, DECAY_HELP)
    clip_norm: float = setting(
        5.0,
        optional(number(above=0)),
        WEIGHTS,
        "clip gradients to this global norm; none does not clip",
    )

    @property
    def total_epochs(self):
        """The epochs of the whole training."""
        return self.epochs

    def __post_init__(self):
        super().__post_init__()
        if self.sync_batch_norm and self.gradient_accumulation > 1:
            raise InputError(
                "sync_batch_norm needs the whole batch at once; received "
                f"gradient_accumulation {self.gradient_accumulation}, which divides "
                "it. Leave one of them out."
            )
        check_divisible(self.batch_size, self.devices, self.gradient_accumulation)
