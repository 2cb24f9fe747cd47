"""How far single precision is from double precision, here and in PyTorch.

    python benchmarks/exactness.py
    python benchmarks/exactness.py --side ours --seeds 1

Takes the logits of a supernet and the gradients of one batch's loss in float32, and
again in float64 with the same weights, and prints the length of the difference, as a
part of the length of the exact values: the mean of some random starts, since few
ReLUs that flip make most of it. Each side runs in a process of its own; how PyTorch
is installed is said in against_torch.py.
"""

import copy
import json
import statistics
import sys

import flags
import measuring

QUANTITIES = ("logits", "gradients of the weights", "gradients of the alphas")
SIDES = {"ours": "this project", "peer": "PyTorch"}


def main(argv=None):
    parser = flags.make_parser(__doc__)
    flags.add_number(parser, "--filters", 16, "channels of the first cells")
    flags.add_number(parser, "--num-cells", 8, "cells")
    flags.add_number(parser, "--batch-size", 32, "images of a batch")
    flags.add_number(parser, "--image-size", 32, "their side in pixels")
    flags.add_number(parser, "--seeds", 3, "random starts")
    parser.add_argument("--side", choices=SIDES, help="only one, as JSON")
    arguments = parser.parse_args(argv)
    if arguments.side is None:
        compare(sys.argv[1:] if argv is None else argv)
        return
    differ = {"ours": our_differences, "peer": peer_differences}[arguments.side]
    found = [differ(arguments, seed) for seed in range(arguments.seeds)]
    means = map(statistics.fmean, zip(*found, strict=True))
    print(json.dumps(dict(zip(QUANTITIES, means, strict=True))))


def compare(words):
    """Runs both sides and prints a table."""
    found = [
        measuring.run_worker("exactness.py", *words, "--side", side) for side in SIDES
    ]
    rows = [
        [quantity, *(f"{values[quantity]:.1e}" for values in found)]
        for quantity in QUANTITIES
    ]
    print(measuring.markdown_table(["float32", *SIDES.values()], rows))


def our_differences(arguments, seed):
    """Returns the difference of each quantity, of a supernet of this project."""
    import keras
    import numpy as np
    import workloads

    from keras_atdarts.search.supernet import Supernet

    keras.utils.set_random_seed(seed)
    images, labels = workloads.random_batch(arguments.batch_size, arguments.image_size)
    results, weights = [], None
    for dtype in ("float32", "float64"):
        size = arguments.filters, arguments.num_cells
        supernet = Supernet(workloads.NUM_CLASSES, *size, "darts", dtype=dtype)
        supernet.build((None, *images.shape[1:]))
        if weights is not None:
            supernet.set_weights(weights)
        weights = supernet.get_weights()
        supernet.compile(workloads.weight_optimizer(), "adam")
        batch = images.astype(dtype), labels
        results.append(tuple(our_results(supernet, batch)))
    return [difference(*pair, np) for pair in zip(*results, strict=True)]


def our_results(supernet, batch):
    """Yields each quantity as an array."""
    import numpy as np
    import tensorflow as tf

    @tf.function(autograph=False)
    def differentiate():
        variables = [supernet.operation_weights, supernet.alpha_variables]
        variables = [[each.value for each in group] for group in variables]
        with tf.GradientTape() as tape:
            loss, logits, _ = supernet.training_loss()(batch)
        return [logits], *tape.gradient(loss, variables)

    for tensors in differentiate():
        yield np.concatenate([np.ravel(each) for each in tensors])


def peer_differences(arguments, seed):
    """Returns the difference of each quantity, of PyTorch's supernet."""
    import torch
    import torch_peer

    torch.manual_seed(seed)
    options = {
        "operations": ["darts"],
        "channels_last": False,
        "order": 1,
        "device": "cpu",
    }
    for name, value in options.items():
        setattr(arguments, name, value)
    network, step = torch_peer.prepare_search(arguments)
    single = peer_results(network, step.alphas, step.weight_batch)
    images, labels = step.weight_batch
    alphas = [each.detach().double().requires_grad_() for each in step.alphas]
    batch = images.double(), labels
    double = peer_results(copy.deepcopy(network).double(), alphas, batch)
    return [difference(*pair, torch) for pair in zip(single, double, strict=True)]


def peer_results(network, alphas, batch):
    """Returns each quantity as a tensor."""
    import torch

    images, labels = batch
    logits = network(images, alphas)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss, [*weights, *alphas])
    groups = [logits.detach()], gradients[: len(weights)], gradients[len(weights) :]
    return [torch.cat([each.flatten().double() for each in group]) for group in groups]


def difference(single, double, library):
    """Returns the length of the difference, in the length of the exact values."""
    norm = library.linalg.norm
    return float(norm(single - double) / norm(double))


if __name__ == "__main__":
    main()
