"""What the values of a gate are over many images: mean, spread, by class."""

import numpy as np

NUM_BINS = 20  # Of the histograms, from 0 to 1.


class GateStatistics:
    """Counts the values of a gate, batch by batch.

    Args:
        shape: `(height, width, channels)` of the gate.
        num_classes: Integer.
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
        self.total += values.sum(axis=0)
        self.squares += (values**2).sum(axis=0)
        np.add.at(self.examples, labels, 1)
        np.add.at(self.class_totals, labels, values.mean(axis=(1, 2)))
        bins = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        places = labels[:, np.newaxis] * NUM_BINS + bins.reshape(len(labels), -1)
        counts = np.bincount(places.ravel(), minlength=self.histogram.size)
        self.histogram += counts.reshape(self.histogram.shape)

    def mean(self):
        """Returns the mean gate, `(height, width, channels)`."""
        return self.total / self.examples.sum()

    def class_means(self):
        """Returns the mean of each channel by class, NaN for a class without images.

        Array `(num_classes, channels)`.
        """
        seen = np.where(self.examples > 0, self.examples, np.nan)
        return self.class_totals / seen[:, np.newaxis]

    def class_shares(self):
        """Returns how often values fall into each bin, by class.

        Array `(num_classes, NUM_BINS)`, each row of which adds up to 1, or is NaN
        for a class without images.
        """
        counts = self.histogram.sum(axis=1, keepdims=True)
        return self.histogram / np.where(counts > 0, counts, np.nan)

    def of_all_classes(self):
        """Returns the same statistics of one class that holds all images."""
        merged = GateStatistics(self.shape, num_classes=1)
        merged.examples = self.examples.sum(keepdims=True)
        merged.class_totals = self.class_totals.sum(axis=0, keepdims=True)
        merged.histogram = self.histogram.sum(axis=0, keepdims=True)
        merged.total, merged.squares = self.total, self.squares
        return merged

    def summary(self):
        """Returns numbers ready for JSON.

        Returns:
            Dict with `"mean"` and `"std"` of all values, and `"std_between_images"`,
            the standard deviation over the images of one value, which is 0 for a gate
            that no image changes (root mean square over the values of the gate).
        """
        count = self.examples.sum()
        mean = self.mean()
        # Rounding can make them negative where all values are equal.
        between = np.maximum(self.squares / count - mean**2, 0)
        overall = max(self.squares.mean() / count - mean.mean() ** 2, 0)
        return {
            "mean": float(mean.mean()),
            "std": float(np.sqrt(overall)),
            "std_between_images": float(np.sqrt(between.mean())),
        }
