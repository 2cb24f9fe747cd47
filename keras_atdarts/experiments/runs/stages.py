"""The stages of a search, from one to the next of which operations are dropped.

A search without `--stages` has one. Each stage has a supernet and optimizers of its
own; epochs, history and checkpoints go on from one to the next.

Reference:
    Chen, Xie, Wu, Tian, Progressive Differentiable Architecture Search (P-DARTS),
    ICCV 2019, https://arxiv.org/abs/1904.12760, section 3
"""

import dataclasses

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.genotypes.derivation import NONE
from keras_atdarts.genotypes.derivation import SKIP
from keras_atdarts.genotypes.pruning import kept_from_dict
from keras_atdarts.genotypes.pruning import kept_to_dict
from keras_atdarts.genotypes.pruning import strongest_operations

SEED_STRIDE = 1_000_003  # Between the seeds of stages; those of users lie closer.


@dataclasses.dataclass(frozen=True)
class SearchStage:
    """One stage of a search.

    Args:
        config: The `SearchConfig` of the search.
        number: Integer, from 0.
        kept: What `strongest_operations` has left; None in the first stage.
    """

    config: object
    number: int = 0
    kept: dict = None

    @property
    def first_epoch(self):
        """The first of its epochs, counted from 0."""
        return self.number * self.config.epochs

    @property
    def end(self):
        """The epoch that it ends before; the last one includes a selection."""
        is_last = self.number + 1 == self.config.num_stages
        last = self.first_epoch + self.config.epochs
        return self.config.total_epochs if is_last else last

    @property
    def num_cells(self):
        """The cells of its supernet."""
        cells = self.config.stage_cells
        return self.config.num_cells if cells is None else cells[self.number]

    @property
    def seed(self):
        """The seed that its weights and alphas begin with."""
        return (self.config.seed + self.number * SEED_STRIDE) % 2**32

    def after(self, alphas):
        """Returns the next stage, or None after the last one.

        Args:
            alphas: Labelled alphas, at the end of this stage.
        """
        if self.number + 1 == self.config.num_stages:
            return None
        count = self.config.stages[self.number]
        kept = strongest_operations(alphas, count, self.config.sampler)
        return SearchStage(self.config, self.number + 1, kept)

    def begin(self, steps_per_epoch, training):
        """Records the stage, and says which it is, where a search has several.

        Args:
            steps_per_epoch: Integer.
            training: `Training`, whose directory is made.
        """
        if self.config.stages is None:
            return
        training.workers.check_same(str(self.kept), "operations kept")
        if training.workers.is_chief:
            self._record(training.run, steps_per_epoch)
        operations = ""
        if self.number:
            count = self.config.stages[self.number - 1]
            operations = f", {count} operations on every edge"
        print(
            f"Stage {self.number + 1} of {self.config.num_stages}: epochs "
            f"{self.first_epoch + 1} to {self.end}, {self.num_cells} cells{operations}."
        )

    def _record(self, run, steps_per_epoch):
        earlier = run.read_optional_json(workdir.STAGES) or []
        entry = {
            "first_epoch": self.first_epoch,
            "num_cells": self.num_cells,
            "steps_per_epoch": steps_per_epoch,
            "kept": self.kept and kept_to_dict(self.kept),
        }
        run.write_json(workdir.STAGES, [*earlier[: self.number], entry])


def first_stage(config, run, step, steps_per_epoch):
    """Returns the stage that a search begins with, or goes on in.

    After the last step of a stage it goes on in that one: what the next one keeps is
    found anew, of the same alphas.

    Args:
        config: `SearchConfig`.
        run: `RunDirectory`.
        step: Integer, the steps that are done.
        steps_per_epoch: Integer.

    Raises:
        InputError: What was kept is not in the run's directory.
    """
    number = max(0, step - 1) // (config.epochs * steps_per_epoch)
    number = min(number, config.num_stages - 1)  # A selection has epochs beyond.
    if number == 0:
        return SearchStage(config)
    entries = run.read_json(workdir.STAGES)
    try:
        return SearchStage(config, number, kept_from_dict(entries[number]["kept"]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"'{run.file(workdir.STAGES)}' is damaged: expected the operations that "
            f"stage {number + 1} has kept. Start the run again with --overwrite in the "
            "place of --resume."
        ) from error


def check_stage_operations(config, operations):
    """Raises `InputError` where stages do not fit the operations of a search.

    Args:
        config: `SearchConfig`.
        operations: Tuple of the names of the operations that an edge chooses from,
            without attention that follows them.
    """
    if config.stages is None:
        return
    shown = f"--stages {show_value(config.stages)}"
    if config.stages[0] >= len(operations):
        raise InputError(
            f"{shown} would drop nothing after the first stage, whose edges have "
            f"{len(operations)} operations: {', '.join(operations)}. Begin with a "
            "lower number."
        )
    limited = [name for name in (NONE, SKIP) if name in operations]
    is_limited = config.max_skip_connections is not None
    if is_limited and config.stages[-1] <= len(limited):
        raise InputError(
            f"{shown} could leave an edge with {' and '.join(limited)} alone, which "
            f"--max-skip-connections may not let a cell have. Keep at least "
            f"{len(limited) + 1} operations, or leave the limit out."
        )
