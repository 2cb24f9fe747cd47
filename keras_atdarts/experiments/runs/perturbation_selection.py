"""The epochs after a search in which its genotype is selected (DARTS-PT).

They are epochs like those before: recorded, saved in checkpoints, and gone on with
after a stop.
"""

import keras
import numpy as np

from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.genotypes.names import source_name
from keras_atdarts.search.mixing_evaluation import MixingEvaluation
from keras_atdarts.search.selection import Decision
from keras_atdarts.search.selection import Measured
from keras_atdarts.search.selection import PerturbationSelection
from keras_atdarts.search.selection import plan_rounds

PERTURBATION = "perturbation"
NUM_NODES = 4  # Of the supernets that searches train: the default of `Supernet`.


def selection_epochs(tuning_epochs):
    """Returns the epochs between the first and the last round of a selection."""
    return tuning_epochs * (len(plan_rounds(NUM_NODES)) - 1)


class SelectionRounds(keras.callbacks.Callback):
    """Decides a round before every few epochs, and keeps what was measured.

    `decisions.json` in the run's directory has an entry for each round: the epoch that
    it precedes, counted from 0, and its decisions. Rounds that a resumed search has no
    checkpoint of are dropped, and decided again.

    Args:
        selection: `PerturbationSelection`.
        run: `RunDirectory`.
        first_epoch: Integer, which the first round precedes.
        tuning_epochs: Integer, the epochs between two rounds.
        steps_per_epoch: Integer.
        step: Integer, the steps that are done already.

    Raises:
        InputError: The file is there and does not hold decisions.
    """

    def __init__(
        self, selection, run, first_epoch, tuning_epochs, steps_per_epoch, step
    ):
        super().__init__()
        self.selection = selection
        self.run = run
        self.first_epoch = first_epoch
        self.tuning_epochs = tuning_epochs
        saved = run.read_optional_json(workdir.DECISIONS) or []
        try:
            self.rounds = [x for x in saved if x["epoch"] * steps_per_epoch < step]
            for each in self.rounds:
                for decision in each["decisions"]:
                    selection.follow(decision_from_dict(decision))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"'{run.file(workdir.DECISIONS)}' is damaged: expected the decisions "
                "of the rounds that are done. Start the run again, with --overwrite in "
                "place of --resume."
            ) from error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch < self.first_epoch:
            return
        if not self.selection.is_in_force:
            self.selection.put_in_force()
            self.model.make_train_function(force=True)
        number, rest = divmod(epoch - self.first_epoch, self.tuning_epochs)
        if rest == 0 and number == len(self.rounds):
            self.decide(epoch)

    def decide(self, epoch):
        """Decides the next round, before an epoch."""
        number = len(self.rounds)
        print(f"Selection, round {number + 1} of {self.selection.num_rounds}:")
        decisions = self.selection.decide(number)
        for decision in decisions:
            print(f"  {describe_decision(decision)}", flush=True)
        entry = {"epoch": epoch, "decisions": list(map(decision_to_dict, decisions))}
        self.rounds.append(entry)
        self.run.write_json(workdir.DECISIONS, self.rounds)

    def finish(self):
        """Decides the last round, after all epochs; returns the genotype."""
        self.selection.put_in_force()
        if len(self.rounds) < self.selection.num_rounds:
            self.decide(self.first_epoch + selection_epochs(self.tuning_epochs))
        return self.selection.genotype()


def make_selection_rounds(config, supernet, dataset, indices, steps, training):
    """Returns the `SelectionRounds` of a search, or None where alphas decide.

    Args:
        config: `SearchConfig`.
        supernet: The compiled `Supernet`.
        dataset: `ImageDataset`.
        indices: Array of the positions of the images for alphas.
        steps: Integer, of an epoch.
        training: `Training`, which is ready.
    """
    if config.selection != PERTURBATION:
        return None
    chosen = images_to_measure(indices, config)
    batches = evaluation_batches(dataset, "train", config.batch_size, chosen)
    with training.workers.strategy.scope():
        selection = PerturbationSelection(
            supernet.alphas, MixingEvaluation(supernet, batches), config.seed
        )
    first, step = config.epochs, training.checkpointing.step
    tuning = config.selection_tuning_epochs
    return SelectionRounds(selection, training.run, first, tuning, steps, step)


def images_to_measure(indices, config):
    """Returns the sorted positions of the images that measure an accuracy.

    They are whole batches, drawn by the seed: the first images of a folder may all be
    of one class.

    Args:
        indices: Array of the positions of the images for alphas, of a batch or more.
        config: `SearchConfig`.
    """
    wanted = min(config.selection_images or len(indices), len(indices))
    count = max(1, wanted // config.batch_size) * config.batch_size
    drawn = np.random.default_rng(config.seed).permutation(indices)[:count]
    return np.sort(drawn)


def describe_decision(decision):
    """Returns a decision in one line, the candidates by what is lost without them."""
    is_of_node = decision.source is None
    shown = source_name if is_of_node else str
    ranked = sorted(decision.measured.items(), key=lambda item: item[1].worth)
    without = ", ".join(f"{shown(name)} {each.accuracy:.2%}" for name, each in ranked)
    place = f"node {decision.node}"
    if not is_of_node:
        place += f" <- {source_name(decision.source)}"
    chosen = " and ".join(map(shown, decision.chosen))
    return f"{decision.cell_type}, {place}: {chosen} (accuracy without it: {without})"


def decision_to_dict(decision):
    """Returns a `Decision` ready for JSON: candidates are text."""
    measured = {str(name): each._asdict() for name, each in decision.measured.items()}
    return {**decision._asdict(), "measured": measured}


def decision_from_dict(values):
    """Returns the `Decision` that `decision_to_dict` (through JSON) came from."""
    is_of_node = values["source"] is None
    measured = {
        int(name) if is_of_node else name: Measured(**each)
        for name, each in values["measured"].items()
    }
    chosen = tuple(values["chosen"])
    return Decision(**{**values, "measured": measured, "chosen": chosen})
