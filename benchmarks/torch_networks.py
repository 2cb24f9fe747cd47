"""DARTS' supernet and derived network in PyTorch, as the reference builds them.

One module for each edge and operation, run eagerly one after the other; the two
attention operations are those of CBAM. They are here to be measured against, not
to be used.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://github.com/quark0/darts;
    Woo et al., CBAM, 2018, https://arxiv.org/abs/1807.06521
"""

import json
import pathlib

import torch
from torch import nn
from torch.nn import functional

PUBLISHED = (
    pathlib.Path(__file__).resolve().parents[1] / "keras_atdarts/genotypes/published"
)
DARTS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
OPERATIONS = (*DARTS, "channel_attention", "spatial_attention")
SEARCH_SPACES = {"darts": DARTS, "at_darts": OPERATIONS}
NUM_NODES = 4
NUM_EDGES = 14
NUM_CLASSES = 10
STEM_MULTIPLIER = 3
REDUCTION_RATIO = 16


def resolve_operations(names):
    """Returns the names of operations for some that may be search spaces."""
    return tuple(each for name in names for each in SEARCH_SPACES.get(name, (name,)))


class Zero(nn.Module):
    """No connection: multiplies by zero, as the reference does."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


class FactorizedReduce(nn.Module):
    """Halves height and width by two convolutions, of even and of odd pixels."""

    def __init__(self, channels_in, channels, affine):
        super().__init__()
        half = channels // 2
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.normalization = nn.BatchNorm2d(channels, affine=affine)

    def forward(self, x):
        x = functional.relu(x)
        halves = [self.even(x), self.odd(x[:, :, 1:, 1:])]
        return self.normalization(torch.cat(halves, dim=1))


class ChannelAttention(nn.Module):
    """Multiplies every channel by a gate computed from all pixels."""

    def __init__(self, channels):
        super().__init__()
        hidden = max(channels // REDUCTION_RATIO, 1)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, x):
        pooled = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        gate = torch.sigmoid(sum(self.perceptron(each) for each in pooled))
        return x * gate[:, :, None, None]


class SpatialAttention(nn.Module):
    """Multiplies every pixel by a gate computed from all channels around it."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.normalization = nn.BatchNorm2d(1)

    def forward(self, x):
        pooled = [x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)]
        logits = self.normalization(self.convolution(torch.cat(pooled, dim=1)))
        return x * torch.sigmoid(logits)


