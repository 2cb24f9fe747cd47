"""Trainings of a selection, one after another, and what they say."""

import math
import statistics

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype


class Selection:
    """A selection among `Candidate`s, in the directory of its run."""

    def __init__(self, run, config, candidates):
        self.run = run
        self.config = config
        self.candidates = candidates

    def write_candidates(self):
        """Writes the genotypes, which the trainings and `check_same` read."""
        folder = self.run.file(workdir.CANDIDATES)
        with workdir.saying_where(folder):
            folder.mkdir(exist_ok=True)
        for candidate in self.candidates:
            candidate.genotype.save(self.genotype_path(candidate))

    def check_same(self):
        """Raises `InputError` where the selection began with other genotypes."""
        folder = self.run.file(workdir.CANDIDATES)
        saved = {path.stem: Genotype.load(path) for path in folder.glob("*.json")}
        received = {each.name: each.genotype for each in self.candidates}
        # One that was killed while it wrote them has not trained anything.
        if any(received.get(name) != genotype for name, genotype in saved.items()):
            raise InputError(
                f"The selection in '{self.run.path}' began with other genotypes: "
                f"{', '.join(sorted(saved))}; received {', '.join(sorted(received))}. "
                "Give those it began with, in their order, or another --workdir."
            )

    def trainings(self):
        """Returns `(candidate, number)` of all trainings, in their order.

        Every genotype is trained once before one is trained again.
        """
        return [
            (candidate, number)
            for number in range(self.config.seeds)
            for candidate in self.candidates
        ]

    def genotype_path(self, candidate):
        """Returns the path of the genotype of a candidate."""
        return self.run.file(workdir.CANDIDATES) / f"{candidate.name}.json"

    def training(self, candidate, number):
        """Returns the `RunDirectory` of a training."""
        name = f"{candidate.name}-seed{self.config.seed + number}"
        return RunDirectory(self.run.file(workdir.TRAININGS) / name)

    def is_done(self, candidate, number):
        """Returns whether a training is finished."""
        run = self.training(candidate, number)
        return run.file(workdir.VALIDATION).exists() and not run.is_unfinished()

    def progress(self):
        """Returns a sentence: how many trainings are finished, and where."""
        trainings = self.trainings()
        done = sum(self.is_done(*training) for training in trainings)
        verb = "is" if done == 1 else "are"
        return (
            f"{done} of {len(trainings)} trainings {verb} finished in {self.run.path}."
        )

    def result(self):
        """Returns what `selection.json` holds, of finished trainings.

        Returns:
            Dict ready for JSON: `"best"`, the name of the best candidate;
            `"num_examples"`, the held-out images of a training; `"lead"`, how far its
            mean accuracy is ahead of the second, and `"standard_error"`, how far
            accuracies on so many images would differ by chance; and
            `"candidates"`, a list of dicts, the best first: `"name"`, `"origin"`,
            `"parameters"`, `"mean"`, `"std"` (None of one training), `"scores"`, the
            accuracy of each training on its held-out images.
        """
        measured = [self._measure(candidate) for candidate in self.candidates]
        ranked = sorted(measured, key=lambda each: -each["mean"])
        first, second = (each["mean"] for each in ranked[:2])
        num_examples = self._validation(self.candidates[0], 0)["num_examples"]
        return {
            "best": ranked[0]["name"],
            "num_examples": num_examples,
            "lead": first - second,
            "standard_error": standard_error(
                (first, second), num_examples * self.config.seeds
            ),
            "candidates": ranked,
        }

    def _validation(self, candidate, number):
        return self.training(candidate, number).read_json(workdir.VALIDATION)

    def _measure(self, candidate):
        seeds = range(self.config.seeds)
        found = [self._validation(candidate, number) for number in seeds]
        scores = [each["accuracy"] for each in found]
        return {
            "name": candidate.name,
            "origin": candidate.origin,
            "parameters": found[0]["parameters"],
            "mean": statistics.fmean(scores),
            "std": statistics.stdev(scores) if len(scores) > 1 else None,
            "scores": scores,
        }


def standard_error(accuracies, num_examples):
    """Returns how far accuracies, each on so many images, differ by chance.

    The standard error of their difference, as if the images of both were different
    ones: an upper limit, since they are the same.
    """
    variances = (share * (1 - share) / num_examples for share in accuracies)
    return math.sqrt(sum(variances))


def describe_selection(result):
    """Returns the table of a selection as text for the terminal."""
    width = max(len(each["name"]) for each in result["candidates"])
    lines = [f"{'genotype':<{width}}  {'accuracy':>16}  {'parameters':>11}  trainings"]
    for each in result["candidates"]:
        spread = "" if each["std"] is None else f" ± {each['std']:.2%}"
        scores = " ".join(f"{score:.2%}" for score in each["scores"])
        shown = f"{each['mean']:.2%}{spread}"
        parameters = f"{each['parameters']:,}"
        lines.append(
            f"{each['name']:<{width}}  {shown:>16}  {parameters:>11}  {scores}"
        )
    lead, error = 100 * result["lead"], 100 * result["standard_error"]
    lines += [
        "",
        f"Accuracy on {result['num_examples']:,} held-out training images.",
        f"Best: {result['best']}, {lead:.2f} points ahead; by chance alone, accuracies "
        f"on so many images differ by about {error:.2f} (one standard error).",
    ]
    return "\n".join(lines)
