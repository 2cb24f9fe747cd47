"""What a run was made with: versions, revision, machine, date."""

import datetime
import importlib.metadata
import pathlib
import platform
import subprocess

import keras_atdarts

LIBRARIES = ("tensorflow", "keras", "tensorflow-datasets", "numpy")


def describe_provenance():
    """Returns a dict, ready for JSON, of what could explain a result."""
    return {
        "date": now(),
        "git_revision": git_revision(),
        "platform": platform.platform(),
        "versions": library_versions(),
    }


def now():
    """Returns date and time as text, with the offset of the place."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def library_versions():
    """Returns the versions of Python, this package and its libraries by name."""
    return {
        "python": platform.python_version(),
        "keras_atdarts": keras_atdarts.__version__,
        **{name: installed_version(name) for name in LIBRARIES},
    }


def installed_version(name):
    """Returns the version of a distribution, or None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_revision():
    """Returns the commit of this source, `-dirty` if changed, None outside git."""
    source = pathlib.Path(keras_atdarts.__file__)
    # A package installed inside somebody's checkout is not part of it.
    if run_git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    return run_git(
        source.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    )


def run_git(folder, *arguments):
    """Returns what git prints, or None if it fails or is not installed."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
