"""Compiles the kernels for CPUs, where there is a compiler, and adds the scripts.

All else is in pyproject.toml.

All that they need of TensorFlow is declared in their sources.

Where they cannot be compiled, the installation goes on without them: setuptools warns,
the package finds no library, and TensorFlow's kernels do what ours would, slower. With
`ATDARTS_KERNELS=required` in the environment it fails instead. So `make wheel` has it:
whoever installs a wheel may have no compiler, and gets the kernels that are in it.
"""

import os
import pathlib
import platform

from setuptools import Extension
from setuptools import find_packages
from setuptools import setup

OPTIONAL = os.environ.get("ATDARTS_KERNELS") != "required"
NATIVE = pathlib.Path("keras_atdarts/kernels/native")
OPTIONS = ["-std=gnu++17", "-O3", "-g0", "-fno-math-errno", "-Wno-psabi"]
# The libraries that keras_atdarts/kernels/native/library.py chooses from.
LEVELS = {
    "x86_64": {"kernels_v4": "-march=x86-64-v4", "kernels_v3": "-march=x86-64-v3"},
    "aarch64": {"kernels_generic": "-O3"},
}


def extension(name, target):
    """Returns the description of one library."""
    return Extension(
        f"keras_atdarts.kernels.native.{name}",
        sources=[str(NATIVE / "source" / "operations.cc")],
        depends=[str(path) for path in sorted((NATIVE / "source").glob("*.h"))],
        language="c++",
        extra_compile_args=[*OPTIONS, target],
        optional=OPTIONAL,
    )


levels = LEVELS.get(platform.machine(), {}) if platform.system() == "Linux" else {}
setup(
    # Installed, `python train/search.py` is `python -m keras_atdarts.train.search`.
    packages=[*find_packages(include=["keras_atdarts*"]), "keras_atdarts.train"],
    package_dir={"keras_atdarts.train": "train"},
    ext_modules=[extension(*level) for level in levels.items()],
)
