"""The explanation of a retraining: looks, gates over the data, worth of attention."""

import functools

import numpy as np
import tensorflow as tf

from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.images import normalize
from keras_atdarts.data.splits import hold_out
from keras_atdarts.experiments.explanations import inputs
from keras_atdarts.experiments.explanations.gates import derived_cells
from keras_atdarts.experiments.explanations.gates import find_gates
from keras_atdarts.experiments.explanations.gates import gate_reader
from keras_atdarts.experiments.explanations.gates import gate_replacer
from keras_atdarts.experiments.explanations.grad_cam import class_activations
from keras_atdarts.experiments.explanations.looks import MOST_ROWS
from keras_atdarts.experiments.explanations.looks import describe_image
from keras_atdarts.experiments.explanations.looks import looks_of_network
from keras_atdarts.experiments.explanations.looks import write_sheets
from keras_atdarts.experiments.explanations.over_data import gate_numbers
from keras_atdarts.experiments.explanations.over_data import read_statistics
from keras_atdarts.experiments.explanations.worth import measure_worth
from keras_atdarts.experiments.explanations.worth import replacement_groups
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.export import resize_as_for_tests

NO_ATTENTION = (
    "The network has no attention: it is explained by Grad-CAM alone, and there is no "
    "worth of attention to measure."
)
UNFINISHED = "The training is not finished: this is its network after the last epoch."


class TrainedRun:
    """A retraining, opened to be explained.

    Args:
        run: `RunDirectory`, from `open_trained_run`.

    Raises:
        InputError: Something in it is missing, damaged, or does not fit the rest.
    """

    def __init__(self, run):
        self.run = run
        self.config, self.description = run.read_config(RetrainConfig)
        self.network = load_network(run)
        genotype = Genotype.load(run.file(workdir.GENOTYPE))
        self.gates = find_gates(self.network, genotype)
        self.class_names = self.description["class_names"]
        self.dataset = None

    @functools.cached_property
    def read_gates(self):
        """The function of `gate_reader`, which takes long to trace."""
        return gate_reader(self.network, self.gates)

    def open_dataset(self):
        """Loads the data set, of which images and numbers come."""
        self.dataset = load_dataset_of_run(self.config, self.description)

    def notices(self):
        """Returns what the reader must know."""
        unfinished = [note(UNFINISHED)] if self.run.is_unfinished() else []
        return unfinished + ([] if self.gates else [note(NO_ATTENTION)])

    def judged_part(self):
        """Returns the split, and the positions in it, that this run is judged by."""
        if not self.config.held_out:
            return "test", np.arange(self.dataset.num_examples("test"))
        count = self.dataset.num_examples("train")
        parts = hold_out(count, self.config.held_out, self.config.seed)
        return "train", parts[1]

    def read_images(self, names):
        """Returns the `ExplainedImage`s of files, in the size of the network."""
        channels = self.description["image_shape"][-1]
        return [
            image._replace(
                pixels=np.asarray(resize_as_for_tests(image.pixels, self.description))
            )
            for image in inputs.read_images(names, channels)
        ]

    def choose_images(self, count):
        """Returns images of the data set, as `ExplainedImage`s."""
        split, positions = self.judged_part()
        return inputs.examples_of(self.dataset, split, inputs.spread(positions, count))


def look_at(trained, images, folder):
    """Draws where a network looks.

    Args:
        trained: `TrainedRun`.
        images: List of `ExplainedImage` in the size of the network.
        folder: Path of the directory to write to.

    Returns:
        Dict ready for JSON: `"images"`, what each is and is taken for, and
        `"sheets"`, see `write_sheets`.
    """
    activate = class_activations(trained.network, derived_cells(trained.network))
    described, drawn = [], []
    for start in range(0, len(images), MOST_ROWS):
        part = images[start : start + MOST_ROWS]
        pixels = [image.pixels for image in part]
        data = trained.description
        batch = normalize(np.stack(pixels), data["mean"], data["std"])
        logits, tensors = trained.read_gates(batch)
        probabilities = tf.nn.softmax(np.asarray(logits, "float64")).numpy()
        activations = activate(batch, np.argmax(probabilities, axis=-1))
        looks = looks_of_network(
            trained.gates, list(map(np.asarray, tensors)), map(np.asarray, activations)
        )
        described += [
            describe_image(image, row, trained.class_names)
            for image, row in zip(part, probabilities, strict=True)
        ]
        drawn += write_sheets(folder, pixels, looks, start)
    return {"images": described, "sheets": drawn}


def measure_gates(trained, num_examples, batch_size, folder, watch=None):
    """Reads all gates over the data, and measures what they are worth.

    Args:
        trained: `TrainedRun` with its data set.
        num_examples: Integer, how many images, drawn by chance, at most.
        batch_size: Integer.
        folder: Path of the directory to which pictures of the gates are written.
        watch: Optional function from the batches, and the number of their images,
            to the same batches, through which the long part of the work is seen.

    Returns:
        Dict ready for JSON: `"examples"`, of which data; `"gates"`, see
        `gate_numbers`; and `"worth"`, see `measure_worth`.
    """
    split, positions = trained.judged_part()
    chosen = inputs.sample(positions, num_examples)

    def batches():
        return evaluation_batches(trained.dataset, split, batch_size, chosen)

    statistics = read_statistics(
        trained.read_gates, batches(), len(trained.class_names)
    )
    means = [each.mean()[np.newaxis] for each in statistics]
    worth = measure_worth(
        gate_replacer(trained.network, trained.gates, means),
        replacement_groups(trained.gates),
        watch(batches(), len(chosen)) if watch else batches(),
    )
    return {
        "examples": {"split": split, "count": len(chosen), "of": len(positions)},
        "gates": gate_numbers(trained.gates, statistics, trained.class_names, folder),
        "worth": worth,
    }
