"""Networks with the names and the arithmetic of DARTS' reference, in PyTorch.

Only what its names decide: https://github.com/quark0/darts, cnn/model.py and
cnn/operations.py. The weights are random, those of batch norms too.
"""

import torch
from torch import nn
from torch.nn import functional


def relu_convolution(channels_in, channels):
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels_in, channels, 1, bias=False), norm(channels)
    )


def norm(channels):
    return nn.BatchNorm2d(channels)


def depthwise(channels, size, stride, dilation):
    """Returns ReLU, depthwise and pointwise convolution, and batch norm as a list."""
    padding = dilation * (size // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(
            channels,
            channels,
            size,
            stride,
            padding,
            dilation,
            groups=channels,
            bias=False,
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        norm(channels),
    ]


class Holder(nn.Module):
    """A module whose layers are called `op`, as most of the reference's are."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    def __init__(self, channels_in, channels):
        super().__init__()
        self.conv_1 = nn.Conv2d(channels_in, channels // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(channels_in, channels // 2, 1, stride=2, bias=False)
        self.bn = norm(channels)

    def forward(self, x):
        x = functional.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


def make_operation(name, channels, stride):
    if name == "skip_connect":
        reduce = FactorizedReduce(channels, channels)
        return nn.Identity() if stride == 1 else reduce
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    if name == "conv_7x1_1x7":
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
            norm(channels),
        )
    kind, size = name[:3], int(name[-1])
    if kind == "dil":
        return Holder(*depthwise(channels, size, stride, 2))
    second = depthwise(channels, size, 1, 1)
    return Holder(*depthwise(channels, size, stride, 1), *second)


class Cell(nn.Module):
    def __init__(self, cell, inputs, channels, reduction, after_reduction):
        super().__init__()
        self.cell = cell
        older, newer = inputs
        if after_reduction:
            self.preprocess0 = FactorizedReduce(older, channels)
        else:
            self.preprocess0 = Holder(*relu_convolution(older, channels))
        self.preprocess1 = Holder(*relu_convolution(newer, channels))
        self._ops = nn.ModuleList(
            make_operation(
                edge.operation, channels, 2 if reduction and edge.source < 2 else 1
            )
            for edges in cell.nodes
            for edge in edges
        )

    def forward(self, older, newer):
        states = [self.preprocess0(older), self.preprocess1(newer)]
        operations = iter(self._ops)
        for edges in self.cell.nodes:
            states.append(sum(next(operations)(states[edge.source]) for edge in edges))
        return torch.cat([states[index] for index in self.cell.concat], 1)


class AuxiliaryHead(nn.Module):
    def __init__(self, channels, num_classes, stride, last):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            norm(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            *last,
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Network(nn.Module):
    """NetworkCIFAR, or NetworkImageNet with `stem="imagenet"`."""

    def __init__(self, genotype, filters, num_cells, num_classes, stem):
        super().__init__()
        width = self.add_stem(filters, stem)
        inputs, after_reduction = (width, width), stem == "imagenet"
        self.cells = nn.ModuleList()
        self.num_cells = num_cells
        for index in range(num_cells):
            reduction = index in (num_cells // 3, 2 * num_cells // 3)
            filters *= 2 if reduction else 1
            cell = genotype.reduction if reduction else genotype.normal
            self.cells.append(Cell(cell, inputs, filters, reduction, after_reduction))
            inputs = inputs[1], len(cell.concat) * filters
            after_reduction = reduction
            if index == 2 * num_cells // 3:
                stride, last = (2, []) if stem == "imagenet" else (3, [norm(768)])
                self.auxiliary_head = AuxiliaryHead(
                    inputs[1], num_classes, stride, last
                )
        self.classifier = nn.Linear(inputs[1], num_classes)

    def add_stem(self, filters, stem):
        """Makes the stem, and returns the channels of its outputs."""
        if stem == "cifar":
            width = 3 * filters
            self.stem = nn.Sequential(
                nn.Conv2d(3, width, 3, padding=1, bias=False), norm(width)
            )
            return width
        self.stem0 = nn.Sequential(
            nn.Conv2d(3, filters // 2, 3, 2, 1, bias=False),
            norm(filters // 2),
            nn.ReLU(),
            nn.Conv2d(filters // 2, filters, 3, 2, 1, bias=False),
            norm(filters),
        )
        self.stem1 = nn.Sequential(
            nn.ReLU(), nn.Conv2d(filters, filters, 3, 2, 1, bias=False), norm(filters)
        )
        return filters

    def forward(self, images):
        """Returns the logits, and those of the auxiliary head."""
        if hasattr(self, "stem"):
            older = newer = self.stem(images)
        else:
            older = self.stem0(images)
            newer = self.stem1(older)
        for index, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer)
            if index == 2 * self.num_cells // 3:
                auxiliary = self.auxiliary_head(newer)
        return self.classifier(newer.mean((2, 3))), auxiliary


def make_network(genotype, filters, num_cells, num_classes, stem="cifar", seed=0):
    """Returns a network for inference whose every parameter is random."""
    torch.manual_seed(seed)
    network = Network(genotype, filters, num_cells, num_classes, stem).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network
