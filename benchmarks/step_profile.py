"""Where the time of a step goes on CPUs, by TensorFlow's profiler.

    python benchmarks/step_profile.py retrain
    python benchmarks/step_profile.py search --operations at_darts --filters 8

Prints a Markdown table: for each kind of operation its milliseconds in one step, summed
over operations that run at the same time, the share of them, and how often it runs. A
kernel that works with several threads counts while it runs, not once for each of them.
"""

import collections
import pathlib
import sys
import tempfile

import devices
import flags
import keras
import workloads
from tensorflow import profiler

from keras_atdarts.experiments.runs import runtime
from keras_atdarts.experiments.runs.script import run_script

WARM_UP = 2  # Steps before those that count.
SHOWN = 12  # Kinds of operations; the others are summed.
OTHERS = "all others"
PICOSECONDS = 1e9  # In a millisecond.


def main(argv=None):
    arguments = parse_arguments(argv)
    devices.use_device("cpu")
    runtime.prepare_runtime()
    runtime.fix_randomness(0, deterministic=False)
    model, element = arguments.make(arguments)
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(folder, arguments.steps)
        steps = WARM_UP + arguments.steps
        ends = workloads.time_fit(model, element, steps, [profile])
        kinds = times_by_kind(read_events(folder))
    seconds = (ends[-1] - ends[WARM_UP - 1]) / arguments.steps
    print(f"A step takes {1000 * seconds:.0f} ms.\n")
    print_table(kinds, arguments.steps)


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    job = jobs.add_parser("search", help="a step of a search")
    flags.add_supernet_flags(job)
    add_common_flags(job, make_search)
    job = jobs.add_parser("retrain", help="a step of a derived network's training")
    flags.add_number(job, "--filters", 16, "channels of the first cells")
    flags.add_number(job, "--num-cells", 6, "cells")
    add_common_flags(job, make_retraining)
    return parser.parse_args(argv)


def add_common_flags(job, make):
    """Adds the flags of both jobs; `make` returns the model and what a step takes."""
    flags.add_number(job, "--image-size", 28, "side of the images in pixels")
    flags.add_number(job, "--batch-size", 64, "images of a batch")
    flags.add_number(job, "--steps", 5, "steps that count")
    job.set_defaults(make=make)


def make_search(arguments):
    """Returns a supernet and what a step of its search takes."""
    batch = workloads.random_batch(arguments.batch_size, arguments.image_size)
    return workloads.make_supernet(arguments, arguments.image_size), (batch, batch)


def make_retraining(arguments):
    """Returns the network of DARTS_V2 and what a step of its training takes."""
    size = arguments.filters, arguments.num_cells, arguments.image_size
    network = workloads.make_network("DARTS_V2", *size)
    return network, workloads.random_batch(arguments.batch_size, arguments.image_size)


class Profile(keras.callbacks.Callback):
    """Profiles the steps after the first `WARM_UP` ones.

    Args:
        folder: Path to write to.
        steps: Integer.
    """

    def __init__(self, folder, steps):
        super().__init__()
        self.folder = folder
        self.last = WARM_UP + steps - 1

    def on_train_batch_end(self, batch, logs=None):
        if batch == WARM_UP - 1:
            profiler.experimental.start(str(self.folder))
        if batch == self.last:
            profiler.experimental.stop()


def read_events(folder):
    """Yields name and picoseconds of everything that a profile holds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    [path] = pathlib.Path(folder).rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                yield plane.event_metadata[event.metadata_id].name, event.duration_ps


def times_by_kind(events):
    """Returns `{kind: (milliseconds, count)}` of kernels, which are `path:Kind`.

    Calls of functions hold the kernels that they call, and do not count.
    """
    times = collections.defaultdict(lambda: [0.0, 0])
    for name, picoseconds in events:
        path, colon, kind = name.rpartition(":")
        is_kernel = colon and path and not path.endswith(":") and kind.isidentifier()
        if is_kernel and not kind.endswith("Call"):
            times[kind][0] += picoseconds / PICOSECONDS
            times[kind][1] += 1
    return {kind: tuple(each) for kind, each in times.items()}


def print_table(kinds, steps):
    """Prints what takes longest, per step."""
    total = sum(milliseconds for milliseconds, _ in kinds.values())
    ranked = sorted(kinds.items(), key=lambda item: -item[1][0])
    rest = [each for _, each in ranked[SHOWN:]]
    rows = ranked[:SHOWN]
    if rest:
        rows.append((OTHERS, tuple(map(sum, zip(*rest, strict=True)))))
    print("| kind | ms | share | runs |\n|---|---|---|---|")
    for kind, (milliseconds, count) in rows:
        share = milliseconds / total
        print(
            f"| {kind} | {milliseconds / steps:.1f} | {share:.0%} | {count // steps} |"
        )


if __name__ == "__main__":
    sys.exit(run_script(main))
