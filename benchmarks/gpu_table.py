"""Measures this project against PyTorch on one GPU, within minutes.

    python benchmarks/gpu_table.py                          # the most important rows
    python benchmarks/gpu_table.py --rows attention bfloat16 throughput
    python benchmarks/gpu_table.py --torch-python other/bin/python
    python benchmarks/gpu_table.py --tiny --device cpu      # whether it runs

Every measurement is a process of its own, one after the other, and rows share them.
A row is printed as soon as it is measured, the most important ones first, and
whatever a process reported is written at once: what ends this early takes nothing
that was measured. A row says what failed, what took too long, and for what there was
no time; --rows measures such rows in another call. Give the machine nothing else to
do.

Both sides compute in float32, of which convolutions read what TensorFloat-32 keeps,
as in both libraries by default. The PyTorch is that of --torch-python, see
against_torch.py; TensorFlow and PyTorch may need different environments.
"""

import signal
import sys
import tempfile
import time

import comparisons
import flags
import gpu_rows
import measuring

from keras_atdarts.atomic import write_json

# A process that has less time than this is not worth starting.
SHORTEST = 5


def main(argv=None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended by SIGTERM."))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        arguments, rows = parse_arguments(argv, folder)
        table = Table(arguments, started + 60 * arguments.minutes)
        print(f"{measuring.machine_line(table.machine)}\n", flush=True)
        if arguments.tiny:
            print("The sizes are not those of the rows, but tiny.\n")
        print(measuring.markdown_header(comparisons.HEADER), flush=True)
        for row in rows:
            for outcome in table.measure(row):
                cells = comparisons.table_cells(outcome)
                print(measuring.markdown_row(cells), flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{comparisons.software_of(table.results)}; {minutes:.1f} minutes")


def parse_arguments(argv, folder):
    """Returns the flags and the selected rows."""
    parser = flags.make_parser(__doc__)
    names = list(gpu_rows.ORDER)
    flags.add_comparison_flags(parser, names, steps=10, output="gpu_table.json")
    flags.add_device_flag(parser, default="cuda")
    flags.add_number(parser, "--minutes", 8, "after which all ends")
    flags.add_number(parser, "--process-seconds", 120, "after which a process ends")
    arguments = parser.parse_args(argv)
    flags.check_writable(parser, arguments.output)
    rows = gpu_rows.make_rows(folder, arguments.steps, arguments.device, arguments.tiny)
    return arguments, [row for row in rows if row.name in arguments.rows]


class Table:
    """Measures rows until a time, and keeps a file of what was measured.

    Args:
        arguments: Those of `parse_arguments`.
        deadline: Float, of `time.monotonic()`.
    """

    def __init__(self, arguments, deadline):
        self.arguments = arguments
        self.deadline = deadline
        self.machine = measuring.describe_machine()
        self.results = {}  # From commands to lists of one report.
        self.outcomes = []
        self.has_torch = comparisons.has_torch(arguments.torch_python)

    def measure(self, row):
        """Returns the outcomes of a row, see `comparisons.compare`."""
        for command in comparisons.commands_of([row]):
            self.run(command)
        outcomes = comparisons.compare(row, self.results)
        self.outcomes += outcomes
        self.write()
        return outcomes

    def run(self, command):
        """Runs a command, unless it has run, and what it comes after."""
        if command in self.results:
            return
        if command.after:
            self.run(command.after)
        self.results[command] = [self.report(command)]
        self.write()

    def report(self, command):
        """Returns the report of a command, or one of why there is none."""
        if command.after and comparisons.FAILED in self.results[command.after][0]:
            return failed(f"what comes before it failed: {command.after}")
        if command.script == comparisons.OF_TORCH and not self.has_torch:
            return failed(comparisons.without_torch(self.arguments.torch_python))
        seconds = self.deadline - time.monotonic()
        if seconds < SHORTEST:
            return failed(f"no time: {self.arguments.minutes} minutes are over")
        seconds = min(seconds, self.arguments.process_seconds)
        try:
            return comparisons.run(command, self.arguments.torch_python, seconds)
        except measuring.WorkerFailed as failure:
            return failed(failure.reason, failure.log)

    def write(self):
        """Writes all that was measured."""
        reports = [
            {"command": str(command), **report}
            for command, [report] in self.results.items()
        ]
        content = {"machine": self.machine, "rows": self.outcomes, "reports": reports}
        write_json(self.arguments.output, content)


def failed(reason, log=""):
    """Returns the report of a command that failed, with the end of what it said."""
    return {comparisons.FAILED: reason, "log": log.splitlines()[-30:]}


if __name__ == "__main__":
    main()
