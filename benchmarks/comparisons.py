"""What is compared with what: commands, rows of them, and their ratios.

A row puts a quantity of one command beside that of another. Rows share commands,
and each command runs once in a round. A ratio is that of the two in one round,
so that what slows the machine for a while slows both; of several rounds, the
median counts.
"""

import statistics
import subprocess
import sys
from typing import NamedTuple
from typing import Optional

import measuring

UNITS = {
    "seconds_per_step": "s",
    "startup_seconds": "s",
    "peak_gib": "GiB",
    "peak_gpu_gib": "GiB",
    "images_per_second": "images/s",
}
FAILED = "failed"
HEADER = ("what", "keras_atdarts", "compared with", "takes", "ratio")
OF_TORCH = "torch_peer.py"
TINY = ("--filters", "4", "--num-cells", "3")


class Command(NamedTuple):
    """A benchmark that runs as a process and reports what it cost.

    Args:
        script: String, the name of a file in this folder.
        words: Tuple of strings, its arguments.
        after: `Command` that has to be done first, once, or `None`.
    """

    script: str
    words: tuple = ()
    after: Optional["Command"] = None

    def __str__(self):
        return " ".join(("benchmarks/" + self.script, *self.words))


class Row(NamedTuple):
    """A comparison.

    Args:
        name: String, to select it by.
        what: String, for people.
        quantity: String, a key of `UNITS` and of what commands report.
        ours: `Command`.
        theirs: Dict from the name of what it is compared with to its `Command`.
            Empty for a row that states a cost alone.
        as_share: Boolean, whether the ratio is ours in theirs, for rates and for
            costs that may be larger, and not how many times theirs contains ours.
    """

    name: str
    what: str
    quantity: str
    ours: Command
    theirs: dict
    as_share: bool = False


def commands_of(rows):
    """Returns the commands of rows, each once, ours and theirs in turn."""
    found = {}
    for row in rows:
        found |= dict.fromkeys((row.ours, *row.theirs.values()))
    return list(found)


def preparations_of(commands):
    """Returns what has to be done once before commands run, each once."""
    return list(dict.fromkeys(each.after for each in commands if each.after))


def run(command, torch_python, seconds=None):
    """Runs a command as a process of its own; returns what it reports.

    Args:
        command: `Command`.
        torch_python: Path of the Python that has PyTorch.
        seconds: Float, after which it is ended, or `None`.

    Raises:
        WorkerFailed: It failed, or was ended.
    """
    python = torch_python if command.script == OF_TORCH else sys.executable
    return measuring.run_worker(
        command.script, *command.words, python=python, seconds=seconds
    )


def has_torch(python):
    """Returns whether an interpreter exists and has PyTorch."""
    find = "import importlib.util as u, sys; sys.exit(not u.find_spec('torch'))"
    command = [python, "-c", find]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def without_torch(python):
    """Returns what to say of an interpreter that has no PyTorch."""
    return (
        f"{python} has no PyTorch. Install it with pip install '.[benchmarks]', or "
        "give the Python that has it with --torch-python."
    )


def software_of(results):
    """Returns on what commands ran and with how many threads, where they say so."""
    reports = [report for reports in results.values() for report in reports]
    told = [
        report["software"]
        + (f" on {report['device']}" if "device" in report else "")
        + (f" ({report['threads']})" if "threads" in report else "")
        for report in reports
        if "software" in report
    ]
    return "; ".join(sorted(set(told)))


def compare(row, results):
    """Returns the outcome of a row, one dict for each thing it is compared with.

    Args:
        row: `Row`.
        results: Dict from `Command` to the list of its reports, round by round.
            That of a run that failed is `{"failed": reason}`.

    Returns:
        List of dicts. Where a side failed, its cost is the reason, a string, and
        there is no ratio.
    """
    ours = costs(results[row.ours], row.quantity)
    outcome = {"row": row.name, "what": row.what, "quantity": row.quantity}
    outcome["ours"] = middle(ours)
    if not row.theirs:
        return [outcome]
    outcomes = []
    for name, command in row.theirs.items():
        theirs = costs(results[command], row.quantity)
        against = {"compared_with": name, "theirs": middle(theirs)}
        if not isinstance(ours, str) and not isinstance(theirs, str):
            against |= ratios(ours, theirs, row.as_share)
        outcomes.append(outcome | against)
    return outcomes


def costs(reports, quantity):
    """Returns a quantity of all reports, or why one of them does not have it."""
    failures = [report[FAILED] for report in reports if FAILED in report]
    return failures[0] if failures else [report[quantity] for report in reports]


def middle(values):
    """Returns the median of costs, or why there are none."""
    return values if isinstance(values, str) else statistics.median(values)


def ratios(ours, theirs, as_share):
    """Returns what an outcome says of the ratios, round by round."""
    pairs = zip(ours, theirs, strict=True)
    found = [mine / other if as_share else other / mine for mine, other in pairs]
    return {
        "ratio": statistics.median(found),
        "ratios": found,
        "ratio_is": "ours in theirs" if as_share else "theirs in ours",
    }


def table_cells(outcome):
    """Returns the texts of an outcome for a table with `HEADER`."""
    unit = UNITS[outcome["quantity"]]
    ratio = ""
    if "ratio" in outcome:
        inverse = outcome["ratio_is"] == "theirs in ours"
        sides = "theirs : ours" if inverse else "ours : theirs"
        ratio = f"{sides} = {outcome['ratio']:.2f}"
    return [
        outcome["what"],
        cost_text(outcome["ours"], unit),
        outcome.get("compared_with", ""),
        cost_text(outcome.get("theirs", ""), unit),
        ratio,
    ]


def cost_text(cost, unit):
    """Returns a cost with its unit, or why it is missing, fit for a table."""
    if isinstance(cost, str):
        return cost.replace("|", "/")
    return f"{cost:,.0f} {unit}" if cost >= 100 else f"{cost:.3g} {unit}"
