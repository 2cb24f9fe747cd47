"""Where data sets come from: every source ends as a TFDS builder."""

import collections
import pathlib
import socket
import urllib.parse
import urllib.request

import tensorflow_datasets as tfds

from keras_atdarts.data import cache as prepared
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

_SOURCES = {}

Request = collections.namedtuple("Request", "name data_dir test_fraction seed")
Request.__doc__ = """What a user asks of a source.

Args:
    name: String, the name of the data set.
    data_dir: Path or `None`.
    test_fraction: Float, the part of the images to keep for testing where the
        source itself has no test images.
    seed: Integer, decides which images those are.
"""


def register_dataset(name):
    """Registers a function as the source of the data set `name`.

    The function takes a `Request` and returns a TFDS builder with the features
    `"image"` and `"label"`; it need not be prepared yet.

    Example:

    ```python
    @register_dataset("my_images")
    def my_images(request):
        return tfds.builder_from_directory(request.data_dir)
    ```

    Args:
        name: String, the name users type.
    """

    def register(source):
        if name in _SOURCES:
            raise ValueError(f"The data set '{name}' is registered already.")
        _SOURCES[name] = source
        return source

    return register


def registered_datasets():
    """Returns the names that have a source of their own, in order of registration."""
    return tuple(_SOURCES)


def find_source(name):
    """Returns the function for a name; names without one are asked of TFDS."""
    return _SOURCES.get(name, tfds_source)


@register_dataset("fashion_mnist_small")
def fashion_mnist_small(request):
    """8,000 + 2,000 images of Fashion-MNIST, stored inside the package."""
    if request.data_dir is not None:
        raise InputError(
            f"fashion_mnist_small is part of the package and takes no data "
            f"directory, received '{request.data_dir}'. For the full set in a "
            "folder of IDX files use the data set fashion_mnist."
        )
    folder = EMBEDDED_FOLDER / "fashion_mnist_small" / prepared.VERSION
    return tfds.builder_from_directory(folder)


@register_dataset("fashion_mnist")
def fashion_mnist(request):
    """The full set: a folder of IDX files, or TFDS."""
    return _idx_or_tfds(request, FASHION_MNIST_CLASSES)


@register_dataset("mnist")
def mnist(request):
    """Handwritten digits: a folder of IDX files, or TFDS."""
    return _idx_or_tfds(request, DIGITS)


@register_dataset("folder")
def folder(request):
    """A user's own images, one sub-folder per class."""
    if request.data_dir is None:
        raise InputError("The data set 'folder' needs a data directory: --data-dir.")
    return image_folder.folder_builder(
        request.data_dir, request.test_fraction, request.seed
    )


def tfds_source(request):
    """Any data set of the TFDS catalogue."""
    try:
        return tfds.builder(request.name, data_dir=request.data_dir)
    except Exception as error:
        raise InputError(
            f"TFDS cannot open the data set '{request.name}': {_one_line(error)}"
        ) from error


def prepare(builder):
    """Downloads and prepares a data set, unless that is done already."""
    if builder.is_prepared():
        return
    _check_network(builder)
    # TFDS documents no common base of what a download or a conversion can raise.
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise _not_available(builder.name, _one_line(error)) from error


def _idx_or_tfds(request, class_names):
    if request.data_dir is not None and idx_files.has_idx_files(request.data_dir):
        return prepared.cached_builder(
            request.name,
            idx_files.content_hash(request.data_dir),
            lambda: idx_files.read_idx_folder(request.data_dir, len(class_names)),
            class_names,
        )
    return tfds_source(request)


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
        f"{reason}. Set --data-dir to a TFDS directory that has it{idx_hint}, or run "
        "where there is a network."
    )


def _one_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
