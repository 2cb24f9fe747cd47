"""What the network of a retraining does with the test images."""

import base64

import numpy as np
import tensorflow as tf

from keras_atdarts.data.images import scale
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.reports.records import note
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.trained import evaluate_network
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network
from keras_atdarts.experiments.runs.trained import trained_config

BATCH_SIZE = 100
LONGEST_SIDE = 96  # Pixels of a picture on the page.
HELD_OUT_REASON = (
    "This training is judged by held-out training images. Its test images are left "
    "alone, so that nobody chooses by them."
)


def judge(record, num_images, classify=True):
    """Returns the evaluation of a retraining and its worst-classified images.

    Args:
        record: `RunRecord` of a retraining.
        num_images: Integer, how many of these images.
        classify: Boolean, whether the network classifies the test images now. If
            not, or if it cannot, the evaluation is what `evaluation.json` holds.

    Returns:
        Dict with `"evaluation"` (None where there is none), `"worst_images"`, see
        `Mistakes`, with the names of the classes, and `"notices"`, a list
        that says what is missing; and the list of URIs of these images.
    """
    if record.config.get("held_out"):
        return stored(record, HELD_OUT_REASON)
    if not classify:
        return stored(record, "The test images were not classified for this report.")
    if not record.run.file(workdir.NETWORK).exists():
        return stored(record, "There is no trained network yet.")
    try:
        config, description = trained_config(record.run)
        dataset = load_dataset_of_run(config, description)
        mistakes = Mistakes(num_images)
        evaluation = evaluate_network(
            load_network(record.run), dataset, BATCH_SIZE, mistakes.observe
        )
    except InputError as error:
        return stored(record, f"The test images cannot be classified: {error}")
    worst, names = mistakes.worst, dataset.class_names
    pictures = read_pictures(dataset, [one["image"] for one in worst])
    worst = [
        {**one, **{key: names[one[key]] for key in ("label", "predicted")}}
        for one in worst
    ]
    return {"evaluation": evaluation, "worst_images": worst, "notices": []}, pictures


def stored(record, reason):
    """Returns what `judge` does where no image is classified, and for what reason."""
    evaluation = record.evaluation
    instead = (
        "Confusion matrix, accuracy and the worst images are left out."
        if evaluation is None
        else "Confusion matrix and accuracy are those of evaluation.json; the worst "
        "images are left out."
    )
    notices = [note(f"{reason} {instead}")]
    return {"evaluation": evaluation, "worst_images": [], "notices": notices}, []


class Mistakes:
    """Keeps the `count` worst-classified of the images that it is shown.

    An image counts if the network takes it for another class. It is the worse, the
    less probability the network gives to its true class.
    """

    def __init__(self, count):
        self.count = count
        self.seen = 0
        self.worst = []  # Dicts, the worst first.

    def observe(self, labels, logits):
        """Looks at the next images.

        Args:
            labels: Integer array `(batch,)`.
            logits: Array `(batch, num_classes)`.
        """
        probabilities = tf.nn.softmax(np.asarray(logits, "float64")).numpy()
        predicted = np.argmax(probabilities, axis=-1)
        for row in np.flatnonzero(predicted != labels):
            label, instead = int(labels[row]), int(predicted[row])
            self.worst.append(
                {
                    "image": int(self.seen + row),
                    "label": label,
                    "predicted": instead,
                    "probability_of_label": float(probabilities[row, label]),
                    "probability_of_predicted": float(probabilities[row, instead]),
                }
            )
        self.worst.sort(key=lambda one: one["probability_of_label"])
        del self.worst[self.count :]
        self.seen += len(labels)


def read_pictures(dataset, positions):
    """Returns test images at some positions as URIs that contain a PNG each."""
    if not positions:
        return []
    in_order = sorted(positions)  # As the data set is read.
    examples = dataset.read("test", in_order).as_numpy_iterator()
    pictures = [data_uri(image) for image, _ in examples]
    return [pictures[in_order.index(position)] for position in positions]


def data_uri(image):
    """Returns a URI that contains a `uint8` image, made small if it is large."""
    longest = max(image.shape[:2])
    if longest > LONGEST_SIDE:
        size = [max(1, round(n * LONGEST_SIDE / longest)) for n in image.shape[:2]]
        image = scale(image, size)
    content = base64.b64encode(tf.io.encode_png(image).numpy()).decode("ascii")
    return f"data:image/png;base64,{content}"
