"""What one job of this project costs, in a process of its own.

    python benchmarks/ours.py search --batch-size 32
    python benchmarks/ours.py retrain
    python benchmarks/ours.py search --device cuda --jit --precision mixed_bfloat16
    python benchmarks/ours.py export --output /tmp/darts_v2

Prints one line of JSON: the median seconds of a step, the seconds from the start
of the process to the end of the first step, the peak memory of the process and of
the GPU, the parameters. The steps are those of `fit`. `export` takes no steps: it
writes a network with random weights and statistics, for saved_model.py to measure.
"""

import argparse
import json
import os
import sys
import time

import devices
import flags
import keras
import measuring
import tensorflow as tf
import workloads

from keras_atdarts.experiments.runs import runtime
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.networks.export import export_saved_model

PRECISIONS = ("float32", "mixed_bfloat16")


def main(argv=None):
    arguments = parse_arguments(argv)
    devices.use_device(arguments.device)
    if arguments.jit_cache:  # Where the product keeps it.
        os.environ["XDG_CACHE_HOME"] = arguments.jit_cache
    runtime.prepare_runtime(arguments.tf32, arguments.jit_cache is not None)
    keras.config.set_dtype_policy(arguments.precision)
    runtime.fix_randomness(0, deterministic=False)
    report = arguments.run(arguments)
    threading = tf.config.threading
    threads = (
        f"{threading.get_inter_op_parallelism_threads()} operations at once, "
        f"{threading.get_intra_op_parallelism_threads()} threads each"
    )
    print(json.dumps({**report, **devices.report_software(), "threads": threads}))


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    job = add_job(jobs, "search", search)
    flags.add_supernet_flags(job)
    flags.add_number(job, "--partial-channels", 1, "parts, of which one is mixed")
    job.add_argument("--recompute", action="store_true", help="to save memory")
    flags.add_number(job, "--gradient-accumulation", 1, "parts of a batch")
    workloads.add_backend_flag(job)
    add_step_flags(job)
    job = add_job(jobs, "retrain", retrain)
    add_network_flags(job)
    add_step_flags(job)
    job = add_job(jobs, "export", export)
    add_network_flags(job)
    job.add_argument("--output", required=True, metavar="DIR", help="to write to")
    job.set_defaults(tf32=False, jit_cache=None, precision="float32")
    arguments = parser.parse_args(argv)
    if arguments.jit_cache and not arguments.jit:
        parser.error("--jit-cache keeps what XLA compiles. Give --jit too.")
    return arguments


def add_job(jobs, name, run):
    """Adds a job with the flags that all of them take; returns its parser."""
    job = jobs.add_parser(name, help=run.__doc__)
    flags.add_device_flag(job)
    job.set_defaults(run=run)
    flags.add_number(job, "--image-size", 32, "side of the images in pixels")
    return job


def add_network_flags(job):
    """Adds the flags that describe a derived network."""
    names = published_genotypes()
    job.add_argument("--genotype", choices=names, default="DARTS_V2")
    flags.add_number(job, "--filters", 36, "channels of the first cells")
    flags.add_number(job, "--num-cells", 20, "cells")


def add_step_flags(job):
    """Adds the flags of jobs that take steps."""
    flags.add_number(job, "--batch-size", 32, "images of a batch")
    flags.add_number(job, "--steps", 5, "steps that count, after a first one")
    job.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    job.add_argument("--jit", action="store_true", help="XLA compiles the cells")
    job.add_argument(
        "--jit-cache",
        metavar="DIR",
        help="where what XLA compiles is kept, so that the next start finds it (none)",
    )
    job.add_argument(
        "--tf32",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="on GPUs, convolutions and products may round to TensorFloat-32 (yes)",
    )


def search(arguments):
    """Measures the steps of a search."""
    supernet = workloads.make_supernet(
        arguments,
        arguments.image_size,
        arguments.partial_channels,
        recompute=arguments.recompute,
        jit_compile=arguments.jit,
        gradient_accumulation=arguments.gradient_accumulation,
    )
    batch = workloads.random_batch(arguments.batch_size, arguments.image_size)
    workloads.use_backend(arguments.backend)
    element, images = (batch, batch), 2 * arguments.batch_size
    report = measure_training(supernet, element, arguments.steps, images)
    parameters = workloads.count_values(supernet.operation_weights)
    return {**report, "parameters": parameters}


def retrain(arguments):
    """Measures the training steps of a derived network."""
    network = make_network(arguments, jit_compile=arguments.jit)
    batch = workloads.random_batch(arguments.batch_size, arguments.image_size)
    images = arguments.batch_size
    report = measure_training(network, batch, arguments.steps, images)
    parameters = workloads.count_values(network.trainable_variables)
    return {**report, "parameters": parameters}


def measure_training(model, element, num_steps, images):
    """Returns the costs of training, of whose `element` a step takes `images`."""
    ends = workloads.time_fit(model, element, 1 + num_steps)
    startup = measuring.seconds_since_start() - (time.perf_counter() - ends[0])
    seconds = [end - start for start, end in zip(ends[:-1], ends[1:], strict=True)]
    return measuring.summary(startup, seconds, images)


def export(arguments):
    """Writes a derived network as a SavedModel."""
    network = make_network(arguments)
    workloads.randomize_statistics(network)
    dataset = {
        "image_shape": network.input_shape[1:],
        "class_names": [str(index) for index in range(workloads.NUM_CLASSES)],
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    }
    genotype = Genotype.load(arguments.genotype)
    export_saved_model(network, arguments.output, dataset, genotype)
    return {"parameters": workloads.count_values(network.trainable_variables)}


def make_network(arguments, **options):
    """Returns the derived network of the flags; options are those of `compile`."""
    return workloads.make_network(
        arguments.genotype,
        arguments.filters,
        arguments.num_cells,
        arguments.image_size,
        **options,
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
