"""Measures this project against DARTS in eager PyTorch, as the reference has it.

On the CPU; gpu_table.py does it on a GPU.

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
import tempfile

import comparisons
import cpu_rows
import flags
import measuring

from keras_atdarts.atomic import write_json

SIZES = (
    "searches with 16 filters, 8 cells, networks with 36 filters, 20 cells; 32x32 RGB"
)


def main(argv=None):
    with tempfile.TemporaryDirectory() as folder:
        saved_model = pathlib.Path(folder) / "saved_model"
        arguments, rows = parse_arguments(argv, saved_model)
        machine = measuring.describe_machine()
        results = measure(comparisons.commands_of(rows), arguments)
    outcomes = [each for row in rows for each in comparisons.compare(row, results)]
    print(f"{measuring.machine_line(machine)}; {comparisons.software_of(results)}")
    print(f"{arguments.rounds} rounds of {arguments.steps} steps; ", end="")
    print("4 filters, 3 cells\n" if arguments.tiny else f"{SIZES}\n")
    cells = map(comparisons.table_cells, outcomes)
    print(measuring.markdown_table(comparisons.HEADER, cells))
    if arguments.output:
        reports = {str(command): list(each) for command, each in results.items()}
        content = {"machine": machine, "rows": outcomes, "reports": reports}
        write_json(arguments.output, content)


def parse_arguments(argv, saved_model):
    """Returns the flags and the selected rows; whatever cannot work fails here."""
    names = [row.name for row in cpu_rows.make_rows(saved_model, steps=1)]
    parser = flags.make_parser(__doc__)
    flags.add_comparison_flags(parser, names, steps=5)
    flags.add_number(parser, "--rounds", 5, "how often each process runs")
    arguments = parser.parse_args(argv)
    rows = cpu_rows.make_rows(saved_model, arguments.steps, arguments.tiny)
    rows = [row for row in rows if row.name in arguments.rows]
    scripts = {command.script for command in comparisons.commands_of(rows)}
    python = arguments.torch_python
    if comparisons.OF_TORCH in scripts and not comparisons.has_torch(python):
        parser.error(comparisons.without_torch(python))
    if arguments.output:
        flags.check_writable(parser, arguments.output)
    return arguments, rows


def measure(commands, arguments):
    """Runs all commands in rounds; returns the lists of their reports."""
    for command in comparisons.preparations_of(commands):
        comparisons.run(command, arguments.torch_python)
    results = {command: [] for command in commands}
    for _ in range(arguments.rounds):
        for command in commands:
            report = comparisons.run(command, arguments.torch_python)
            results[command].append(report)
    return results


if __name__ == "__main__":
    main()
