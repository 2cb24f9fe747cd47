"""Scripts that leave behind what search, retraining and evaluation would, at once."""

import fcntl
import pathlib
import shutil

import scripts

from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.study.arms import parse_arm
from keras_atdarts.experiments.study.description import Description
from keras_atdarts.experiments.study.directory import StudyDirectory
from keras_atdarts.experiments.study.execution import LOCK
from keras_atdarts.experiments.study.units import study_units

# The accuracies of arms by seed; others have that of chance.
ACCURACIES = {
    ("darts", 0): 0.90,
    ("darts", 1): 0.92,
    ("darts", 2): 0.91,
    ("random", 0): 0.89,
    ("random", 1): 0.90,
    ("random", 2): 0.88,
}

FAKE = """
import json, pathlib, sys, time
NAME = pathlib.Path(sys.argv[0]).stem
HERE = pathlib.Path(sys.argv[0]).parent
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
workdir = pathlib.Path(words["--workdir"])
arm, seed = workdir.parts[-3:-1]
resumed = "--resume" in sys.argv
with (HERE / "calls").open("a") as calls:
    calls.write(f"{NAME} {arm} {seed}{' resumed' if resumed else ''}\\n")
workdir.mkdir(parents=True, exist_ok=True)

def write(name, value):
    (workdir / name).write_text(json.dumps(value))

if NAME != "evaluate":
    write("config.json", {"finished": None})
    (workdir / "history.csv").write_text("epoch,alpha_accuracy\\n0,0.25\\n1,0.75\\n")
    (workdir / "resources.csv").write_text("epoch,core_seconds\\n0,900\\n1,2700\\n")
    genotypes = ("a", "b", "a", "a", "a")
    write("alphas.json", [{"genotype": {"nodes": name}} for name in genotypes])
print("begun", flush=True)
end = time.monotonic() + 60
while (HERE / f"hold-{NAME}-{arm}-{seed}").exists() and time.monotonic() < end:
    time.sleep(0.01)
if (HERE / f"fail-{NAME}-{arm}-{seed}").exists():
    sys.exit("an exploding network")
if NAME == "search":
    source = HERE / f"{arm}.json"
if NAME == "retrain":
    source = pathlib.Path(words["--genotype"])
if NAME != "evaluate":
    (workdir / "genotype.json").write_text(source.read_text())
    write("config.json", {"finished": "now"})
else:
    accuracies = json.loads((HERE / "accuracies.json").read_text())
    accuracy = accuracies.get(f"{arm} {seed}", 0.1)
    write("evaluation.json", {"accuracy": accuracy, "parameters": 1000 + int(seed),
          "multiply_adds": 5000, "num_examples": 100})
"""


class FakeScripts:
    """A folder with compare.py and fakes of the scripts it calls.

    Args:
        path: Path of the folder to make.
    """

    def __init__(self, path):
        self.path = path
        path.mkdir()
        for name in ("search", "retrain", "evaluate"):
            (path / f"{name}.py").write_text(FAKE, encoding="utf-8")
        accuracies = ", ".join(
            f'"{arm} {seed}": {value}' for (arm, seed), value in ACCURACIES.items()
        )
        (path / "accuracies.json").write_text(f"{{{accuracies}}}", encoding="utf-8")
        shutil.copy(scripts.FOLDER / "compare.py", path)

    def calls(self):
        """Returns a line for each fake that was called."""
        return (self.path / "calls").read_text(encoding="utf-8").splitlines()

    def mark(self, action, script, unit):
        """Returns the file that makes a script of a unit `"hold"` or `"fail"`."""
        path = self.path / f"{action}-{script}-{unit.arm}-{unit.seed}"
        path.touch()
        return path

    def genotype(self, arm, genotype):
        """Decides what the searches of an arm find."""
        genotype.save(self.path / f"{arm}.json")


def is_left_alone(unit):
    """Whether no process works on a unit: their lock is free."""
    with (unit.path / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def describe(arms, seeds=(0, 1), search=None, **retrain):
    """Returns the `Description` of a study of these arms, given as words."""
    return Description(
        tuple(map(parse_arm, arms)),
        tuple(seeds),
        SearchConfig.preset("quick", **(search or {})),
        RetrainConfig.preset("quick", **retrain),
    )


def begin(path, description):
    """Begins a study; returns its directory and its units."""
    directory = StudyDirectory(pathlib.Path(path))
    directory.begin(description, "train/compare.py --workdir a")
    return directory, study_units(directory, description)
