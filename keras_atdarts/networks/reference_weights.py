"""The weights of networks that the reference of DARTS has trained, in PyTorch.

The reference names them by its modules: `stem.0.weight`, `cells.3._ops.5.op.1.weight`,
`classifier.bias`. A convolution of PyTorch has the axes output, input, height, width;
ours come in the order of the layouts below. `num_batches_tracked` has no use here.

Its batch norms have an epsilon of 1e-5 and a momentum of 0.1, as ours
(`kernels.reference.EPSILON`, `layers.batch_normalization.RATE`).

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://github.com/quark0/darts:
    `NetworkCIFAR` and `NetworkImageNet` in cnn/model.py, cnn/operations.py. Its forks
    (P-DARTS, PC-DARTS) have the same.
"""

from typing import NamedTuple

import numpy as np

from keras_atdarts.errors import InputError
from keras_atdarts.layers.stage import FactorizedReduce
from keras_atdarts.networks.derived import DerivedCell
from keras_atdarts.networks.derived import operation_layer
from keras_atdarts.networks.plan import STEM_MULTIPLIER
from keras_atdarts.operations.convolutions import DilatedConvolution
from keras_atdarts.operations.convolutions import RowColumnConvolution
from keras_atdarts.operations.convolutions import SeparableConvolution
from keras_atdarts.operations.simple import Pooling
from keras_atdarts.operations.simple import Skip
from keras_atdarts.operations.simple import Zero

# Which axis of PyTorch's tensor stands at each place of ours.
VECTOR = (0,)
DENSE = (1, 0)  # To input, output.
CONVOLUTION = (2, 3, 1, 0)  # To height, width, input, output.
DEPTHWISE = (
    2,
    3,
    0,
    1,
)  # From channels, 1, height, width to height, width, channels, 1.

# The layers of both stems, with the names of their convolution and batch norm.
STEM_NAMES = {
    "stem": ("stem.0", "stem.1"),
    "stem_0": ("stem0.0", "stem0.1"),
    "stem_1": ("stem0.3", "stem0.4"),
    "stem_2": ("stem1.1", "stem1.2"),
}
PARALLEL = "module."  # What DataParallel puts before all names.
UNUSED = "num_batches_tracked"
HEAD = "auxiliary_head."
MOST_NAMED = 3


class Place(NamedTuple):
    """Which tensors of the reference a variable holds.

    Args:
        variable: Variable of a network.
        names: Tuple of the tensors' names. Means and variances are two tensors there
            and one variable here; all others are one.
        axes: Tuple, one of the layouts.
    """

    variable: object
    names: tuple
    axes: tuple

    @property
    def shape(self):
        """The shape of each of the tensors in the reference."""
        ours = (1, 1, 1, *self.variable.shape)[-len(self.axes) :]
        theirs = dict(zip(self.axes, ours, strict=True))
        return tuple(theirs[axis] for axis in range(len(ours)))

    def value(self, tensors):
        """Returns the value of the variable, from a dict of the tensors."""
        ours = [np.transpose(tensors[name], self.axes) for name in self.names]
        return np.reshape(np.stack(ours), self.variable.shape)


class ReferenceSize(NamedTuple):
    """What the shapes of the tensors say of a network.

    Args:
        stem: `"cifar"` or `"imagenet"`.
        channels: Integer, of the images.
        filters: Integer, of a node in the first cells.
        num_cells: Integer.
        num_classes: Integer.
        auxiliary: Boolean, whether it has the auxiliary head.
    """

    stem: str
    channels: int
    filters: int
    num_cells: int
    num_classes: int
    auxiliary: bool


def load_reference_weights(network, genotype, tensors):
    """Sets a network to the weights that the reference has trained.

    Afterwards it computes the same logits. It is changed only if all tensors fit.

    Args:
        network: `DerivedNetwork` of `build_network`, with an auxiliary head if and
            only if the tensors have one.
        genotype: `Genotype` that it was built of.
        tensors: Dict from the names of the reference's state dict to arrays in
            PyTorch's layouts. The prefix of `DataParallel` may stand before them.

    Raises:
        InputError: A tensor is missing, is left over or has another shape, or the
            genotype has an operation that the reference has not.

    Example:

    >>> tensors = read_weights("cifar10_model.safetensors")
    >>> network = build_network(
    ...     Genotype.load("DARTS_V2"), (32, 32, 3), 10, auxiliary=True
    ... )
    >>> load_reference_weights(network, Genotype.load("DARTS_V2"), tensors)
    >>> network = without_auxiliary_head(network)
    """
    tensors = plain_names(tensors)
    places = list(reference_places(network, genotype))
    check_tensors(tensors, places)
    for place in places:
        place.variable.assign(place.value(tensors))


