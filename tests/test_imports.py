"""The modules of the package import each other in one direction only.

The imports are read from the source, so nothing is loaded here, and those inside
functions count too.
"""

import ast
import functools
import pathlib

PACKAGE = "keras_atdarts"
ROOT = pathlib.Path(__file__).parents[1] / PACKAGE

# From the bottom up. What stands in a row never imports a later row.
LAYERS = (
    ("errors", "version", "constants"),
    ("passes",),
    ("native",),
    ("devices",),
    ("joined",),
    ("checks", "kernels", "staged_normalization"),
    ("cpu_normalization",),
    ("normalization",),
    ("pooling",),
    ("depthwise", "batch_normalization"),
    ("cell_genotype", "blocks", "channels"),
    ("genotype",),
    ("derive", "plots", "attention", "cell_statistics"),
    ("operations", "random_genotype"),
    ("mixing",),
    ("cells",),
    ("supernet", "network"),
    ("runs",),
    ("reports",),
    ("explanations", "study"),
)

# The rooms that must be usable without loading Keras.
WITHOUT_KERAS = (
    "errors",
    "checks",
    "cell_genotype",
    "genotype",
    "cell_statistics",
    "derive",
    "random_genotype",
    "plots",
)


@functools.cache
def imports():
    """Returns all imported names, by module: `{"cells": {"keras", ...}, ...}`."""
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
    """Returns the modules of this package that `module` imports."""
    return {
        other
        for other in imports().keys() - {module}
        if f"{PACKAGE}.{other}" in imports()[module]
    }


def all_imports():
    """Yields `(module, imported module)` for the whole package."""
    for module in imports():
        for imported in sorted(imported_modules(module)):
            yield module, imported


def room(module):
    """Returns the part of the package that a module belongs to."""
    return module.split(".")[0]


def layer_of(module):
    for height, rooms in enumerate(LAYERS):
        if room(module) in rooms:
            return height
    return None


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


def test_imports_go_downwards():
    upward = [
        f"{module} imports {imported}"
        for module, imported in all_imports()
        if None not in (layer_of(module), layer_of(imported))
        and layer_of(imported) > layer_of(module)
    ]
    assert upward == []


def test_only_the_top_imports_the_networks():
    importers = {
        room(module)
        for module, imported in all_imports()
        if imported in ("supernet", "network")
    }
    assert importers <= {"__init__", "runs", "explanations"}


def test_genotypes_need_no_keras():
    for module in WITHOUT_KERAS:
        packages = {name.split(".")[0] for name in imports()[module]}
        assert not packages & {"keras", "tensorflow", "tensorflow_datasets"}, module
        assert imported_modules(module) <= set(WITHOUT_KERAS), module


def test_the_package_stands_without_its_scripts():
    packages = {name.split(".")[0] for names in imports().values() for name in names}
    assert not packages & {"train", "tests", "tools", "benchmarks"}
