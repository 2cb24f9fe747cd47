"""Loads TensorFlow without its own first lines. To be imported before it.

Where there is no GPU of NVIDIA, TensorFlow reports as an error that it finds none;
where there is one, its warnings say why it cannot be used, and are kept. Whoever sets
`TF_CPP_MIN_LOG_LEVEL` (0 shows everything, 3 nothing) decides.

TensorFlow 2.21 heeds that variable only once it is loaded
(https://github.com/tensorflow/tensorflow/issues/100442). What its libraries write
before is left out here by the same rule, line by line.
"""

import contextlib
import importlib
import os
import re
import signal
import sys

LEVELS = "IWE"  # How lines of information, warnings and errors begin.


def chatter(level):
    """Returns the pattern of the lines that are not shown at a level from 1 to 3."""
    hidden = LEVELS[:level]
    first = "WARNING: All log messages before absl::InitializeLog"
    return re.compile(rf"{first}|[{hidden}]\d{{4}} .*\]".encode())


@contextlib.contextmanager
def without_lines(pattern):
    """Leaves out lines that begin like a pattern of what is written to stderr.

    A process of its own reads the lines, so that the last words of one that crashes
    are shown as well.

    Args:
        pattern: Compiled pattern of bytes.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.close(writer)
            pass_on(reader, pattern)
        finally:  # Whatever happens, only the parent goes on with the script.
            os._exit(0)
    os.close(reader)
    stderr = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.waitpid(child, 0)


def pass_on(reader, pattern):
    """Writes the lines of a file descriptor to stderr, but for those of a pattern."""
    with open(reader, "rb") as lines:
        for line in lines:
            if not pattern.match(line):
                os.write(2, line)


def load_tensorflow():
    """Loads TensorFlow, and hides of its first lines what the level says."""
    quiet = "1" if os.path.exists("/proc/driver/nvidia") else "3"
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", quiet)
    if level not in ("1", "2", "3") or not hasattr(os, "fork"):
        return  # Nothing is to be hidden, or cannot be.
    if "tensorflow" not in sys.modules:
        with without_lines(chatter(int(level))):
            importlib.import_module("tensorflow")


load_tensorflow()
