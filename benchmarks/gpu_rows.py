"""The rows of gpu_table.py, by importance: what a cut takes is the least of them."""

import pathlib

from comparisons import OF_TORCH
from comparisons import TINY
from comparisons import Command
from comparisons import Row

ORDER = (
    *("search", "start", "memory", "retrain", "search-jit", "start-jit"),
    *("attention", "retrain-jit", "throughput", "bfloat16", "start-cached"),
    *("retrain-compiled", "retrain-jit-compiled"),
    *("search-reference", "search-reference-jit"),
    *("attention-jit", "attention-reference", "attention-reference-jit"),
    *("search-channels-last", "retrain-channels-last", "throughput-compiled"),
    *("input", "devices"),
)
JOINED = ("--backend", "joined")
CHANNELS_LAST = ("--channels-last",)
COMPILE = ("--compile", "reduce-overhead")
EAGER = "eager PyTorch"
EAGER_LAST = f"{EAGER}, channels-last"
COMPILED = "torch.compile, reduce-overhead"


def make_rows(folder, steps, device="cuda", tiny=False):
    """Returns all rows, in `ORDER`.

    Args:
        folder: Path, in which what commands share is written.
        steps: Integer, those that each process takes after a first one.
        device: String, of `flags.DEVICES`.
        tiny: Boolean, whether all sizes are the smallest.
    """
    jobs = Jobs(pathlib.Path(folder), steps, device, tiny)
    rows = [
        *search_rows(jobs),
        *cost_rows(jobs),
        *retrain_rows(jobs),
        *exported_rows(jobs),
        *cpu_rows(jobs),
    ]
    by_name = {row.name: row for row in rows}
    return [by_name[name] for name in ORDER]


class Jobs:
    """What both sides do, in one size: the first words of their commands.

    Args:
        folder: Path, in which what commands share is written.
        steps: Integer.
        device: String.
        tiny: Boolean, for networks with 4 filters and 3 cells, searches of two
            operations, ours with a node in a cell, and batches of 4 images of 8x8.
    """

    def __init__(self, folder, steps, device, tiny):
        def batch(size):
            return "--batch-size", "4" if tiny else str(size)

        def search(size, space, *names):
            operations = names if tiny else (space,)
            return "search", *batch(size), "--operations", *operations

        self.search = search(64, "darts", "skip_connect", "sep_conv_3x3")
        attentions = ("channel_attention", "spatial_attention")
        self.attention = search(128, "at_darts", *attentions)
        self.retrain = ("retrain", *batch(96))
        self.predict = ("predict", *batch(64))
        self.images = ("--image-size", "8") if tiny else ()
        self.network = (*TINY, *self.images) if tiny else ()
        self.running = ("--steps", str(steps), "--device", device)
        # What XLA compiles is kept, so that a second start can be measured.
        self.jit = ("--jit", "--jit-cache", str(folder / "compiled"))
        self.saved_model = str(folder / "saved_model")
        self.peak = "peak_gpu_gib" if device == "cuda" else "peak_gib"
        self.tiny = tiny

    def ours(self, job, *words, after=None):
        """Returns the command of a job of this project, with further words."""
        nodes = ("--num-nodes", "1") if self.tiny and job[0] == "search" else ()
        words = (*job, *words, *nodes, *self.network, *self.running)
        return Command("ours.py", words, after)

    def theirs(self, job, *words):
        """Returns the command of a job of PyTorch, with further words."""
        return Command(OF_TORCH, (*job, *words, *self.network, *self.running))


def search_rows(jobs):
    """Returns the rows of the steps of a search: both spaces, each in every form."""
    forms = {
        "": ("joined", JOINED),
        "-jit": ("joined, --jit", (*JOINED, *jobs.jit)),
        "-reference": ("reference", ("--backend", "reference")),
        "-reference-jit": (
            "reference, --jit",
            ("--backend", "reference", *jobs.jit),
        ),
    }
    spaces = {
        "search": ("search step, DARTS operations, batch 64", jobs.search),
        "attention": ("search step, both attentions, batch 128", jobs.attention),
    }
    rows = [
        step_row(name + form, f"{what}, {of_form}", ours, EAGER, jobs.theirs(job))
        for name, (what, job) in spaces.items()
        for form, (of_form, words) in forms.items()
        for ours in [jobs.ours(job, *words)]
    ]
    what = "search step, DARTS operations, batch 64, joined"
    ours = jobs.ours(jobs.search, *JOINED)
    theirs = jobs.theirs(jobs.search, *CHANNELS_LAST)
    return [*rows, step_row("search-channels-last", what, ours, EAGER_LAST, theirs)]


