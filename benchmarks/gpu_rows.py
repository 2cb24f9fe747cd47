"""The rows of gpu_table.py, by importance: what a cut takes is the least of them."""

import pathlib

from comparisons import OF_TORCH
from comparisons import TINY
from comparisons import Command
from comparisons import Row

ORDER = (
    *("search", "start", "memory", "retrain"),
    *("search-jit", "start-jit", "retrain-jit", "retrain-compiled"),
    *("attention", "bfloat16", "throughput", "start-cached"),
    *("search-reference", "search-reference-jit", "retrain-jit-compiled"),
    *("attention-jit", "attention-reference", "attention-reference-jit"),
    *("search-channels-last", "retrain-channels-last", "throughput-compiled"),
    *("input", "devices"),
)
TINY_IMAGES = ("--image-size", "8")
TINY_BATCH = 4
CHANNELS_LAST = ("--channels-last",)
COMPILE = ("--compile", "reduce-overhead")
EAGER = "eager PyTorch"


def make_rows(folder, steps, device="cuda", tiny=False):
    """Returns all rows, in `ORDER`.

    Args:
        folder: Path, in which what commands share is written.
        steps: Integer, those that each process takes after a first one.
        device: String, of `flags.DEVICES`.
        tiny: Boolean, whether networks, images and batches are of the smallest sizes.
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
    """The commands of both sides, in one size.

    Args:
        folder: Path, in which what commands share is written.
        steps: Integer.
        device: String.
        tiny: Boolean.
    """

    def __init__(self, folder, steps, device, tiny):
        self.folder = folder
        self.steps = steps
        self.device = ("--device", device)
        self.tiny = tiny
        self.images = TINY_IMAGES if tiny else ()
        self.size = (*TINY, *self.images) if tiny else ()
        # What XLA compiles is kept, so that a second start can be measured.
        self.jit = ("--jit", "--jit-cache", str(folder / "compiled"))

    def batch_size(self, size):
        return str(TINY_BATCH if self.tiny else size)

    def ours(self, job, batch_size, *words, after=None):
        """Returns the command of a job of this project."""
        return Command("ours.py", self._words(job, batch_size, words), after)

    def theirs(self, job, batch_size, *words):
        """Returns the command of a job of PyTorch."""
        return Command(OF_TORCH, self._words(job, batch_size, words))

    def _words(self, job, batch_size, words):
        batch = ("--batch-size", self.batch_size(batch_size))
        steps = ("--steps", str(self.steps))
        return (job, *batch, *words, *self.size, *steps, *self.device)

    def search(self, *words, after=None):
        """Returns the command of our search as a GPU computes it."""
        return self.ours("search", 64, "--backend", "joined", *words, after=after)


def search_rows(jobs):
    """Returns the rows of the steps of a search: both spaces, each in every form."""
    forms = {
        "": ("joined", ()),
        "-jit": ("joined, --jit", jobs.jit),
        "-reference": ("reference", ()),
        "-reference-jit": ("reference, --jit", jobs.jit),
    }
    rows = []
    for name, batch_size, operations, space in (
        ("search", 64, (), "DARTS operations"),
        ("attention", 128, ("--operations", "at_darts"), "both attentions"),
    ):
        theirs = jobs.theirs("search", batch_size, *operations)
        what = f"search step, {space}, batch {jobs.batch_size(batch_size)}"
        for form, (title, words) in forms.items():
            backend = ("--backend", title.split(",")[0])
            ours = jobs.ours("search", batch_size, *backend, *operations, *words)
            rows.append(step_row(name + form, f"{what}, {title}", ours, EAGER, theirs))
    theirs = jobs.theirs("search", 64, *CHANNELS_LAST)
    what = f"search step, DARTS operations, batch {jobs.batch_size(64)}, joined"
    against = f"{EAGER}, channels-last"
    name = "search-channels-last"
    return [*rows, step_row(name, what, jobs.search(), against, theirs)]


def step_row(name, what, ours, against, theirs):
    """Returns the row of the seconds of a step."""
    return Row(name, what, "seconds_per_step", ours, {against: theirs})


def cost_rows(jobs):
    """Returns the rows of a search's start and memory, and of 16 bits in it."""
    plain, compiled = jobs.search(), jobs.search(*jobs.jit)
    again = jobs.search(*jobs.jit, after=compiled)
    short = jobs.search("--precision", "mixed_bfloat16")
    theirs = {EAGER: jobs.theirs("search", 64)}
    start = "process start to the end of the first search step, joined"
    second = f"{start}, --jit, second start with what the first one compiled"
    seconds = "startup_seconds"
    of_gpu = "cuda" in jobs.device
    memory = "peak_gpu_gib" if of_gpu else "peak_gib"
    kept = f"peak memory of {'the GPU' if of_gpu else 'the process'} in it"
    step = "search step, joined, mixed_bfloat16"
    return [
        Row("start", start, seconds, plain, theirs),
        Row("start-jit", f"{start}, --jit", seconds, compiled, theirs),
        Row("start-cached", second, seconds, again, theirs),
        Row("memory", kept, memory, plain, theirs, True),
        step_row("bfloat16", step, short, "float32", plain),
    ]


