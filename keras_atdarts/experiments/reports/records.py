"""What a run has written down, read as far as it is there.

A run may be unfinished, or an earlier version may have recorded less. Neither is an
error: `RunRecord.notices` says what is missing. A notice is a dict ready for JSON.
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.errors import located
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.import_config import ImportConfig
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.search_config import total_epochs
from keras_atdarts.genotypes.alphas import alphas_from_dict
from keras_atdarts.genotypes.genotype import Genotype

SEARCH, RETRAINING = "search", "retraining"
KINDS = {
    SearchConfig.__name__: SEARCH,
    RetrainConfig.__name__: RETRAINING,
    ImportConfig.__name__: RETRAINING,
}
EXPECTED = "expected the directory that search.py or retrain.py wrote."
NOTICE_NAMES = {"warning": "Warning:", "note": "Note:"}


def warning(text):
    """Returns a notice that something is likely wrong."""
    return {"level": "warning", "text": text}


def note(text):
    """Returns a notice that something is missing or worth knowing."""
    return {"level": "note", "text": text}


def notice_line(notice):
    """Returns a notice as a line for the terminal."""
    return f"{NOTICE_NAMES[notice['level']]} {notice['text']}"


@dataclasses.dataclass
class RunRecord:
    """All that a run has written down.

    Args:
        run: The `RunDirectory`.
        kind: `SEARCH` or `RETRAINING`.
        saved: Dict, what `config.json` holds.
        history: Dict from a column of `history.csv` to its list of floats; None
            stands for a number that is not finite. `"epoch"` counts from 1.
        resources: The same for `resources.csv`; empty where it is not there.
        alphas: List of labelled alphas, one for each finished epoch.
        genotypes: List of the `Genotype`s after each finished epoch.
        drawn: List of the `Genotype`s that a random search drew.
        genotype: The `Genotype`, or None before the first epoch has ended.
        evaluation: Dict, what `evaluation.json` holds, or None.
        validation: The same for `validation.json`.
        stages: List, what `stages.json` holds; empty for a search without stages.
        decisions: The same for `decisions.json`, of a selection by perturbation.
    """

    run: workdir.RunDirectory
    kind: str
    saved: dict
    history: dict
    resources: dict
    alphas: list
    genotypes: list
    drawn: list
    genotype: Genotype
    evaluation: dict
    validation: dict = None
    stages: list = ()
    decisions: list = ()

    @property
    def config(self):
        return self.saved["config"]

    @property
    def is_random(self):
        """Whether this is a search that only draws genotypes."""
        return self.config.get("strategy") == "random"

    @property
    def epochs_done(self):
        return len(self.history.get("epoch", ()))

    @property
    def epochs_planned(self):
        """The epochs of the whole run, of all stages; None where it has none."""
        return total_epochs(self.config) if "epochs" in self.config else None

    @property
    def is_finished(self):
        """Whether the run came to its end. Old versions did not record it."""
        if workdir.FINISHED in self.saved:
            return self.saved[workdir.FINISHED] is not None
        return self.is_random or self.epochs_done >= (self.epochs_planned or 0)

    def notices(self):
        """Returns a list of notices: what the reader must know of this record."""
        found = []
        if not self.is_finished and self.is_random:
            found.append(warning("This run is unfinished."))
        elif not self.is_finished:
            done = f"{self.epochs_done} of {self.epochs_planned or '?'} epochs"
            text = (
                f"This run is unfinished: {done} are done, and this report shows these "
                "alone. The same command with --resume goes on."
            )
            found.append(warning(text))
        if self.epochs_done and not self.resources:
            text = (
                "An older version recorded this run: time and memory of its epochs "
                "are not known."
            )
            found.append(note(text))
        return found


def read_record(path):
    """Returns the `RunRecord` of a run's directory.

    Raises:
        InputError: It is not one, or a file in it is damaged.
    """
    run = workdir.RunDirectory(path)
    if not run.file(workdir.CONFIG).is_file():
        raise InputError(f"There is no run in '{path}': {EXPECTED}")
    saved = read_saved(run)
    alphas, genotypes = read_epochs(run)
    drawn = sorted(run.file(workdir.GENOTYPES).glob("*.json"))
    genotype = run.file(workdir.GENOTYPE)
    return RunRecord(
        run=run,
        kind=KINDS[saved["kind"]],
        saved=saved,
        history=read_columns(run.file(workdir.HISTORY)),
        resources=read_columns(run.file(workdir.RESOURCES)),
        alphas=alphas,
        genotypes=genotypes,
        drawn=list(map(Genotype.load, drawn)),
        genotype=Genotype.load(genotype) if genotype.exists() else None,
        evaluation=run.read_optional_json(workdir.EVALUATION),
        validation=run.read_optional_json(workdir.VALIDATION),
        stages=run.read_optional_json(workdir.STAGES) or [],
        decisions=run.read_optional_json(workdir.DECISIONS) or [],
    )


def read_saved(run):
    """Returns what `config.json` holds, of any version."""
    saved = run.read_json(workdir.CONFIG)
    if (
        not isinstance(saved, dict)
        or str(saved.get("kind")) not in KINDS
        or not isinstance(saved.get("config"), dict)
        or any(
            not isinstance(saved.get(name) or kind(), kind)
            for name, kind in (("dataset", dict), ("versions", dict), ("resumed", list))
        )
    ):
        raise InputError(f"'{run.file(workdir.CONFIG)}' is not of a run: {EXPECTED}")
    return saved


def read_epochs(run):
    """Returns the alphas and the genotypes of a search's finished epochs."""
    entries = run.read_optional_json(workdir.ALPHAS) or []
    with located(run.file(workdir.ALPHAS)):
        try:
            return (
                [alphas_from_dict(entry["alphas"]) for entry in entries],
                [Genotype.from_dict(entry["genotype"]) for entry in entries],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "is damaged; expected alphas and genotype of each epoch."
            ) from error
