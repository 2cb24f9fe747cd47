"""A wheel brings the compiled kernels, and all data, to where there is no compiler."""

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from numbers_checks import needs_library

from keras_atdarts.kernels.native import library

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "keras_atdarts"
# What no installed package has: it comes of running and of compiling.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.so")
BUILD = "compiled"
SCRIPT = """
import keras_atdarts
from keras_atdarts.kernels.native.library import native_library
assert native_library().atdarts_pool is not None
assert keras_atdarts.load_dataset().num_classes == 10
print(keras_atdarts.__file__)
"""


def setuptools_is_old():
    version = importlib.metadata.version("setuptools").split(".")
    return tuple(map(int, version[:2])) < (70, 1)


@pytest.fixture
def sources(tmp_path):
    """A copy of the sources, beside which the kernels are built already."""
    copy = tmp_path / "sources"
    shutil.copytree(ROOT / PACKAGE, copy / PACKAGE, ignore=LEFT_OUT)
    for name in ("setup.py", "pyproject.toml", "requirements.txt", "README.md"):
        shutil.copy(ROOT / name, copy)
    # setuptools compiles what is older than its sources, as `make` does.
    (copy / "setup.cfg").write_text(f"[build]\nbuild_lib = {BUILD}\n")
    built = copy / BUILD / library.FOLDER.relative_to(ROOT)
    built.mkdir(parents=True)
    for path in library.FOLDER.glob("*.so"):
        shutil.copy(path, built)
    return copy


def run(folder, *command, **variables):
    """Runs a Python command where there is no compiler, and returns what it prints."""
    variables = {"PATH": "/nowhere", "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,  # Not the root, whose package Python would find first.
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_library
@pytest.mark.skipif(
    setuptools_is_old(), reason="wheels are built by: pip install 'setuptools>=70.1'"
)
def test_a_wheel_needs_no_compiler(sources, tmp_path):
    pip = ("-m", "pip", "--disable-pip-version-check")
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    required = {"ATDARTS_KERNELS": "required"}
    run(tmp_path, *pip, "wheel", *options, "-w", wheels, sources, **required)
    [wheel] = wheels.glob("*.whl")
    assert "none-any" not in wheel.name  # It is for this kind of machine.
    files = set(zipfile.ZipFile(wheel).namelist())
    paths = {x for x in (sources / PACKAGE).rglob("*") if x.is_file()}
    assert {str(path.relative_to(sources)) for path in paths} <= files
    kernels = {x for x in files if x.endswith(".so")}
    assert {x.split("/")[-1] for x in kernels} == {
        path.name for path in library.FOLDER.glob("*.so")
    }
    run(tmp_path, *pip, "install", *options, "--target", site, wheel)
    assert run(tmp_path, "-c", SCRIPT, PYTHONPATH=str(site)).startswith(str(site))
