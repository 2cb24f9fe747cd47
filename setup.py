"""Compiles the kernels for CPUs, where there is a compiler; see pyproject.toml.

All that they need of TensorFlow is declared in their sources.
"""

import pathlib
import platform

from setuptools import Extension
from setuptools import setup

NATIVE = pathlib.Path("keras_atdarts/kernels/native")
OPTIONS = ["-std=gnu++17", "-O3", "-fno-math-errno", "-Wno-psabi"]
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
        optional=True,  # Without it, TensorFlow's kernels do.
    )


levels = LEVELS.get(platform.machine(), {}) if platform.system() == "Linux" else {}
setup(ext_modules=[extension(*level) for level in levels.items()])
