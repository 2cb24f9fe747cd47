"""DARTS in PyTorch, as published, to measure this project against.

    python benchmarks/torch_peer.py search --batch-size 32 --channels-last
    python benchmarks/torch_peer.py search --order 2 --batch-size 16
    python benchmarks/torch_peer.py retrain --device cuda --compile
    python benchmarks/torch_peer.py predict --batch-size 1 --steps 50

Prints one line of JSON: the median seconds of a step, the seconds from the start
of the process to the end of the first step, the peak memory of the process and of
the GPU, the parameters. Needs PyTorch and nothing that this project needs; how to
install it is said in against_torch.py.

Multiplications are of float32; on GPUs PyTorch rounds what convolutions read to
TensorFloat-32 by itself, and chooses their algorithms in the first step.
"""

import json
import sys

import flags
import measuring
import torch
import torch_networks
from torch_steps import SearchStep
from torch_steps import make_retraining_step

ALPHA_DEVIATION = 1e-3
COMPILE_MODES = ("default", "reduce-overhead")


def main(argv=None):
    arguments = parse_arguments(argv)
    use_device(arguments.device)
    torch.manual_seed(0)
    network, prepared = arguments.prepare(arguments)

    def step():
        prepared()
        if arguments.device == "cuda":
            torch.cuda.synchronize()

    step()
    startup = measuring.seconds_since_start()
    seconds = measuring.time_calls(step, arguments.steps)
    report = measuring.summary(
        startup,
        seconds,
        arguments.batches_per_step * arguments.batch_size,
        parameters=sum(weight.numel() for weight in network.parameters()),
        **report_software(arguments.device),
    )
    print(json.dumps(report))


def use_device(name):
    """Makes PyTorch use a device of `flags.DEVICES`."""
    if name == "cpu":
        return
    if not torch.cuda.is_available():
        sys.exit(
            "--device cuda needs a GPU, and PyTorch sees none. See that nvidia-smi "
            "shows one and install PyTorch with CUDA, or give --device cpu."
        )
    torch.backends.cudnn.benchmark = True  # As the reference has it.


def report_software(device):
    """Returns what a report says of what the process ran on, as a dict."""
    software = f"PyTorch {torch.__version__}"
    if device == "cpu":
        threads = f"{torch.get_num_threads()} threads"
        return {"software": software, "threads": threads}
    return {
        "software": software,
        "device": torch.cuda.get_device_name(),
        "peak_gpu_gib": torch.cuda.max_memory_allocated() / 2**30,
    }


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    search = add_job(jobs, "search", prepare_search, filters=16, num_cells=8)
    search.set_defaults(batches_per_step=2)
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
        job.set_defaults(batches_per_step=1)
        job.add_argument("--genotype", default="DARTS_V2", help="a published one")
        job.add_argument(
            "--compile",
            nargs="?",
            choices=COMPILE_MODES,
            const=COMPILE_MODES[0],
            metavar="MODE",
            help=f"with torch.compile, in the mode {' or '.join(COMPILE_MODES)} "
            f"({COMPILE_MODES[0]})",
        )
    return parser.parse_args(argv)


def add_job(jobs, name, prepare, filters, num_cells):
    """Adds a job with the flags that all of them take; returns its parser."""
    job = jobs.add_parser(name)
    job.set_defaults(prepare=prepare)
    flags.add_device_flag(job)
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
    )
    place(network, arguments)
    shape = torch_networks.NUM_EDGES, len(names)
    noise = torch.randn(2, *shape, device=arguments.device)
    alphas = [(ALPHA_DEVIATION * each).requires_grad_() for each in noise]
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
    """Returns the derived network, compiled if that is asked for."""
    network = torch_networks.make_network(
        arguments.genotype, arguments.filters, arguments.num_cells
    )
    place(network, arguments)
    if arguments.compile:
        network.compile(mode=arguments.compile)
    return network


def place(network, arguments):
    """Brings a network to the device and into the layout asked for."""
    network.to(arguments.device, memory_format=layout(arguments))


def random_batch(arguments):
    """Returns noise as images, and labels."""
    size = arguments.image_size
    count, device = arguments.batch_size, arguments.device
    images = torch.randn(count, 3, size, size, device=device)
    labels = torch.randint(0, torch_networks.NUM_CLASSES, (count,), device=device)
    return images.contiguous(memory_format=layout(arguments)), labels


def layout(arguments):
    """Returns PyTorch's name of the order of the axes."""
    if arguments.channels_last:
        return torch.channels_last
    return torch.contiguous_format


if __name__ == "__main__":
    main()
