"""Writes one test image of each class as a PNG file, for docs/images.

python tools/write_sample_images.py docs/images
"""

import argparse
import pathlib
import re

import numpy as np
import tensorflow as tf

from keras_atdarts.data.loading import load_dataset


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=pathlib.Path, help="where to write")
    directory = parser.parse_args(argv).directory
    directory.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset()
    images, labels = dataset.arrays("test")
    for label, class_name in enumerate(dataset.class_names):
        first = images[np.argmax(labels == label)]
        file_name = re.sub(r"\W+", "_", class_name.lower()) + ".png"
        (directory / file_name).write_bytes(tf.io.encode_png(first).numpy())


if __name__ == "__main__":
    main()
