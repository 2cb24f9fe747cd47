"""Python files of the user, which add operations, penalties or data sets.

A run records which it has loaded, so that every later script finds them again.
"""

import contextlib
import importlib
import importlib.util
import pathlib
import sys
import traceback

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir

SUFFIX = ".py"
IMPORT_HELP = (
    "Python files of your own, or dotted names of modules, to load first. They can "
    "register operations, penalties and data sets, and must not compute anything"
)


def absolute_import(word):
    """Returns a file as an absolute path, the dotted name of a module as it is."""
    return str(pathlib.Path(word).expanduser().absolute()) if is_file(word) else word


def is_file(word):
    """Whether a word of `--import` is a file, and not the name of a module."""
    return word.endswith(SUFFIX)


def is_import(value):
    """Whether a value can be loaded: a file, or the dotted name of a module."""
    if not isinstance(value, str):
        return False
    return is_file(value) or all(part.isidentifier() for part in value.split("."))


def recorded_imports(path):
    """Returns what the run in a directory has loaded; None for nothing."""
    try:
        saved = workdir.RunDirectory(path).read_json(workdir.CONFIG)
        return tuple(saved["config"]["imports"]) or None
    # Other kinds of runs have none, and a damaged one is refused where it is opened.
    except (InputError, LookupError, TypeError):
        return None


def import_words(imports):
    """Returns what to type to give a script the same imports."""
    return ["--import", *imports] if imports else []


def load_imports(words):
    """Loads files by absolute paths and modules by dotted names, each once.

    Raises:
        InputError: One is not there, or fails.
    """
    for word in words or ():
        if not is_file(word):
            with explaining_failures(word):
                importlib.import_module(word)
            continue
        path = pathlib.Path(word).resolve()
        if not is_loaded(path):
            with explaining_failures(str(path)):
                load_file(path)


def module_name(path):
    """Returns the name under which Keras finds the layers of a file again."""
    return f"imported_{path.stem}"


def is_loaded(path):
    """Whether a file is loaded; raises `InputError` where it cannot be."""
    loaded = sys.modules.get(module_name(path))
    if loaded is not None and loaded.__file__ == str(path):
        return True
    if loaded is not None:
        raise InputError(
            f"--import '{path}' has the name of '{loaded.__file__}', which is loaded "
            "already. Give one of the files another name."
        )
    if not path.is_file():
        raise InputError(
            f"--import '{path}': there is no such file. Expected a Python file; give "
            "--import its path of now."
        )
    return False


def load_file(path):
    """Loads a file as a module."""
    name = module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[name])
    except BaseException:
        del sys.modules[name]
        raise


@contextlib.contextmanager
def explaining_failures(name):
    """Makes one line of whatever a file or module raises while it is loaded."""
    try:
        yield
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == name
        ]
        if isinstance(error, SyntaxError) and error.filename == name:
            lines.append(error.lineno)
        where = f" at line {lines[-1]}" if lines else ""
        [reason, *_] = str(error).splitlines() or ["no message"]
        raise InputError(
            f"--import '{name}' failed{where}: {type(error).__name__}: "
            f"{reason.removesuffix('.')}. Expected Python that can be imported: mend "
            "it, or leave it out."
        ) from error