def plain_names(tensors):
    """Returns the tensors without those of no use, without `DataParallel`'s prefix."""
    return {
        name.removeprefix(PARALLEL): tensor
        for name, tensor in tensors.items()
        if not name.endswith(UNUSED)
    }


def reference_size(tensors):
    """Returns the `ReferenceSize` of a network of the reference.

    Args:
        tensors: Dict from names to arrays, or to anything that has a `shape`.

    Raises:
        InputError: These are not the tensors of such a network.
    """
    shapes = {name: each.shape for name, each in plain_names(tensors).items()}
    cells = {name.split(".")[1] for name in shapes if name.startswith("cells.")}
    try:
        stem = "cifar" if "stem.0.weight" in shapes else "imagenet"
        if stem == "cifar":
            width, channels, *_ = shapes["stem.0.weight"]
            filters = width // STEM_MULTIPLIER
        else:
            channels, filters = shapes["stem0.0.weight"][1], shapes["stem0.3.weight"][0]
        return ReferenceSize(
            stem,
            channels,
            filters,
            len(cells),
            shapes["classifier.weight"][0],
            any(name.startswith(HEAD) for name in shapes),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"These are not the weights of a network of DARTS: received {len(shapes)} "
            f"tensors ({first_names(shapes)}); expected those of NetworkCIFAR or "
            "NetworkImageNet of quark0/darts, as stem.0.weight, "
            "cells.0.preprocess0.op.1.weight and classifier.weight."
        ) from error


def check_tensors(tensors, places):
    """Raises `InputError` where tensors do not fill exactly their places."""
    expected = {name: place.shape for place in places for name in place.names}
    missing = [name for name in expected if name not in tensors]
    left_over = [name for name in tensors if name not in expected]
    reshaped = {
        name: f"{name} (expected {shape}, received {tuple(tensors[name].shape)})"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    }
    problems = [
        f"{len(names)} {kind} ({first_names(names)})"
        for kind, names in (
            ("missing", missing),
            ("left over", left_over),
            ("of another shape", reshaped.values()),
        )
        if names
    ]
    if problems:
        cause = likely_cause(tensors, places, [*missing, *left_over, *reshaped])
        raise InputError(
            f"The weights do not fit the network; tensors: {'; '.join(problems)}. "
            f"{cause}"
        )


def likely_cause(tensors, places, wrong):
    """Returns a sentence: in what the network differs from that of the tensors.

    Args:
        tensors: Dict from names to arrays.
        places: List of the `Place`s of the network.
        wrong: List of the names that do not fit.
    """
    theirs = reference_size(tensors)._asdict()
    names = {name: place for place in places for name in place.names}
    ours = reference_size(names)._asdict()
    differences = [
        f"{name} {theirs[name]} (the network has {ours[name]})"
        for name in theirs
        if theirs[name] != ours[name]
    ]
    if differences:
        return f"They were trained with {', '.join(differences)}: make both the same."
    if all(name.startswith(HEAD) for name in wrong):
        return (
            "The auxiliary head is for images of the size of its training: give that "
            "(--image-size), or leave its tensors out of the file."
        )
    return "They were likely trained with another genotype: give theirs."


