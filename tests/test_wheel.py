"""A wheel brings kernels, data and scripts to where no compiler and no sources are."""

import importlib.metadata
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from typing import NamedTuple

import pytest
from numbers_checks import needs_library
from test_readme import SNIPPETS

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
# The smallest search, and what the other scripts are told beside what it says is next.
SEARCH = (
    "keras_atdarts.train.search --strategy random --samples 1 "
    "--operations skip_connect max_pool_3x3"
)
BESIDE = {
    "retrain": "--filters 2 --num-cells 3 --epochs 1 --steps-per-epoch 1 --overwrite",
    "evaluate": "",
    "export": "",
    "predict": "--top 1",
}


def smaller(search):
    """Returns a snippet with fewer nodes and steps; test_notebook.py runs it whole."""
    shorter = {
        "epochs=2, steps_per_epoch=5": "epochs=1, steps_per_epoch=1",
        "num_cells=3": "num_cells=3, num_nodes=1",
    }
    for long, short in shorter.items():
        assert long in search
        search = search.replace(long, short)
    return search


def setuptools_is_old():
    version = importlib.metadata.version("setuptools").split(".")
    return tuple(map(int, version[:2])) < (70, 1)


def copy_sources(copy):
    """Copies the sources; beside them, the kernels are built already."""
    for name in (PACKAGE, "train"):
        shutil.copytree(ROOT / name, copy / name, ignore=LEFT_OUT)
    for name in ("setup.py", "pyproject.toml", "requirements.txt", "README.md"):
        shutil.copy(ROOT / name, copy)
    # setuptools compiles what is older than its sources, as `make` does.
    (copy / "setup.cfg").write_text(f"[build]\nbuild_lib = {BUILD}\n")
    built = copy / BUILD / library.FOLDER.relative_to(ROOT)
    built.mkdir(parents=True)
    for path in library.FOLDER.glob("*.so"):
        shutil.copy(path, built)


class Installed(NamedTuple):
    """A wheel, and a fresh environment that it is installed in."""

    sources: pathlib.Path
    wheel: pathlib.Path
    python: pathlib.Path

    def run(self, folder, *command):
        """Returns what a Python command prints in the environment."""
        return run(folder, *command, python=self.python)


def run(folder, *command, python=sys.executable, **variables):
    """Runs a Python command where there is no compiler, and returns what it prints."""
    path = str(pathlib.Path(python).parent) if python != sys.executable else "/nowhere"
    variables = {"PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}
    inherited = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, *map(str, command)],
        cwd=folder,  # Not the root, whose package Python would find first.
        env={**inherited, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    copy_sources(folder / "sources")
    pip = ("-m", "pip", "--disable-pip-version-check")
    options = ("--no-deps", "--no-index", "--quiet")
    building = (*options, "--no-build-isolation", "-w", folder / "wheels")
    required = {"ATDARTS_KERNELS": "required"}
    run(folder, *pip, "wheel", *building, folder / "sources", **required)
    [wheel] = (folder / "wheels").glob("*.whl")
    environment = folder / "environment"
    run(folder, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    run(folder, *pip, "--python", python, "install", *options, wheel)
    # What the package requires, but not the package itself: files *.pth in that folder,
    # such as the one that makes the checkout be found, do not count there.
    [packages] = environment.glob("lib/python*/site-packages")
    required = sysconfig.get_path("purelib")
    (packages / "required.pth").write_text(f"{required}\n", encoding="utf-8")
    return Installed(folder / "sources", wheel, python)


needs_wheel = pytest.mark.skipif(
    setuptools_is_old(), reason="wheels are built by: pip install 'setuptools>=70.1'"
)


@needs_library
@needs_wheel
def test_a_wheel_needs_no_compiler(installed, tmp_path):
    assert "none-any" not in installed.wheel.name  # It is for this kind of machine.
    files = set(zipfile.ZipFile(installed.wheel).namelist())
    sources = installed.sources
    paths = {x for x in (sources / PACKAGE).rglob("*") if x.is_file()}
    assert {str(path.relative_to(sources)) for path in paths} <= files
    kernels = {x for x in files if x.endswith(".so")}
    assert {x.split("/")[-1] for x in kernels} == {
        path.name for path in library.FOLDER.glob("*.so")
    }
    place = installed.run(tmp_path, "-c", SCRIPT)
    assert place.startswith(str(installed.python.parents[1]))


@needs_library
@needs_wheel
def test_the_library_of_the_readme_works_installed(installed, tmp_path):
    for name in ("saved_models", "docs"):  # Of the clone, which it names.
        (tmp_path / name).symlink_to(ROOT / name)
    search, classify = SNIPPETS[:2]
    installed.run(tmp_path, "-c", f"{smaller(search)}\n{classify}")
    assert (tmp_path / "genotype.json").exists()


@needs_library
@needs_wheel
def test_each_script_names_the_next_as_it_is_installed(installed, tmp_path):
    printed = installed.run(tmp_path, "-m", *SEARCH.split())
    for script, beside in BESIDE.items():
        [line] = re.findall("^Next: (.*)", printed, flags=re.MULTILINE)
        python, *words = shlex.split(line.removesuffix(" IMAGE ..."))
        assert [python, *words[:2]] == ["python", "-m", f"{PACKAGE}.train.{script}"]
        if script == "predict":
            words.append(ROOT / "docs" / "images")
        printed = installed.run(tmp_path, *words, *beside.split())
    images = list((ROOT / "docs" / "images").glob("*.png"))
    assert printed.count("%") == len(images) > 0


@needs_library
@needs_wheel
def test_all_scripts_start_installed(installed, tmp_path):
    """Their help names commands that work there."""
    names = sorted(path.stem for path in (ROOT / "train").glob("*.py"))
    program = f"""
import contextlib, io, runpy, sys
for name in {names}:
    sys.argv = [name + ".py", "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            runpy.run_module("{PACKAGE}.train." + name, None, "__main__", True)
        except SystemExit as end:
            assert end.code == 0, name
    assert "python -m {PACKAGE}.train." + name in printed.getvalue(), printed.getvalue()
    assert "python train/" not in printed.getvalue(), name
"""
    installed.run(tmp_path, "-c", program)
