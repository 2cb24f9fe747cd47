"""DARTS in PyTorch, as published, to measure this project against.

    python benchmarks/torch_peer.py search --batch-size 32 --channels-last
    python benchmarks/torch_peer.py search --order 2 --batch-size 16
    python benchmarks/torch_peer.py retrain
    python benchmarks/torch_peer.py predict --batch-size 1 --steps 50

Prints one line of JSON: the median seconds of a step, the seconds from the start
of the process to the end of the first step, the peak memory, the parameters. Needs
PyTorch and nothing that this project needs; how to install it is said in
against_torch.py.
"""

import json

import flags
import measuring
import torch
import torch_networks
from torch_steps import SearchStep
from torch_steps import make_retraining_step

ALPHA_DEVIATION = 1e-3


def main(argv=None):
    arguments = parse_arguments(argv)
    torch.manual_seed(0)
    network, step = arguments.prepare(arguments)
    step()
    startup = measuring.seconds_since_start()
    seconds = measuring.time_calls(step, arguments.steps)
    report = measuring.summary(
        startup,
        seconds,
        parameters=sum(weight.numel() for weight in network.parameters()),
        software=f"PyTorch {torch.__version__}",
        threads=f"{torch.get_num_threads()} threads",
    )
    print(json.dumps(report))


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    search = add_job(jobs, "search", prepare_search, filters=16, num_cells=8)
    search.add_argument("--order", type=int, choices=(1, 2), default=1)
    search.add_argument(
        "--operations",
        nargs="+",
        choices=(*torch_networks.SEARCH_SPACES, *torch_networks.OPERATIONS),
        default=["darts"],
        metavar="NAME",
        help=f"one of {' and '.join(torch_networks.SEARCH_SPACES)}, or operations "
        f"of {' '.join(torch_networks.OPERATIONS)} (darts)",
    )
    for name, prepare in (("retrain", prepare_retrain), ("predict", prepare_predict)):
        job = add_job(jobs, name, prepare, filters=36, num_cells=20)
        job.add_argument("--genotype", default="DARTS_V2", help="a published one")
    return parser.parse_args(argv)


def add_job(jobs, name, prepare, filters, num_cells):
    """Adds a job with the flags that all of them take; returns its parser."""
    job = jobs.add_parser(name)
    job.set_defaults(prepare=prepare)
    flags.add_number(job, "--batch-size", 32, "images of a batch")
    flags.add_number(job, "--image-size", 32, "their side in pixels")
    flags.add_number(job, "--filters", filters, "channels of the first cells")
    flags.add_number(job, "--num-cells", num_cells, "cells")
    flags.add_number(job, "--steps", 5, "steps that count, after a first one")
    job.add_argument(
        "--channels-last", action="store_true", help="instead of channels first"
    )
    return job


def prepare_search(arguments):
    """Returns a supernet and its step."""
    names = torch_networks.resolve_operations(arguments.operations)
    network = torch_networks.make_supernet(
        names, arguments.filters, arguments.num_cells
    ).to(memory_format=layout(arguments))
    shape = torch_networks.NUM_EDGES, len(names)
    alphas = [(ALPHA_DEVIATION * torch.randn(shape)).requires_grad_() for _ in range(2)]
    batches = random_batch(arguments), random_batch(arguments)
    return network, SearchStep(network, alphas, arguments.order, *batches)


def prepare_retrain(arguments):
    """Returns a derived network and a step of its training."""
    network = make_network(arguments)
    return network, make_retraining_step(network, random_batch(arguments))


def prepare_predict(arguments):
    """Returns a derived network and a function that classifies one batch."""
    network = make_network(arguments).eval()
    images, _ = random_batch(arguments)
    return network, torch.inference_mode()(lambda: network(images))


def make_network(arguments):
    """Returns the derived network in the layout asked for."""
    network = torch_networks.make_network(
        arguments.genotype, arguments.filters, arguments.num_cells
    )
    return network.to(memory_format=layout(arguments))


def random_batch(arguments):
    """Returns noise as images, and labels."""
    size = arguments.image_size
    images = torch.randn(arguments.batch_size, 3, size, size)
    labels = torch.randint(0, torch_networks.NUM_CLASSES, (arguments.batch_size,))
    return images.contiguous(memory_format=layout(arguments)), labels


def layout(arguments):
    """Returns PyTorch's name of the order of the axes."""
    if arguments.channels_last:
        return torch.channels_last
    return torch.contiguous_format


if __name__ == "__main__":
    main()
