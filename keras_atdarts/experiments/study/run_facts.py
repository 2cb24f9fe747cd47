"""What the records of one finished run of a study tell beside its accuracy."""

import itertools

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.records import read_columns

SECONDS_OF_AN_HOUR = 3600


def core_hours(run):
    """Returns the hours that a search or a training was on a core, its threads summed.

    Unlike wall-clock time it hardly depends on what else the machine did.

    Args:
        run: `RunDirectory`.

    Returns:
        Float; None where the run has no such record.
    """
    seconds = read_columns(run.file(workdir.RESOURCES)).get("core_seconds")
    if not seconds or None in seconds:
        return None
    return sum(seconds) / SECONDS_OF_AN_HOUR


def unchanged_epochs(run):
    """Returns how many epochs at its end left the genotype of a search as it was.

    Args:
        run: `RunDirectory` of a search.

    Returns:
        Integer, 0 where the last epoch changed it; None where the search has no record.
    """
    epochs = run.read_optional_json(workdir.ALPHAS)
    if not epochs:
        return None
    *earlier, last = [epoch["genotype"] for epoch in epochs]
    same = itertools.takewhile(lambda genotype: genotype == last, reversed(earlier))
    return len(list(same))
