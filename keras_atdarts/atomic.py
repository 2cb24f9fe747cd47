"""Files that are either whole or not there, whenever the process is killed."""

import contextlib
import json
import os
import pathlib

# How the names of unfinished files begin. A killed process leaves them behind.
PARTIAL = ".partial-"


@contextlib.contextmanager
def replacing(path):
    """Yields a path to write a file to, which then takes the place of `path`.

    Until the block has ended well, `path` stays as it was. The yielded path is
    in the same folder and has the same suffix.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f"{PARTIAL}{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text):
    """Writes `text` to `path`, atomically."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Writes `value` to `path` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")
