"""Makes the embedded data set: a small class-balanced part of Fashion-MNIST.

Reads the IDX files of Debian's package dataset-fashion-mnist and writes a
prepared TFDS directory into the package. The same seed gives the same images.
"""

import argparse
import pathlib
import shutil

import numpy as np

from keras_atdarts.data import cache
from keras_atdarts.data import datasets
from keras_atdarts.data import idx_files

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
IMAGES_PER_CLASS = {"train": 800, "test": 200}
HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"
DESCRIPTION = (
    "A class-balanced part of Fashion-MNIST (800 training and 200 test images of "
    "each of its 10 classes; 28x28, grey). Fashion-MNIST is Copyright (c) 2017 "
    "Zalando SE, MIT licence."
)
CREDIT = """\
The images in this folder are a part of Fashion-MNIST,
https://github.com/zalandoresearch/fashion-mnist
(Han Xiao, Kashif Rasul, Roland Vollgraf: "Fashion-MNIST: a Novel Image Dataset
for Benchmarking Machine Learning Algorithms", arXiv:1708.07747).

The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def balanced_part(images, labels, images_per_class, generator):
    """Returns the same number of images of every class, in mixed order."""
    chosen = [
        generator.choice(np.flatnonzero(labels == label), images_per_class, False)
        for label in np.unique(labels)
    ]
    order = generator.permutation(np.concatenate(chosen))
    return images[order], labels[order]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default=DEBIAN_FOLDER, help="folder of IDX files")
    parser.add_argument(
        "--output", default=datasets.EMBEDDED_FOLDER, help="where to write the data set"
    )
    parser.add_argument("--seed", type=int, default=0, help="which images are drawn")
    flags = parser.parse_args(argv)
    generator = np.random.default_rng(flags.seed)
    names = datasets.FASHION_MNIST_CLASSES
    full = idx_files.read_idx_folder(flags.source, len(names))
    splits = {
        split: balanced_part(*arrays, IMAGES_PER_CLASS[split], generator)
        for split, arrays in full.items()
    }
    folder = pathlib.Path(flags.output, "fashion_mnist_small")
    shutil.rmtree(folder, ignore_errors=True)
    cache.store_arrays(folder.name, splits, names, folder.parent, DESCRIPTION, HOMEPAGE)
    (folder / "LICENSE").write_text(CREDIT)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
