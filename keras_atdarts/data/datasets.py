"""The data sets by name, and how each is opened: as a TFDS builder."""

import dataclasses
import pathlib
import socket
import urllib.parse
import urllib.request

import tensorflow_datasets as tfds

from keras_atdarts.data import bucket
from keras_atdarts.data import cache
from keras_atdarts.data import idx_files
from keras_atdarts.data import image_folder
from keras_atdarts.errors import InputError

EMBEDDED_FOLDER = pathlib.Path(__file__).parent / "embedded"
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple("0123456789")

_OPENERS = {}


@dataclasses.dataclass(frozen=True)
class Request:
    """Which data set a user asks for.

    Args:
        name: String, the name of the data set.
        data_dir: Path of the folder with its files, or `None`.
        test_fraction: Float between 0 and 1, the fraction of the images to keep for
            testing if the data set has no test images.
        seed: Integer, decides which images those are.
    """

    name: str
    data_dir: object
    test_fraction: float
    seed: int


def register_dataset(name):
    """Registers the function that opens the data set `name`.

    Args:
        name: String, the name that users type.

    Returns:
        A decorator for a function from a `Request` to a TFDS builder with the
        features `"image"` and `"label"`. The builder need not be prepared.

    Raises:
        ValueError: The name is taken.

    Example:

    ```python
    @register_dataset("my_images")
    def my_images(request):
        return tfds.builder_from_directory(request.data_dir)


    dataset = load_dataset("my_images", "/data/my_images/1.0.0")
    ```
    """

    def register(opener):
        if name in _OPENERS:
            raise ValueError(
                f"The data set '{name}' is registered already: choose another name."
            )
        _OPENERS[name] = opener
        return opener

    return register


def registered_datasets():
    """Returns the names of the registered data sets, in order of registration."""
    return tuple(_OPENERS)


def open_builder(request):
    """Returns the TFDS builder of a `Request`, which need not be prepared.

    A name that is not registered is looked up in the catalogue of TFDS.
    """
    with bucket.without_bucket():
        return _OPENERS.get(request.name, from_catalogue)(request)


@register_dataset("fashion_mnist_small")
def fashion_mnist_small(request):
    """8,000 + 2,000 images of Fashion-MNIST, stored inside the package."""
    if request.data_dir is not None:
        raise InputError(
            "fashion_mnist_small is part of the package and takes no data directory. "
            f"Received: '{request.data_dir}'. For the full set in a folder of IDX "
            "files use the data set fashion_mnist."
        )
    folder = EMBEDDED_FOLDER / "fashion_mnist_small" / cache.VERSION
    return tfds.builder_from_directory(folder)


@register_dataset("fashion_mnist")
def fashion_mnist(request):
    """The full set, from a folder of IDX files or from TFDS."""
    return _from_idx_or_catalogue(request, FASHION_MNIST_CLASSES)


@register_dataset("mnist")
def mnist(request):
    """Handwritten digits, from a folder of IDX files or from TFDS."""
    return _from_idx_or_catalogue(request, DIGITS)


@register_dataset("folder")
def folder(request):
    """A user's own images, one sub-folder per class."""
    if request.data_dir is None:
        raise InputError(
            "The data set 'folder' needs a data directory, the folder of images: give "
            "it as data_dir, or as --data-dir."
        )
    return image_folder.folder_builder(
        request.data_dir, request.test_fraction, request.seed
    )


def from_catalogue(request):
    """Any data set of the TFDS catalogue."""
    try:
        return tfds.builder(request.name, data_dir=request.data_dir)
    except Exception as error:
        raise InputError(
            f"TFDS cannot open the data set '{request.name}': {_one_line(error)}. "
            "Check its name, configuration and version."
        ) from error


def prepare(builder):
    """Downloads and converts the data set of a TFDS builder, unless that is done.

    Raises:
        InputError: There is no network, or the download or the conversion fails.
    """
    if builder.is_prepared():
        return
    _check_network(builder)
    # TFDS documents no common base of what a download or a conversion can raise.
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise _not_available(builder.name, _one_line(error)) from error


def _from_idx_or_catalogue(request, class_names):
    if request.data_dir is None or not idx_files.has_idx_files(request.data_dir):
        return from_catalogue(request)
    return cache.cached_builder(
        request.name,
        idx_files.content_hash(request.data_dir),
        lambda: idx_files.read_idx_folder(request.data_dir, len(class_names)),
        class_names,
    )


def _check_network(builder):
    """Fails at once where TFDS would repeat its attempts for minutes."""
    needs_network = builder.url_infos and not builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    parents = pathlib.Path(builder.data_path).parents
    downloaded_before = any((parent / "downloads").exists() for parent in parents)
    if not needs_network or downloaded_before or urllib.request.getproxies():
        return
    host = urllib.parse.urlsplit(next(iter(builder.url_infos))).hostname
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise _not_available(builder.name, f"no network ({host}: {error})") from error


def _not_available(name, reason):
    idx_hint = (
        ", or to the folder of its IDX files"
        if name in ("fashion_mnist", "mnist")
        else ""
    )
    return InputError(
        f"The data set '{name}' is not prepared and cannot be downloaded: "
        f"{reason}. Set data_dir (--data-dir) to a TFDS directory that has it"
        f"{idx_hint}, or run where there is a network."
    )


def _one_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
