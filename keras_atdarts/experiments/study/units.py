"""One run of a study: an arm with a seed, its steps, and which of them are done.

A step is one of the scripts, in a process of its own: it frees its memory when it
ends, and goes on from its last checkpoint when it was killed.
"""

import dataclasses
import pathlib
import time

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import setting_words
from keras_atdarts.experiments.runs.workdir import Directory
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.experiments.study.arms import GIVEN

SEARCH = "search"
TRAINING = "training"
EVALUATION = "evaluation"

NETWORK = "network"  # The directory of the training.
TIMES = "times.json"


@dataclasses.dataclass(frozen=True)
class Step:
    """A script that a run calls, and how to see what it has done.

    Args:
        name: `SEARCH`, `TRAINING` or `EVALUATION`.
        script: String, the file name of the script.
        words: Tuple of the words of its command line, without `--workdir`.
        workdir: Path of the directory it writes to.
        result: Path of the file that exists when the step is done. None: the step is
            done when its `RunDirectory` is finished, and can resume before.
    """

    name: str
    script: str
    words: tuple
    workdir: pathlib.Path
    result: pathlib.Path = None

    def is_done(self):
        """Whether there is nothing left to do."""
        if self.result is not None:
            return self.result.exists()
        run = RunDirectory(self.workdir)
        return run.file(workdir.CONFIG).exists() and not run.is_unfinished()

    def command(self):
        """Returns the script and its words, to begin it or to go on with it."""
        resumes = RunDirectory(self.workdir).is_unfinished() and self.result is None
        words = (*self.words, "--workdir", str(self.workdir))
        return (self.script, *words, *(["--resume"] if resumes else []))


@dataclasses.dataclass(frozen=True)
class Unit:
    """One run of a study: an arm with a seed.

    Args:
        path: Path of its directory.
        arm: String, the name of the arm.
        seed: Integer, of the search and of the training. So both can be repeated by
            hand, and all arms see the training images in the same order: their
            results are paired.
        steps: Tuple of `Step`s, in order.
    """

    path: pathlib.Path
    arm: str
    seed: int
    steps: tuple

    def __str__(self):
        return f"{self.arm}, seed {self.seed}"

    def next_step(self):
        """Returns the first `Step` that is not done; None where all are."""
        return next((step for step in self.steps if not step.is_done()), None)

    def is_done(self):
        """Whether the network is searched, trained and evaluated."""
        return self.next_step() is None

    def run(self, step_name):
        """Returns the `RunDirectory` of a search or a training."""
        folder = SEARCH if step_name == SEARCH else NETWORK
        return RunDirectory(self.path / folder)

    def log(self, step_name):
        """Returns the path of the file with all that a step has printed."""
        return self.path / f"{step_name}.log"


def study_units(directory, description):
    """Returns all `Unit`s of a study, all arms of a seed before the next seed.

    A study that is stopped early can then compare its arms over some seeds.
    """
    return [
        make_unit(directory, description, arm, seed)
        for seed in description.seeds
        for arm in description.arms
    ]


def make_unit(directory, description, arm, seed):
    """Returns the `Unit` of an arm and a seed."""
    path = directory.run(arm, seed)
    search, network = path / SEARCH, path / NETWORK
    steps = []
    genotype = directory.genotype(arm)
    if arm.kind != GIVEN:
        genotype = search / workdir.GENOTYPE
        words = setting_words(description.search_config(arm, seed))
        steps.append(Step(SEARCH, "search.py", tuple(words), search))
    words = setting_words(description.retrain_config(seed))
    words = ("--genotype", str(genotype), *words)
    steps.append(Step(TRAINING, "retrain.py", words, network))
    result = network / workdir.EVALUATION
    steps.append(Step(EVALUATION, "evaluate.py", (), network, result))
    return Unit(path, arm.name, seed, tuple(steps))


class StepTimes:
    """The beginnings and ends of the processes of each step, in a file.

    A process that was killed together with the study has no end there: the time of
    its last words in its log stands for the end. The directory of the unit exists.
    """

    def __init__(self, unit):
        self.unit = unit
        self.directory = Directory(unit.path)

    def begin(self, step_name):
        """Notes that a process of a step begins now."""
        self._write(step_name, [*self.spans(step_name), [time.time(), None]])

    def end(self, step_name):
        """Notes that the process which began last ends now."""
        *spans, (begin, _) = self.spans(step_name)
        self._write(step_name, [*spans, [begin, time.time()]])

    def seconds(self, step_name):
        """Returns the wall-clock time of a step so far; None if it never began."""
        spans = self.spans(step_name)
        return sum(end - begin for begin, end in spans) if spans else None

    def spans(self, step_name):
        """Returns the pairs of beginning and end, in seconds since 1970."""
        log = self.unit.log(step_name)
        return [
            [begin, max(begin, log.stat().st_mtime) if end is None else end]
            for begin, end in self._read().get(step_name, [])
        ]

    def _read(self):
        return self.directory.read_optional_json(TIMES) or {}

    def _write(self, step_name, spans):
        self.directory.write_json(TIMES, {**self._read(), step_name: spans})
