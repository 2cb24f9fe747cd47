"""What is compared with what: the rows of against_torch.py, and their ratios.

A row puts a quantity of one command beside that of another. Rows share commands,
and each command runs once in a round. A ratio is that of the two in one round,
so that what slows the machine for a while slows both; of several rounds, the
median counts.
"""

import statistics
from typing import NamedTuple

LAYOUTS = {"PyTorch NCHW": (), "PyTorch channels-last": ("--channels-last",)}
CHANNELS_LAST = {"PyTorch channels-last": LAYOUTS["PyTorch channels-last"]}
TINY = ("--filters", "4", "--num-cells", "3")
UNITS = {"seconds_per_step": "s", "startup_seconds": "s", "peak_gib": "GiB"}


class Command(NamedTuple):
    """A benchmark that runs as a process and reports what it cost."""

    script: str
    words: tuple = ()

    def __str__(self):
        return " ".join(("benchmarks/" + self.script, *self.words))


class Row(NamedTuple):
    """A comparison.

    Args:
        name: String, to select it by.
        what: String, for people.
        quantity: String, a key of what commands report.
        ours: `Command`.
        theirs: Dict from the name of what it is compared with to its `Command`.
            Empty for a row that states a cost alone.
        as_share: Boolean, whether the ratio is ours in theirs, for costs that may
            be larger, and not how many times theirs contains ours.
    """

    name: str
    what: str
    quantity: str
    ours: Command
    theirs: dict
    as_share: bool = False


def make_rows(saved_model, steps, tiny=False):
    """Returns all comparisons.

    Args:
        saved_model: Path of the exported network.
        steps: Integer, those that each process takes after a first one.
        tiny: Boolean, whether networks have 4 filters and 3 cells.
    """
    size = TINY if tiny else ()
    training = (*size, "--steps", str(steps))
    return [
        *search_rows(training),
        *memory_rows(training),
        *network_rows(str(saved_model), size, training, str(10 * steps)),
    ]


def search_rows(flags):
    """Returns the rows of a search: its steps, and how long the first one takes."""

    def row(name, what, words, layouts=CHANNELS_LAST, quantity="seconds_per_step"):
        words = ("search", *words, *flags)
        ours = Command("ours.py", words)
        return Row(name, what, quantity, ours, peers(words, layouts))

    batch = {size: ("--batch-size", str(size)) for size in (16, 32, 64)}
    attention = (*batch[32], "--operations", "at_darts")
    second = (*batch[16], "--order", "2")
    step = "first-order search step, batch"
    start = "start to the end of the first step, batch 32"
    quick_start = "the same for the quick search"
    quantity = "startup_seconds"
    return [
        row("search-32", f"{step} 32", batch[32], LAYOUTS),
        row("search-64", f"{step} 64", batch[64], LAYOUTS),
        row("attention", f"{step} 32, with attention", attention),
        row("second-order", "second-order search step, batch 16", second),
        row("start", start, batch[32], LAYOUTS, quantity),
        Row("quick-start", quick_start, quantity, Command("first_step.py"), {}),
    ]


def memory_rows(flags):
    """Returns the rows of a search's memory, and of what saving it costs."""
    words = ("search", "--batch-size", "64", *flags)
    plain = Command("ours.py", words)
    recompute = Command("ours.py", (*words, "--recompute"))
    theirs = peers(words, LAYOUTS)
    what = "peak memory of a search, batch 64"
    without = {"without": plain}
    saving = f"{what}, with --recompute"
    slower = "its step with --recompute"
    step = "seconds_per_step"
    return [
        Row("memory", what, "peak_gib", plain, theirs, True),
        Row("recompute-memory", saving, "peak_gib", recompute, theirs, True),
        Row("recompute-step", slower, step, recompute, without, True),
    ]


def network_rows(saved_model, size, training, steps):
    """Returns the rows of a derived network: its training and its use."""
    retrain = ("retrain", *training)
    rows = [
        Row(
            "retrain",
            "retraining step of DARTS_V2, batch 32",
            "seconds_per_step",
            Command("ours.py", retrain),
            peers(retrain, LAYOUTS),
        )
    ]
    for name, what, batch_size in (
        ("throughput", "DARTS_V2 exported, batch 64", "64"),
        ("latency", "DARTS_V2 exported, batch 1", "1"),
    ):
        flags = ("--batch-size", batch_size, "--steps", steps)
        ours = Command("saved_model.py", (saved_model, *flags))
        theirs = peers(("predict", *size, *flags), LAYOUTS)
        rows.append(Row(name, what, "seconds_per_step", ours, theirs))
    return rows


def peers(words, layouts):
    """Returns the commands of the PyTorch peer for a job, by layout."""
    return {
        name: Command("torch_peer.py", (*words, *flags))
        for name, flags in layouts.items()
    }


def commands_of(rows):
    """Returns the commands of rows, each once, ours and theirs in turn."""
    found = {}
    for row in rows:
        found |= dict.fromkeys((row.ours, *row.theirs.values()))
    return list(found)


def compare(row, results):
    """Returns the outcome of a row, one dict for each thing it is compared with.

    Args:
        row: `Row`.
        results: Dict from `Command` to the list of its reports, round by round.
    """
    ours = [report[row.quantity] for report in results[row.ours]]
    outcome = {"row": row.name, "what": row.what, "quantity": row.quantity}
    outcome["ours"] = statistics.median(ours)
    if not row.theirs:
        return [outcome]
    outcomes = []
    for name, command in row.theirs.items():
        theirs = [report[row.quantity] for report in results[command]]
        pairs = zip(ours, theirs, strict=True)
        ratios = [
            mine / other if row.as_share else other / mine for mine, other in pairs
        ]
        outcomes.append(
            {
                **outcome,
                "compared_with": name,
                "theirs": statistics.median(theirs),
                "ratio": statistics.median(ratios),
                "ratios": ratios,
                "ratio_is": "ours in theirs" if row.as_share else "theirs in ours",
            }
        )
    return outcomes


def table_cells(outcome):
    """Returns the texts of an outcome for a table."""
    unit = UNITS[outcome["quantity"]]
    cells = [outcome["what"], f"{outcome['ours']:.3g} {unit}"]
    if "ratio" not in outcome:
        return [*cells, "", "", ""]
    ratio = f"{outcome['ratio']:.2f}"
    inverse = outcome["ratio_is"] == "theirs in ours"
    return [
        *cells,
        outcome["compared_with"],
        f"{outcome['theirs']:.3g} {unit}",
        f"theirs : ours = {ratio}" if inverse else f"ours : theirs = {ratio}",
    ]
