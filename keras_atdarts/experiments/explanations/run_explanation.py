"""The explanation of a retraining: maps, gates over the data, worth of attention."""

import functools

import numpy as np
import tensorflow as tf

from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.images import normalize
from keras_atdarts.data.splits import hold_out
from keras_atdarts.experiments.explanations import explained_images
from keras_atdarts.experiments.explanations.attention_worth import measure_worth
from keras_atdarts.experiments.explanations.attention_worth import replacement_groups
from keras_atdarts.experiments.explanations.contact_sheets import columns_of_network
from keras_atdarts.experiments.explanations.contact_sheets import explain_images
from keras_atdarts.experiments.explanations.gate_statistics import gate_numbers
from keras_atdarts.experiments.explanations.gate_statistics import read_statistics
from keras_atdarts.experiments.explanations.gates import derived_cells
from keras_atdarts.experiments.explanations.gates import find_gates
from keras_atdarts.experiments.explanations.gates import gate_reader
from keras_atdarts.experiments.explanations.gates import gate_replacer
from keras_atdarts.experiments.explanations.grad_cam import class_activations
from keras_atdarts.experiments.reports.charts import thinned
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import trained_config
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.export import resize_as_for_tests

NO_ATTENTION = (
    "The network has no attention: Grad-CAM alone explains it, and no worth of "
    "attention can be measured."
)
UNFINISHED = "The training is not finished: this is its network after the last epoch."
MOST_CLASSES = 100  # With more classes, the numbers of gates are over all classes.


class TrainedRun:
    """A retraining from `open_trained_run`, opened to be explained.

    Raises:
        InputError: Something in it is missing, damaged, or does not fit the rest.
    """

    def __init__(self, run):
        self.run = run
        self.config, self.description = trained_config(run)
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
        """Loads the data set, which images and numbers come from."""
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
        _, held_out = hold_out(count, self.config.held_out, self.config.seed)
        return "train", held_out

    def read_images(self, names):
        """Returns the `ExplainedImage`s of files, in the size of the network."""
        num_channels = self.description["image_shape"][-1]
        images = explained_images.read_images(names, num_channels)
        sizes = (resize_as_for_tests(each.pixels, self.description) for each in images)
        return [
            image._replace(pixels=np.asarray(pixels))
            for image, pixels in zip(images, sizes, strict=True)
        ]

    def choose_images(self, count):
        """Returns images of the data set, as `ExplainedImage`s."""
        split, positions = self.judged_part()
        # A data set may be sorted by class: from all over it, several are shown.
        chosen = positions[thinned(len(positions), count)]
        return explained_images.examples_of(self.dataset, split, chosen)


def draw_maps(trained, images, folder):
    """Draws where the network of a `TrainedRun` looks; see `explain_images`."""
    activate = class_activations(trained.network, derived_cells(trained.network))
    data = trained.description

    def look(pixels):
        batch = normalize(np.stack(pixels), data["mean"], data["std"])
        logits, tensors = trained.read_gates(batch)
        probabilities = tf.nn.softmax(np.asarray(logits, "float64")).numpy()
        activations = activate(batch, np.argmax(probabilities, axis=-1))
        arrays = [list(map(np.asarray, each)) for each in (tensors, activations)]
        return probabilities, columns_of_network(trained.gates, *arrays)

    return explain_images(images, look, trained.class_names, folder)


def measure_gates(trained, num_examples, batch_size, folder, watch):
    """Reads all gates over the data, and measures what they are worth.

    Args:
        trained: `TrainedRun` with its data set.
        num_examples: Integer, how many images, drawn by chance, at most.
        batch_size: Integer.
        folder: Path of the directory to which pictures of the gates are written.
        watch: Function from batches, and the number of their images, to the same
            batches. It can show the progress of the long part of the work.

    Returns:
        Dict ready for JSON: `"examples"`, the images; `"gates"`, see `gate_numbers`;
        and `"worth"`, see `measure_worth`.
    """
    split, positions = trained.judged_part()
    chosen = explained_images.sample(positions, num_examples)
    names = trained.class_names
    if len(names) > MOST_CLASSES:
        names = ["all classes"]

    def batches():
        return evaluation_batches(trained.dataset, split, batch_size, chosen)

    statistics = read_statistics(trained.read_gates, batches(), len(names))
    means = [each.mean()[np.newaxis] for each in statistics]
    worth = measure_worth(
        gate_replacer(trained.network, trained.gates, means),
        replacement_groups(trained.gates),
        watch(batches(), len(chosen)),
    )
    return {
        "examples": {"split": split, "count": len(chosen), "of": len(positions)},
        "gates": gate_numbers(trained.gates, statistics, names, folder),
        "worth": worth,
    }
