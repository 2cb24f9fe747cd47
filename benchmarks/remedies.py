"""What each remedy against collapse costs a step of a search.

    python benchmarks/remedies.py
    python benchmarks/remedies.py --filters 8 --num-cells 5 --batch-size 32

Every search takes its steps in one process, one after the other, round by round; the
first is plain DARTS. Prints a Markdown table: the median step in that of plain DARTS,
from round to round, and the same of an estimate of the eigenvalue, which a search
makes once an epoch, and of an accuracy on one batch, of which a selection by
perturbation measures many. `--output` keeps the seconds of all steps.
"""

import functools
import pathlib
import statistics
import sys
import time

import devices
import flags
import workloads

from keras_atdarts import atomic
from keras_atdarts.experiments.runs import runtime
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.curvature import Curvature
from keras_atdarts.search.mixing_evaluation import MixingEvaluation
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.regularizers import resolve_regularizers

PLAIN, EIGENVALUE = "plain", "estimate of the eigenvalue"
ACCURACY = "accuracy of a batch, in a selection"
REGULARIZERS = ("beta_decay=25", "zero_one=10", "dirichlet_distance=0.001")
REMEDIES = {
    PLAIN: {},
    "sampler sigmoid": {"sampler": "sigmoid"},
    "sampler gumbel_softmax": {"sampler": "gumbel_softmax"},
    "sampler dirichlet": {"sampler": "dirichlet"},
    "perturbation": {"perturbation": RandomPerturbation(0.1)},
    **{
        f"regularizer {word.partition('=')[0]}": {
            "architect": FirstOrder(resolve_regularizers([word]))
        }
        for word in REGULARIZERS
    },
}


def main(argv=None):
    arguments = parse_arguments(argv)
    devices.use_device(arguments.device)
    runtime.prepare_runtime(tf32=True)
    runtime.fix_randomness(0, deterministic=False)
    batch = workloads.random_batch(arguments.batch_size, arguments.image_size)
    supernets = {name: make_supernet(name, arguments) for name in REMEDIES}
    for supernet in supernets.values():  # The first step traces it.
        workloads.time_fit(supernet, (batch, batch), 1)
    estimates = make_estimates(supernets[PLAIN], batch)
    seconds = {name: [] for name in (*REMEDIES, *estimates)}
    for _ in range(arguments.rounds):
        for name, supernet in supernets.items():
            ends = workloads.time_fit(supernet, (batch, batch), 1 + arguments.steps)
            steps = zip(ends[:-1], ends[1:], strict=True)
            seconds[name].append(statistics.median(end - start for start, end in steps))
        for name, estimate in estimates.items():
            start = time.perf_counter()
            estimate()
            seconds[name].append(time.perf_counter() - start)
        if arguments.output:
            atomic.write_json(arguments.output, seconds)
    print_table(seconds)


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    flags.add_device_flag(parser)
    flags.add_supernet_flags(parser)
    flags.add_number(parser, "--batch-size", 64, "images of a batch")
    flags.add_number(parser, "--image-size", 32, "side of the images in pixels")
    flags.add_number(parser, "--rounds", 5, "times that each search takes its turn")
    flags.add_number(parser, "--steps", 3, "steps of a turn that count")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="JSON")
    return parser.parse_args(argv)


def make_supernet(name, arguments):
    """Returns the compiled supernet of a remedy."""
    options = dict(REMEDIES[name])
    sampler = options.pop("sampler", "softmax")
    return workloads.make_supernet(
        arguments, arguments.image_size, sampler=sampler, **options
    )


def make_estimates(supernet, batch):
    """Returns what is measured of a supernet between steps, as functions by name."""
    curvature = Curvature(supernet)
    accuracy = MixingEvaluation(supernet, [batch])
    weights = supernet.alphas.weights()
    estimates = {
        EIGENVALUE: functools.partial(curvature, batch),
        ACCURACY: functools.partial(accuracy, weights),
    }
    for estimate in estimates.values():  # Traces them.
        estimate()
    return estimates


def print_table(seconds):
    """Prints the median of each remedy in plain DARTS of the same round."""
    print("| remedy | in the step of plain DARTS | lowest and highest round |")
    print("|---|---|---|")
    for name, values in seconds.items():
        ratios = [x / y for x, y in zip(values, seconds[PLAIN], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {statistics.median(ratios):.2f} | {spread} |")


if __name__ == "__main__":
    sys.exit(run_script(main))
