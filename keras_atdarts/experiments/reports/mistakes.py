"""The test images that a network takes for something else, worst first."""

import base64

import numpy as np
import tensorflow as tf

from keras_atdarts.data.images import scale

LONGEST_SIDE = 96  # Pixels of a picture on the page.


class Mistakes:
    """Keeps the worst-classified of the images that it is shown.

    The worst are those to whose class the network gives the least probability
    among those that it takes for another one.

    Args:
        count: Integer, how many to keep.
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
        probabilities = softmax(np.asarray(logits, "float64"))
        rows = np.arange(len(labels))
        predicted = np.argmax(probabilities, axis=-1)
        found = [
            {
                "image": int(self.seen + row),
                "label": int(labels[row]),
                "predicted": int(predicted[row]),
                "probability_of_label": float(probabilities[row, labels[row]]),
                "probability_of_predicted": float(probabilities[row, predicted[row]]),
            }
            for row in rows[predicted != labels]
        ]
        self.seen += len(labels)
        found = sorted(self.worst + found, key=lambda one: one["probability_of_label"])
        self.worst = found[: self.count]


def softmax(logits):
    """Returns the probabilities for logits `(batch, num_classes)`."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def read_pictures(dataset, positions):
    """Returns images of a data set, ready to stand in a page.

    Args:
        dataset: `ImageDataset`.
        positions: List of positions among the test images.

    Returns:
        List of URIs that contain a PNG each, in the order of the positions.
    """
    if not positions:
        return []
    stored = sorted(set(positions))
    images = [image for image, _ in dataset.read("test", stored).as_numpy_iterator()]
    pictures = dict(zip(stored, map(data_uri, images), strict=True))
    return [pictures[position] for position in positions]


def data_uri(image):
    """Returns a URI that contains an image, made small if it is large.

    Args:
        image: Array `uint8` of shape `(height, width, channels)`.
    """
    longest = max(image.shape[:2])
    if longest > LONGEST_SIDE:
        size = [max(1, round(n * LONGEST_SIDE / longest)) for n in image.shape[:2]]
        image = scale(image, size)
    content = base64.b64encode(tf.io.encode_png(image).numpy()).decode("ascii")
    return f"data:image/png;base64,{content}"
