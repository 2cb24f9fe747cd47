"""The rows of against_torch.py."""

from comparisons import OF_TORCH
from comparisons import TINY
from comparisons import Command
from comparisons import Row

LAYOUTS = {"PyTorch NCHW": (), "PyTorch channels-last": ("--channels-last",)}
CHANNELS_LAST = {"PyTorch channels-last": LAYOUTS["PyTorch channels-last"]}


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
        retrain_row(training),
        *exported_rows(str(saved_model), size, str(10 * steps)),
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


def retrain_row(training):
    """Returns the row of the training of a derived network."""
    words = ("retrain", *training)
    return Row(
        "retrain",
        "retraining step of DARTS_V2, batch 32",
        "seconds_per_step",
        Command("ours.py", words),
        peers(words, LAYOUTS),
    )


def exported_rows(saved_model, size, steps):
    """Returns the rows of the use of an exported network."""
    export = Command("ours.py", ("export", *size, "--output", saved_model))

    def row(name, batch_size):
        flags = ("--batch-size", batch_size, "--steps", steps)
        what = f"DARTS_V2 exported, batch {batch_size}"
        ours = Command("saved_model.py", (saved_model, *flags), after=export)
        theirs = peers(("predict", *size, *flags), LAYOUTS)
        return Row(name, what, "seconds_per_step", ours, theirs)

    return [row("throughput", "64"), row("latency", "1")]


def peers(words, layouts):
    """Returns the commands of the PyTorch peer for a job, by layout."""
    return {
        name: Command(OF_TORCH, (*words, *flags)) for name, flags in layouts.items()
    }