def retrain_rows(jobs):
    """Returns the rows of the training of a derived network."""
    what = f"retraining step of DARTS_V2, batch {jobs.batch_size(96)}"
    eager = jobs.theirs("retrain", 96)
    last = jobs.theirs("retrain", 96, *CHANNELS_LAST)
    compiled = jobs.theirs("retrain", 96, *COMPILE)
    plain, jit = jobs.ours("retrain", 96), jobs.ours("retrain", 96, *jobs.jit)
    with_jit, compilation = f"{what}, --jit", f"torch.compile, {COMPILE[1]}"
    return [
        step_row("retrain", what, plain, EAGER, eager),
        step_row("retrain-jit", with_jit, jit, EAGER, eager),
        step_row("retrain-compiled", what, plain, compilation, compiled),
        step_row("retrain-jit-compiled", with_jit, jit, compilation, compiled),
        step_row("retrain-channels-last", what, plain, f"{EAGER}, channels-last", last),
    ]


def exported_rows(jobs):
    """Returns the rows of the use of an exported network."""
    saved_model = str(jobs.folder / "saved_model")
    export = Command("ours.py", ("export", *jobs.size, "--output", saved_model))
    words = ("--batch-size", jobs.batch_size(64), "--steps", str(5 * jobs.steps))
    reading = (saved_model, *words, *jobs.images, *jobs.device)
    ours = Command("saved_model.py", reading, after=export)
    what = f"DARTS_V2 exported, batch {jobs.batch_size(64)}"
    rate = "images_per_second"

    def row(name, against, *options):
        job = ("predict", *words, *CHANNELS_LAST, *options, *jobs.size, *jobs.device)
        return Row(name, what, rate, ours, {against: Command(OF_TORCH, job)}, True)

    compilation = f"torch.compile, {COMPILE[1]}, channels-last"
    return [
        row("throughput", f"{EAGER}, channels-last"),
        row("throughput-compiled", compilation, *COMPILE),
    ]


def cpu_rows(jobs):
    """Returns the rows of what CPUs do: the input, and logical devices."""
    seconds = "1" if jobs.tiny else "4"
    size = ("--image-size", "32", "32", "--batch-size", "64", "--seconds", seconds)
    delivers = Command("input_pipeline.py", size)
    tiny = (*TINY, "--operations", "skip_connect") if jobs.tiny else ()
    many, one = (
        Command("first_step.py", ("--cpu", "--devices", count, *tiny))
        for count in ("4", "1")
    )
    images = "images for a search, 32x32 with 1 channel, from the input pipeline"
    needs = {"what the search takes": jobs.search()}
    start = "start of the quick search on 4 logical CPU devices"
    return [
        Row("input", images, "images_per_second", delivers, needs, True),
        Row("devices", start, "startup_seconds", many, {"on 1": one}, True),
    ]