def relu_convolution(channels_in, channels, affine):
    """Returns ReLU, 1x1 convolution and batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def depthwise_convolution(channels, kernel_size, stride, dilation, affine):
    """Returns ReLU, depthwise and pointwise convolution, and batch norm."""
    depthwise = nn.Conv2d(
        channels,
        channels,
        kernel_size,
        stride=stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=channels,
        bias=False,
    )
    pointwise = nn.Conv2d(channels, channels, 1, bias=False)
    normalization = nn.BatchNorm2d(channels, affine=affine)
    return nn.Sequential(nn.ReLU(), depthwise, pointwise, normalization)


def make_operation(name, channels, stride, searching):
    """Returns the module of one operation on one edge.

    Args:
        name: String, its name.
        channels: Integer, those of input and output.
        stride: Integer, 1 or 2.
        searching: Boolean, whether it is in a supernet: batch norms then learn
            nothing, and one follows each pooling and attention.
    """
    affine = not searching
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        if stride == 1:
            return nn.Identity()
        return FactorizedReduce(channels, channels, affine)
    if name.startswith(("sep_conv", "dil_conv")):
        return make_convolution(name, channels, stride, affine)
    after = [nn.BatchNorm2d(channels, affine=False)] if searching else []
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), *after)
    if name == "avg_pool_3x3":
        pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        return nn.Sequential(pool, *after)
    before = [FactorizedReduce(channels, channels, affine)] if stride == 2 else []
    channel = name == "channel_attention"
    gate = ChannelAttention(channels) if channel else SpatialAttention()
    return nn.Sequential(*before, gate, *after)


def make_convolution(name, channels, stride, affine):
    """Returns a separable convolution, which is two, or a dilated one."""
    kernel_size = int(name[-1])
    if name.startswith("dil_conv"):
        return depthwise_convolution(channels, kernel_size, stride, 2, affine)
    return nn.Sequential(
        depthwise_convolution(channels, kernel_size, stride, 1, affine),
        depthwise_convolution(channels, kernel_size, 1, 1, affine),
    )


class Cell(nn.Module):
    """Base of both cells: brings its two inputs to its channels and size."""

    def __init__(self, inputs, channels, reduction, after_reduction, affine):
        super().__init__()
        self.reduction = reduction
        older, newer = inputs
        make_older = FactorizedReduce if after_reduction else relu_convolution
        self.older = make_older(older, channels, affine)
        self.newer = relu_convolution(newer, channels, affine)

    def stride(self, source):
        """Returns the stride of an edge that starts at `source`."""
        return 2 if self.reduction and source < 2 else 1


class SearchCell(Cell):
    """A cell whose edges each add up all operations, weighted."""

    def __init__(self, names, inputs, channels, reduction, after_reduction):
        super().__init__(inputs, channels, reduction, after_reduction, affine=False)
        self.edges = nn.ModuleList(
            nn.ModuleList(
                make_operation(name, channels, self.stride(source), searching=True)
                for name in names
            )
            for node in range(NUM_NODES)
            for source in range(2 + node)
        )

    def forward(self, older, newer, weights):
        states = [self.older(older), self.newer(newer)]
        edges = iter(zip(self.edges, weights, strict=True))
        for _ in range(NUM_NODES):
            mixtures = [self.mix(x, *next(edges)) for x in states]
            states.append(sum(mixtures))
        return torch.cat(states[2:], dim=1)

    @staticmethod
    def mix(x, operations, weights):
        """Returns the weighted sum of the operations of one edge."""
        pairs = zip(operations, weights, strict=True)
        return sum(weight * run(x) for run, weight in pairs)


class DerivedCell(Cell):
    """A cell of a genotype: every node adds up the operations of its edges."""

    def __init__(self, genotype, inputs, channels, reduction, after_reduction):
        super().__init__(inputs, channels, reduction, after_reduction, affine=True)
        cell = genotype["reduction" if reduction else "normal"]
        self.concat = cell["concat"]
        self.sources = [[edge["source"] for edge in node] for node in cell["nodes"]]
        self.nodes = nn.ModuleList(
            nn.ModuleList(self.make_edge(channels, **edge) for edge in node)
            for node in cell["nodes"]
        )

    def make_edge(self, channels, operation, source):
        """Returns the module of an edge of the genotype."""
        return make_operation(operation, channels, self.stride(source), searching=False)

    def forward(self, older, newer, _):
        states = [self.older(older), self.newer(newer)]
        for sources, operations in zip(self.sources, self.nodes, strict=True):
            pairs = zip(sources, operations, strict=True)
            states.append(sum(run(states[source]) for source, run in pairs))
        return torch.cat([states[index] for index in self.concat], dim=1)


class Network(nn.Module):
    """A stem, cells of which those at one and two thirds reduce, and a classifier.

    Args:
        make_cell: Function from the channels of both inputs, those of the cell,
            whether it reduces and whether the cell before does, to a cell.
        filters: Integer, the channels of a node in the first cells.
        num_cells: Integer.
    """

    def __init__(self, make_cell, filters, num_cells):
        super().__init__()
        channels = STEM_MULTIPLIER * filters
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        inputs, after_reduction, cells = (channels, channels), False, []
        for index in range(num_cells):
            reduction = index in (num_cells // 3, 2 * num_cells // 3)
            filters = 2 * filters if reduction else filters
            cells.append(make_cell(inputs, filters, reduction, after_reduction))
            inputs = inputs[1], NUM_NODES * filters
            after_reduction = reduction
        self.cells = nn.ModuleList(cells)
        self.classifier = nn.Linear(inputs[1], NUM_CLASSES)

    def forward(self, images, alphas=(None, None)):
        """Returns the logits; `alphas` are those of normal and reduction cells."""
        weights = [
            None if alpha is None else functional.softmax(alpha, dim=-1)
            for alpha in alphas
        ]
        older = newer = self.stem(images)
        for cell in self.cells:
            older, newer = newer, cell(older, newer, weights[cell.reduction])
        return self.classifier(newer.mean(dim=(2, 3)))


def make_supernet(names, filters, num_cells):
    """Returns the supernet, without its alphas."""

    def make_cell(*arguments):
        return SearchCell(names, *arguments)

    return Network(make_cell, filters, num_cells)


def make_network(genotype_name, filters, num_cells):
    """Returns the network of a published genotype."""
    text = (PUBLISHED / f"{genotype_name}.json").read_text(encoding="utf-8")
    genotype = json.loads(text)

    def make_cell(*arguments):
        return DerivedCell(genotype, *arguments)

    return Network(make_cell, filters, num_cells)
