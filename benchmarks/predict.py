"""Where train/predict.py spends its time: in the model, or around it.

Writes random PNG images to a temporary folder, classifies them as predict.py
does, and compares with the time that the model takes for the same batches when
they are already in memory. Start-up is not counted.

    python benchmarks/predict.py saved_models/a --num-images 1000
"""

import argparse
import pathlib
import runpy
import tempfile
import time

import numpy as np
import tensorflow as tf

PREDICT = pathlib.Path(__file__).parent.parent / "train" / "predict.py"


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("saved_model", metavar="SAVED_MODEL", help="its folder")
    parser.add_argument("--num-images", type=int, default=1000, help="(1000)")
    parser.add_argument("--size", type=int, default=28, help="side in pixels (28)")
    parser.add_argument("--batch-size", type=int, default=100, help="(100)")
    arguments = parser.parse_args(argv)
    script = runpy.run_path(str(PREDICT))
    classifier = script["load_classifier"](pathlib.Path(arguments.saved_model))
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder, arguments.num_images, arguments.size, classifier)
        paths = script["find_images"]([folder])
        script["predict"](classifier, paths, arguments.batch_size)  # Warms up.
        batches = list(
            script["read_batches"](paths, classifier.num_channels, arguments.batch_size)
        )
        whole = measure(
            lambda: script["predict"](classifier, paths, arguments.batch_size)
        )
    model = measure(lambda: [classifier.classify(images=each) for _, each in batches])
    print(f"{arguments.num_images} images, PNG files to probabilities: {whole:.2f} s")
    print(f"  the model alone, images in memory:  {model:.2f} s")
    print(f"  Python, reading and decoding:       {whole - model:.2f} s")


def write_images(folder, count, size, classifier):
    """Writes noise as PNG files."""
    random = np.random.default_rng(0)
    shape = (size, size, classifier.num_channels)
    for index in range(count):
        content = tf.io.encode_png(random.integers(0, 256, shape, np.uint8))
        tf.io.write_file(f"{folder}/{index:06}.png", content)


def measure(function):
    """Returns the seconds that `function` takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
