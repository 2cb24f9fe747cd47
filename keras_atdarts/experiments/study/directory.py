"""The directory of a study: its description, its runs and its results."""

import pathlib

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs.provenance import describe_provenance
from keras_atdarts.experiments.runs.start import refuse_differences
from keras_atdarts.experiments.runs.workdir import Directory
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.experiments.runs.workdir import saying_where
from keras_atdarts.experiments.study.description import Description

STUDY = "study.json"
GENOTYPES = "genotypes"
RUNS = "runs"
RESULTS = "results.json"
TABLES = "results.md"
CHART = "accuracy.svg"


class StudyDirectory(Directory):
    """The directory of one study."""

    def __init__(self, path):
        # Machines of a cluster work in other directories.
        super().__init__(pathlib.Path(path).absolute())

    def exists(self):
        """Whether a study has begun here."""
        return self.file(STUDY).exists()

    def genotype(self, arm):
        """Returns the path of the genotype of a `GIVEN` arm."""
        return self.path / GENOTYPES / f"{arm.name}.json"

    def run(self, arm, seed):
        """Returns the path of the directory of a run."""
        return self.path / RUNS / arm.name / str(seed)

    def check(self, description):
        """Raises what `begin` would raise, and changes nothing."""
        if not self.exists():
            self._check_empty()
            return
        differences = self.description().differences(description)
        refuse_differences("study", self, "values", differences)

    def begin(self, description, command):
        """Makes the directory, or goes on with the study that is there.

        Raises:
            InputError: Another study, or something else, is there.
        """
        self.check(description)
        saved = {"command": command, **describe_provenance()}
        if self.exists():
            saved = self.read_json(STUDY)
        with saying_where(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.write_json(STUDY, {**saved, "study": description.to_dict()})
            for arm in description.arms:
                if arm.genotype is not None:
                    self.genotype(arm).parent.mkdir(exist_ok=True)
                    arm.genotype.save(self.genotype(arm))

    def description(self):
        """Returns the `Description` of the study that has begun here.

        Raises:
            InputError: There is none, or it cannot be read.
        """
        if not self.exists():
            raise InputError(
                f"There is no study in '{self.path}': expected a directory with "
                f"{STUDY}, which compare.py writes."
            )
        try:
            return Description.from_dict(self.read_json(STUDY)["study"])
        except (KeyError, TypeError, InputError) as error:
            raise InputError(
                f"'{self.file(STUDY)}' is not the description of a study that this "
                f"version can read ({error}). Give another --workdir."
            ) from error

    def command(self):
        """Returns what the user typed to begin the study."""
        return self.read_json(STUDY)["command"]

    def _check_empty(self):
        """Raises `InputError` where no study can begin."""
        RunDirectory.check(self.path, overwrite=True)
        names = [path.name for path in self.path.glob("*")]
        # A process that was killed while it began a study leaves partial files.
        if not all(name.startswith(atomic.PARTIAL) for name in names):
            raise InputError(
                f"'{self.path}' is not empty and holds no {STUDY}. Give --workdir the "
                "directory of a study, or a new one."
            )
