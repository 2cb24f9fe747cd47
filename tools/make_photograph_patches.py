"""Makes a folder of colour images: patches of ten photographs, to tell apart.

    pip install scikit-image scikit-learn
    python tools/make_photograph_patches.py --output patches
    python train/search.py --dataset patches --workdir runs/patches

The photographs come with these two packages. A class is a photograph, and an image is
a square cut out of it. So that no test image shows pixels of a training image, each
photograph is divided into blocks: one block in five is for testing, and patches do not
cross blocks. They overlap within one. The same packages give the same files.

This tries the road from colour images to a network. It says nothing about the
recognition of objects: patches of one photograph have light and colours in common.
"""

import argparse
import importlib.util
import pathlib
import sys

import numpy as np
from PIL import Image

PHOTOGRAPHS = {
    "skimage": (
        "data/astronaut.png",
        "data/chelsea.png",
        "data/coffee.png",
        "data/hubble_deep_field.jpg",
        "data/ihc.png",
        "data/motorcycle_left.png",
        "data/retina.jpg",
        "data/rocket.jpg",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
SIZE, STEP, BLOCK = 32, 16, 64  # Pixels: of a patch, between two, of a block.
TESTED = 5  # One block in so many is for testing.
MOST = {"train": 480, "test": 120}  # Patches of a class.


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", required=True, type=pathlib.Path, metavar="DIR")
    output = parser.parse_args().output
    if output.exists():
        sys.exit(f"'{output}' is there already. Give --output a new directory.")
    random = np.random.default_rng(0)
    for path in photograph_paths():
        pixels = np.asarray(Image.open(path).convert("RGB"))
        for split, patches in split_patches(pixels).items():
            chosen = random.permutation(len(patches))[: MOST[split]]
            folder = output / split / path.stem
            folder.mkdir(parents=True)
            for number in sorted(chosen):
                Image.fromarray(patches[number]).save(folder / f"{number:05}.png")
            print(f"{folder}: {len(chosen)} images")


def photograph_paths():
    """Returns the paths of all photographs; ends the script where one is missing."""
    paths = []
    for package, names in PHOTOGRAPHS.items():
        found = importlib.util.find_spec(package)
        if found is None:
            sys.exit("Expected both packages: pip install scikit-image scikit-learn")
        folder = pathlib.Path(found.submodule_search_locations[0])
        paths += [folder / name for name in names]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        sys.exit(f"These versions of the packages lack {', '.join(missing)}.")
    return paths


def split_patches(pixels):
    """Returns `{"train": patches, "test": patches}` of a photograph, lists of arrays.

    Args:
        pixels: Array `(height, width, 3)`.
    """
    height, width, _ = pixels.shape
    patches = {"train": [], "test": []}
    blocks = [
        (top, left)
        for top in range(0, height - BLOCK + 1, BLOCK)
        for left in range(0, width - BLOCK + 1, BLOCK)
    ]
    for number, (top, left) in enumerate(blocks):
        split = "test" if number % TESTED == 0 else "train"
        for y in range(top, top + BLOCK - SIZE + 1, STEP):
            for x in range(left, left + BLOCK - SIZE + 1, STEP):
                patches[split].append(pixels[y : y + SIZE, x : x + SIZE])
    return patches


if __name__ == "__main__":
    main()