def step_row(name, what, ours, against, theirs):
    """Returns the row of the seconds of a step."""
    return Row(name, what, "seconds_per_step", ours, {against: theirs})


def cost_rows(jobs):
    """Returns the rows of a search's start and memory, and of 16 bits in it."""
    plain = jobs.ours(jobs.search, *JOINED)
    compiled = jobs.ours(jobs.search, *JOINED, *jobs.jit)
    again = jobs.ours(jobs.search, *JOINED, *jobs.jit, after=compiled)
    short = jobs.ours(jobs.search, *JOINED, "--precision", "mixed_bfloat16")
    theirs = {EAGER: jobs.theirs(jobs.search)}
    start, seconds = "process start to first step of the search", "startup_seconds"
    memory = "peak memory of the search, batch 64"
    bfloat16 = "search step, DARTS operations, batch 64, mixed_bfloat16"
    return [
        Row("start", start, seconds, plain, theirs),
        Row("start-jit", f"{start}, --jit", seconds, compiled, theirs),
        Row("start-cached", f"{start}, --jit, once more", seconds, again, theirs),
        Row("memory", memory, jobs.peak, plain, theirs, as_share=True),
        step_row("bfloat16", bfloat16, short, "float32", plain),
    ]


def retrain_rows(jobs):
    """Returns the rows of the training of a derived network."""
    plain, jit = jobs.ours(jobs.retrain), jobs.ours(jobs.retrain, *jobs.jit)
    eager = jobs.theirs(jobs.retrain)
    last = jobs.theirs(jobs.retrain, *CHANNELS_LAST)
    compiled = jobs.theirs(jobs.retrain, *COMPILE)
    what = "retraining step of DARTS_V2, batch 96"
    return [
        step_row("retrain", what, plain, EAGER, eager),
        step_row("retrain-jit", f"{what}, --jit", jit, EAGER, eager),
        step_row("retrain-compiled", what, plain, COMPILED, compiled),
        step_row("retrain-jit-compiled", f"{what}, --jit", jit, COMPILED, compiled),
        step_row("retrain-channels-last", what, plain, EAGER_LAST, last),
    ]


def exported_rows(jobs):
    """Returns the rows of the use of an exported network."""
    export = Command("ours.py", ("export", *jobs.network, "--output", jobs.saved_model))
    batch = jobs.predict[1:]
    words = (jobs.saved_model, *batch, *jobs.images, *jobs.running)
    ours = Command("saved_model.py", words, after=export)
    what, rate = "DARTS_V2 exported, batch 64", "images_per_second"
    eager = {EAGER_LAST: jobs.theirs(jobs.predict, *CHANNELS_LAST)}
    compiled = jobs.theirs(jobs.predict, *CHANNELS_LAST, *COMPILE)
    compiled = {f"{COMPILED}, channels-last": compiled}
    return [
        Row("throughput", what, rate, ours, eager, as_share=True),
        Row("throughput-compiled", what, rate, ours, compiled, as_share=True),
    ]


def cpu_rows(jobs):
    """Returns the rows of what CPUs do: the input, and logical devices."""
    seconds = "1" if jobs.tiny else "4"
    words = ("--image-size", "32", "32", "--batch-size", "64", "--seconds", seconds)
    delivers = Command("input_pipeline.py", words)
    input_pipeline = "images from the input pipeline, 32x32x1, batch 64"
    needs = {"what the search takes": jobs.ours(jobs.search, *JOINED)}
    size = (*TINY, "--operations", "skip_connect") if jobs.tiny else ()
    many, one = (
        Command("first_step.py", ("--cpu", "--devices", count, *size))
        for count in ("4", "1")
    )
    start = "process start to first step of the quick search, 4 logical CPU devices"
    return [
        Row("input", input_pipeline, "images_per_second", delivers, needs, True),
        Row("devices", start, "startup_seconds", many, {"1 device": one}, True),
    ]
