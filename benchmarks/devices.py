"""The device that TensorFlow's workers run on, and what they report of it."""

import sys

import measuring
import tensorflow as tf


def use_device(name):
    """Makes TensorFlow use a device of `flags.DEVICES`, before it runs anything.

    Raises:
        SystemExit: It is cuda, and TensorFlow sees no GPU. TensorFlow itself would
            go on with the CPU.
    """
    if name == "cpu":
        measuring.hide_gpus()
    elif not tf.config.list_physical_devices("GPU"):
        sys.exit(
            "--device cuda needs a GPU, and TensorFlow sees none. See that nvidia-smi "
            "shows one and install tensorflow[and-cuda], or give --device cpu."
        )


def report_software():
    """Returns what a worker's report says of what it ran on, as a dict."""
    report = {"software": f"TensorFlow {tf.__version__}"}
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        report["device"] = details.get("device_name", "a GPU")
        memory = tf.config.experimental.get_memory_info("GPU:0")
        report["peak_gpu_gib"] = memory["peak"] / 2**30
    return report
