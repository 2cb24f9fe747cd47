"""Measures this project against DARTS in eager PyTorch, as the reference has it.

    python benchmarks/against_torch.py                          # everything: hours
    python benchmarks/against_torch.py --rows search-32 --rounds 1
    python benchmarks/against_torch.py --output comparison.json

Every measurement is a process of its own. A round runs each once, ours and theirs
in turn; medians over the rounds and of the ratios in each round are printed. Give
the machine nothing else to do. Needs PyTorch, in this environment:

    pip install '.[benchmarks]'

or in another, which needs nothing else; without a GPU, a smaller PyTorch will do:

    python -m venv other
    other/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
    python benchmarks/against_torch.py --torch-python other/bin/python
"""

import pathlib
import subprocess
import sys
import tempfile

import comparisons
import flags
import measuring

HEADER = ("what", "keras_atdarts", "compared with", "takes", "ratio")
SIZES = (
    "searches with 16 filters, 8 cells, networks with 36 filters, 20 cells; 32x32 RGB"
)


def main(argv=None):
    with tempfile.TemporaryDirectory() as folder:
        saved_model = pathlib.Path(folder) / "saved_model"
        arguments, rows = parse_arguments(argv, saved_model)
        commands = comparisons.commands_of(rows)
        machine = measuring.describe_machine()
        if any(command.script == "saved_model.py" for command in commands):
            size = comparisons.TINY if arguments.tiny else ()
            measuring.run_worker("ours.py", "export", *size, "--output", saved_model)
        results = measure(commands, arguments)
    outcomes = [each for row in rows for each in comparisons.compare(row, results)]
    software = sorted(
        {each for reports in results.values() for each in map(software_of, reports)}
    )
    print(f"{measuring.machine_line(machine)}; {'; '.join(filter(None, software))}")
    print(f"{arguments.rounds} rounds of {arguments.steps} steps; ", end="")
    print("4 filters, 3 cells\n" if arguments.tiny else f"{SIZES}\n")
    cells = map(comparisons.table_cells, outcomes)
    print(measuring.markdown_table(HEADER, cells))
    if arguments.output:
        reports = {str(command): list(each) for command, each in results.items()}
        content = {"machine": machine, "rows": outcomes, "reports": reports}
        measuring.write_json(arguments.output, content)


def software_of(report):
    """Returns what a worker ran on and with how many threads, where it says so."""
    threads = f" ({report['threads']})" if "threads" in report else ""
    return report.get("software", "") + threads


def parse_arguments(argv, saved_model):
    """Returns the flags and the selected rows; whatever cannot work fails here."""
    names = [row.name for row in comparisons.make_rows(saved_model, steps=1)]
    parser = flags.make_parser(__doc__)
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"what to measure, of {' '.join(names)} (all)",
    )
    flags.add_number(parser, "--rounds", 5, "how often each process runs")
    flags.add_number(parser, "--steps", 5, "steps that count in each")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="4 filters and 3 cells: whether it runs, not how fast",
    )
    parser.add_argument(
        "--torch-python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that has PyTorch (this one)",
    )
    parser.add_argument("--output", metavar="FILE", help="JSON to write as well")
    arguments = parser.parse_args(argv)
    rows = comparisons.make_rows(saved_model, arguments.steps, arguments.tiny)
    rows = [row for row in rows if row.name in arguments.rows]
    scripts = {command.script for command in comparisons.commands_of(rows)}
    if "torch_peer.py" in scripts and not has_torch(arguments.torch_python):
        parser.error(
            f"{arguments.torch_python} has no PyTorch. Install it with pip install "
            "'.[benchmarks]', or give the Python that has it with --torch-python."
        )
    if arguments.output:
        flags.check_writable(parser, arguments.output)
    return arguments, rows


def has_torch(python):
    """Returns whether an interpreter exists and has PyTorch."""
    find = "import importlib.util as u, sys; sys.exit(not u.find_spec('torch'))"
    command = [python, "-c", find]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def measure(commands, arguments):
    """Runs all commands in rounds; returns the lists of their reports."""
    results = {command: [] for command in commands}
    for _ in range(arguments.rounds):
        for command in commands:
            of_torch = command.script == "torch_peer.py"
            python = arguments.torch_python if of_torch else sys.executable
            words = command.words
            report = measuring.run_worker(command.script, *words, python=python)
            results[command].append(report)
    return results


if __name__ == "__main__":
    main()
