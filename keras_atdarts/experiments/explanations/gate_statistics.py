"""The values of gates over many images: mean, spread, by class, as pictures."""

import numpy as np

from keras_atdarts.experiments.explanations import pictures
from keras_atdarts.experiments.explanations.contact_sheets import has_pixels

NUM_BINS = 20  # Of the histograms, from 0 to 1.
PANEL_WIDTH, PANEL_HEIGHT = 420, 200  # Pixels, about, of a table of a channel gate.


class GateStatistics:
    """Counts the values of a gate, batch by batch.

    Args:
        shape: `(height, width, channels)` of the gate.
        num_classes: Integer. With 1, all images belong to the same class.
    """

    def __init__(self, shape, num_classes):
        self.shape = tuple(shape)
        self.examples = np.zeros(num_classes, np.int64)
        self.class_totals = np.zeros((num_classes, shape[-1]))
        self.histogram = np.zeros((num_classes, NUM_BINS), np.int64)
        self.total = np.zeros(self.shape)
        self.squares = np.zeros(self.shape)

    def update(self, values, labels):
        """Counts a batch.

        Args:
            values: Array `(batch, *shape)`, between 0 and 1.
            labels: Integer array `(batch,)`, the classes.
        """
        values = np.asarray(values, "float64")
        labels = np.asarray(labels)
        if len(self.examples) == 1:
            labels = np.zeros_like(labels)
        self.total += values.sum(axis=0)
        self.squares += (values**2).sum(axis=0)
        np.add.at(self.examples, labels, 1)
        np.add.at(self.class_totals, labels, values.mean(axis=(1, 2)))
        bins = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        places = labels[:, np.newaxis], bins.reshape(len(bins), -1)
        np.add.at(self.histogram, places, 1)

    def mean(self):
        """Returns the mean gate, `(height, width, channels)`."""
        return self.total / self.examples.sum()

    def class_means(self):
        """Returns the mean of each channel by class, `(num_classes, channels)`.

        A class without images has NaN.
        """
        seen = np.where(self.examples > 0, self.examples, np.nan)
        return self.class_totals / seen[:, np.newaxis]

    def class_histograms(self):
        """Returns how often values fall into each bin, `(num_classes, NUM_BINS)`.

        Each row adds up to 1; that of a class without images is NaN.
        """
        counts = self.histogram.sum(axis=1, keepdims=True)
        return self.histogram / np.where(counts > 0, counts, np.nan)

    def summary(self):
        """Returns numbers ready for JSON.

        Returns:
            Dict with `"mean"` and `"std"` of all values, and `"std_between_images"`:
            the standard deviation of one value over the images (root mean square over
            the values of the gate). It is 0 for a gate that is the same for all images.
        """
        count = self.examples.sum()
        mean = self.mean()
        # Rounding can make variances negative where all values are equal.
        between = np.maximum(self.squares / count - mean**2, 0)
        overall = max(self.squares.mean() / count - mean.mean() ** 2, 0)
        return {
            "mean": float(mean.mean()),
            "std": float(np.sqrt(overall)),
            "std_between_images": float(np.sqrt(between.mean())),
        }


def read_statistics(read, batches, num_classes):
    """Returns the `GateStatistics` of each gate that a `gate_reader` reads."""
    statistics = None
    for images, labels in batches:
        _, tensors = read(images)
        if statistics is None:
            shapes = [tensor.shape[1:] for tensor in tensors]
            statistics = [GateStatistics(shape, num_classes) for shape in shapes]
        for each, tensor in zip(statistics, tensors, strict=True):
            each.update(tensor, labels)
    return statistics


def gate_numbers(gates, statistics, class_names, folder):
    """Returns the numbers of gates over the data, and draws them.

    Args:
        gates: List of `PlacedGate`.
        statistics: List of the `GateStatistics` of each.
        class_names: Sequence of strings, the classes of the statistics.
        folder: Path of the directory to which the pictures are written.

    Returns:
        List of dicts ready for JSON: the place of the gate, its `"shape"`, the numbers
        of `GateStatistics.summary`, the `"picture"`, and what it shows:
        - of a gate with pixels, `"mean_map"`: the mean of each pixel;
        - of a gate of channels only, by `"classes"`: `"channel_means"`, and
          `"shares"`, how often its values fall into each twentieth from 0 to 1.
        The picture's colours go from the mean `"low"` to the mean `"high"`.
    """
    numbers = []
    for index, (gate, each) in enumerate(zip(gates, statistics, strict=True)):
        path = folder / f"gate_{index:03}.png"
        if has_pixels(each.mean()):
            shown = draw_mean_map(each, path)
        else:
            shown = draw_channels(each, class_names, path)
        place = {"name": gate.name, **gate._asdict(), "attention": gate.attention}
        del place["layer"]
        drawn = {"picture": path.name, **shown}
        numbers.append({**place, "shape": list(each.shape), **each.summary(), **drawn})
    return numbers


def draw_mean_map(statistics, path):
    """Draws the mean of a spatial gate over the images; returns its numbers."""
    mean = statistics.mean().mean(axis=-1)
    shown, low, high = pictures.on_scale(mean)
    enlarged = pictures.upsampled(shown, pictures.tile_size(mean.shape))
    pictures.write_picture(path, pictures.colours(enlarged))
    return {"low": low, "high": high, "mean_map": rounded(mean)}


def draw_channels(statistics, class_names, path):
    """Draws means by class and channel, and values by class; returns the numbers."""
    means, frequencies = statistics.class_means(), statistics.class_histograms()
    shown_means, low, high = pictures.on_scale(means)
    height = max(2, min(24, PANEL_HEIGHT // len(class_names)))
    left, right = (
        pictures.heat_map(each, height, max(1, PANEL_WIDTH // each.shape[1]))
        for each in (shown_means, frequencies / np.nanmax(frequencies))
    )
    gap = np.full((len(left), 2 * pictures.GAP, 3), pictures.WHITE, np.uint8)
    pictures.write_picture(path, np.concatenate([left, gap, right], axis=1))
    return {
        "low": low,
        "high": high,
        "classes": list(class_names),
        "channel_means": rounded(means),
        "shares": rounded(frequencies),
    }


def rounded(values):
    """Returns an array as lists of numbers with four digits; NaN becomes None."""
    return np.where(np.isnan(values), None, np.round(values, 4)).tolist()
