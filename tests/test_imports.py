"""The rooms of the package import each other in one direction only.

The imports are read from the source, so nothing is loaded here, and those inside
functions count too.
"""

import ast
import functools
import pathlib
import subprocess
import sys

import pytest

PACKAGE = "keras_atdarts"
ROOT = pathlib.Path(__file__).parents[1] / PACKAGE

# From the ground floor up: a room imports itself and what stands before it.
ROOMS = (
    "errors",
    "atomic",
    "genotypes",
    "data",
    "kernels",
    "layers",
    "operations",
    "training",
    "networks",
    "search",
    "experiments",
)
# The same for the rooms within the last one.
EXPERIMENTS = ("runs", "reports", "explanations", "study")


@functools.cache
def imports():
    """Returns all imported names, by module: `{"search.cell": {"keras", ...}, ...}`."""
    modules = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        modules[name.removesuffix(".__init__")] = set(_imported_names(path))
    return modules


def _imported_names(path):
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        if isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path} has a relative import"
            yield statement.module
            yield from (f"{statement.module}.{a.name}" for a in statement.names)


def imported_modules(module):
    """Returns the modules of this package that `module` imports, but its own room."""
    return {
        other
        for other in imports().keys() - {module}
        if f"{PACKAGE}.{other}" in imports()[module]
        and not module.startswith(f"{other}.")
    }


def test_every_room_is_listed():
    top = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert top | folders == set(ROOMS)
    inner = ROOT / "experiments"
    assert {path.parent.name for path in inner.glob("*/__init__.py")} == set(
        EXPERIMENTS
    )


def test_imports_go_downwards():
    upward = [
        f"{module} imports {imported}"
        for module in imports()
        for imported in sorted(imported_modules(module))
        if module != "__init__" and floor(imported) > floor(module)
    ]
    assert upward == []


def floor(module):
    """Returns how high a module's room lies."""
    room, *inner = module.split(".")
    height = EXPERIMENTS.index(inner[0]) if room == "experiments" and inner else 0
    return ROOMS.index(room), height


def test_there_is_no_cycle():
    finished = set()

    def visit(module, path):
        assert module not in path, " -> ".join((*path, module))
        if module not in finished:
            for imported in sorted(imported_modules(module)):
                visit(imported, (*path, module))
            finished.add(module)

    for module in imports():
        visit(module, ())


def test_genotypes_import_no_framework():
    rooms = [name for name in imports() if name.split(".")[0] in ROOMS[:2]]
    for module in rooms:
        packages = {name.split(".")[0] for name in imports()[module]}
        assert not packages & {"keras", "tensorflow", "tensorflow_datasets"}, module


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import keras_atdarts.genotypes", "False"),
        ("import keras_atdarts", "False"),
        ("import keras_atdarts as atdarts; atdarts.Supernet", "True"),
        ("import keras; import keras_atdarts", "True"),
    ],
)
def test_tensorflow_is_loaded_when_it_is_needed(program, expected):
    registered = "sys.modules.get('keras_atdarts.search.supernet') is not None"
    program += f"; import sys; print('tensorflow' in sys.modules, {registered})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [expected, expected]


def test_public_names_exist():
    import keras_atdarts

    for name in keras_atdarts.__all__:
        assert getattr(keras_atdarts, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Supernett'"):
        _ = keras_atdarts.Supernett


def test_the_package_stands_without_its_scripts():
    packages = {name.split(".")[0] for names in imports().values() for name in names}
    assert not packages & {"train", "tests", "tools", "benchmarks"}
