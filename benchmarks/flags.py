"""The command lines of the benchmarks, without loading any framework."""

import argparse
import sys

ORDERS = (1, 2)
DEVICES = ("cpu", "cuda")


def positive_integer(text):
    """Returns the integer of a flag, which must be at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from 1; received '{text}'"
        )
    return int(text)


def make_parser(description, **options):
    """Returns a parser that prints a module's docstring as its help."""
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        description=description, formatter_class=formatter, **options
    )


def add_number(parser, flag, default, meaning):
    """Adds a flag that takes a whole number from 1, and says its default."""
    parser.add_argument(
        flag, type=positive_integer, default=default, help=f"{meaning} ({default})"
    )


def add_supernet_flags(parser, filters=16, num_cells=8, num_nodes=4, operations=()):
    """Adds the flags that describe a supernet and its step.

    Args:
        parser: `argparse.ArgumentParser`.
        filters: Integer, the default.
        num_cells: Integer, the default.
        num_nodes: Integer, the default.
        operations: Tuple of strings, the default. Empty: those of DARTS.
    """
    operations = list(operations) or ["darts"]
    parser.add_argument(
        "--operations",
        nargs="+",
        default=operations,
        metavar="NAME",
        help=f"a search space, or operations ({' '.join(operations)})",
    )
    add_number(parser, "--filters", filters, "channels of the first cells")
    add_number(parser, "--num-cells", num_cells, "cells")
    add_number(parser, "--num-nodes", num_nodes, "nodes of a cell")
    parser.add_argument(
        "--order", type=int, choices=ORDERS, default=1, help="of the alphas (1)"
    )


def add_device_flag(parser, default="cpu"):
    """Adds the flag of the device that a worker runs on."""
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=default,
        help=f"to run on; cuda is the first GPU, and must be there ({default})",
    )


def add_comparison_flags(parser, names, steps, output=None):
    """Adds the flags of what compares both sides, row by row.

    Args:
        parser: `argparse.ArgumentParser`.
        names: List of strings, the rows.
        steps: Integer, the default of the steps that count.
        output: String, the default of the file to write, or `None`.
    """
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"what to measure, of {' '.join(names)} (all)",
    )
    add_number(parser, "--steps", steps, "steps that count in each process")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="4 filters and 3 cells: whether it runs, not how fast",
    )
    parser.add_argument(
        "--torch-python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that has PyTorch, or a script that starts it (this one)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        default=output,
        help=f"JSON to write as well ({output or 'none'})",
    )


def to_words(options):
    """Returns options as the words of a command line.

    Args:
        options: Dict from names as in Python to values, or lists of them.
    """
    words = []
    for name, value in options.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


def check_writable(parser, path):
    """Ends with one line if a file cannot be written, before hours are spent."""
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as error:
        parser.error(f"{path} cannot be written: {error.strerror}")
