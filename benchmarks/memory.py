"""Peak memory and step time of a search, with and without what saves memory.

    python benchmarks/memory.py
    python benchmarks/memory.py --operations darts --num-nodes 4 --batch-size 32

Each variant runs in a process of its own, one after another, in several rounds.
Prints medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

VARIANTS = {
    "plain": {},
    "recompute": {"recompute": True},
    "accumulation 4": {"gradient_accumulation": 4},
    "both": {"recompute": True, "gradient_accumulation": 4},
}
STEPS = 4  # The first one is not counted.


def main():
    arguments = parse_arguments()
    if arguments.variant:
        print(json.dumps(measure(arguments)))
        return
    results = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name in VARIANTS:
            command = [sys.executable, *sys.argv, "--variant", name]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            results[name].append(json.loads(output.stdout.splitlines()[-1]))
    print("| | peak GB | seconds a step |\n|---|---|---|")
    for name, rounds in results.items():
        peak, step = (
            statistics.median(result[key] for result in rounds)
            for key in ("peak_gb", "step_seconds")
        )
        print(f"| {name} | {peak:.2f} | {step:.2f} |")


def parse_arguments():
    """Returns the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    operations = ["skip_connect", "sep_conv_3x3", "max_pool_3x3"]
    parser.add_argument("--operations", nargs="+", default=operations)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--num-cells", type=int, default=6)
    parser.add_argument("--num-nodes", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(arguments):
    """Returns peak memory and median step time of a search in this process."""
    # Loaded here: the process that starts the others needs neither.
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_atdarts as atdarts
    from keras_atdarts.runs import runtime

    runtime.prepare_runtime()
    keras.utils.set_random_seed(0)
    supernet = atdarts.Supernet(
        10,
        arguments.filters,
        arguments.num_cells,
        arguments.operations,
        arguments.num_nodes,
    )
    supernet.build((None, 32, 32, 3))
    supernet.compile(
        atdarts.SGD(0.025, momentum=0.9, clip_norm=5.0),
        atdarts.Adam(3e-4),
        **VARIANTS[arguments.variant],
    )
    images = np.random.normal(size=(arguments.batch_size, 32, 32, 3)).astype("float32")
    labels = np.arange(arguments.batch_size, dtype="int32") % 10
    batch = (images, labels)
    batches = tf.data.Dataset.from_tensors((batch, batch)).repeat()
    ends = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: ends.append(time.perf_counter())
    )
    supernet.fit(batches, steps_per_epoch=STEPS, callbacks=[clock], verbose=0)
    steps = [end - start for start, end in zip(ends[:-1], ends[1:], strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"peak_gb": peak, "step_seconds": statistics.median(steps)}


if __name__ == "__main__":
    main()