def first_names(names):
    """Returns the first of some names as text."""
    names = list(names)
    more = ", ..." if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def reference_places(network, genotype):
    """Yields a `Place` for each variable of a network.

    Args:
        network: `DerivedNetwork` of `build_network`.
        genotype: `Genotype` that it was built of.

    Raises:
        InputError: The reference has not one of the operations.
    """
    layers = {layer.name: layer for layer in network.layers}
    for name, (convolution, normalization) in STEM_NAMES.items():
        if name in layers:
            yield from convolution_places(layers[name], convolution, normalization)
    cells = [layer for layer in network.layers if isinstance(layer, DerivedCell)]
    genotypes = dict(genotype.cells())
    for number, cell in enumerate(cells):
        cell_type = cell.name.rpartition("_")[2]
        yield from cell_places(cell, genotypes[cell_type], f"cells.{number}")
    if "auxiliary" in layers:
        yield from auxiliary_places(layers["auxiliary"])
    yield from dense_places(layers["logits"], "classifier")


def cell_places(cell, cell_genotype, name):
    """Yields the places of a cell; its edges are counted through all nodes."""
    for index in range(2):
        layer, place = cell.get_layer(f"input_{index}"), f"{name}.preprocess{index}"
        if isinstance(layer, FactorizedReduce):
            yield from reduce_places(layer, place)
        else:
            yield from stage_places(layer, f"{place}.op", first=1)
    number = 0
    for node, edges in enumerate(cell_genotype.nodes):
        for index, edge in enumerate(edges):
            layer = operation_layer(cell, node, index, edge)
            yield from operation_places(layer, f"{name}._ops.{number}", edge.operation)
            number += 1


def operation_places(layer, name, operation):
    """Yields the places of an operation."""
    match layer:
        case Pooling() | Zero():
            return
        case Skip():
            if not layer.is_identity:
                yield from reduce_places(layer.reduce, name)
        case SeparableConvolution():
            yield from stage_places(layer.first, f"{name}.op", first=1)
            yield from stage_places(layer.second, f"{name}.op", first=5)
        case DilatedConvolution():
            yield from stage_places(layer.stage, f"{name}.op", first=1)
        case RowColumnConvolution():
            yield Place(layer.row_kernel, (f"{name}.1.weight",), CONVOLUTION)
            yield Place(layer.column_kernel, (f"{name}.2.weight",), CONVOLUTION)
            yield from normalization_places(layer.normalization, f"{name}.3")
        case _:
            raise InputError(
                f"The reference of DARTS has no operation '{operation}', so that none "
                "of its weights fit it. Give the genotype that they were trained with."
            )


def stage_places(stage, name, first):
    """Yields the places of a `Stage`, whose modules are counted from `first` on."""
    if stage.depthwise_kernel is not None:
        yield Place(stage.depthwise_kernel, (f"{name}.{first}.weight",), DEPTHWISE)
        first += 1
    yield Place(stage.pointwise_kernel, (f"{name}.{first}.weight",), CONVOLUTION)
    yield from normalization_places(stage.normalization, f"{name}.{first + 1}")


def reduce_places(layer, name):
    """Yields the places of a `FactorizedReduce`, even pixels first."""
    yield Place(layer.even_kernel, (f"{name}.conv_1.weight",), CONVOLUTION)
    yield Place(layer.odd_kernel, (f"{name}.conv_2.weight",), CONVOLUTION)
    yield from normalization_places(layer.normalization, f"{name}.bn")


def auxiliary_places(head):
    """Yields the places of an `AuxiliaryHead`."""
    name = f"{HEAD}features"
    first, second = head.convolutions
    yield from convolution_places(first, f"{name}.2", f"{name}.3")
    yield from convolution_places(second, f"{name}.5", f"{name}.6")
    yield from dense_places(head.classifier, f"{HEAD}classifier")


def convolution_places(layer, name, normalization):
    """Yields the places of a `ConvBN`."""
    yield Place(layer.kernel, (f"{name}.weight",), CONVOLUTION)
    if layer.normalize:
        yield from normalization_places(layer.normalization, normalization)


def normalization_places(layer, name):
    """Yields the places of a `BatchNormalization`."""
    yield Place(layer.gamma, (f"{name}.weight",), VECTOR)
    yield Place(layer.beta, (f"{name}.bias",), VECTOR)
    statistics = f"{name}.running_mean", f"{name}.running_var"
    yield Place(layer.moving_statistics, statistics, VECTOR)


def dense_places(layer, name):
    """Yields the places of a `Classifier`."""
    yield Place(layer.kernel, (f"{name}.weight",), DENSE)
    yield Place(layer.bias, (f"{name}.bias",), VECTOR)
