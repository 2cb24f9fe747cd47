"""The gates over many images, as numbers and as pictures."""

import numpy as np

from keras_atdarts.experiments.explanations import sheets
from keras_atdarts.experiments.explanations.looks import has_pixels
from keras_atdarts.experiments.explanations.statistics import GateStatistics

PANEL_WIDTH = 420  # Pixels, of about so much are the tables of a channel gate.
PANEL_HEIGHT = 200
# Of more classes, the numbers are those of all classes together.
MOST_CLASSES = 100


def read_statistics(read, batches, num_classes):
    """Returns the `GateStatistics` of each gate.

    Args:
        read: Function from `gate_reader`.
        batches: Iterable of `(images, labels)`.
        num_classes: Integer.
    """
    statistics = None
    for images, labels in batches:
        _, tensors = read(images)
        if statistics is None:
            statistics = [
                GateStatistics(tensor.shape[1:], num_classes) for tensor in tensors
            ]
        for each, tensor in zip(statistics, tensors, strict=True):
            each.update(tensor, labels)
    return statistics


def gate_numbers(gates, statistics, class_names, folder):
    """Returns what gates are over the data, and draws them.

    Args:
        gates: List of `PlacedGate`.
        statistics: List of the `GateStatistics` of each.
        class_names: Sequence of strings.
        folder: Path of the directory to which the pictures are written.

    Returns:
        List of dicts ready for JSON: where the gate is, its `"shape"`, the numbers of
        `GateStatistics.summary`, the `"picture"`, and of a gate
        - with pixels: `"mean_map"`, the mean of each, which the picture shows;
        - of channels only: `"channel_means"` and `"shares"`, how often its values fall
          into each twentieth from 0 to 1, both by `"classes"`, which the picture shows
          beside each other. Of very many classes they are of all together.
        `"low"` and `"high"` are the means at the two ends of the picture's colours.
    """
    return [
        {
            "name": gate.name,
            "cell": gate.cell,
            "cell_type": gate.cell_type,
            "node": gate.node,
            "edge": gate.edge,
            "source": gate.source,
            "operation": gate.operation,
            "attention": gate.attention,
            "shape": list(each.shape),
            **each.summary(),
            **shown_over_data(each, class_names, folder / f"gate_{index:03}.png"),
        }
        for index, (gate, each) in enumerate(zip(gates, statistics, strict=True))
    ]


def shown_over_data(statistics, class_names, path):
    """Draws a gate; returns the name of the picture and the numbers that it shows."""
    if has_pixels(statistics.mean()):
        return {"picture": path.name, **draw_mean_map(statistics, path)}
    if len(class_names) > MOST_CLASSES:
        statistics = statistics.of_all_classes()
        class_names = ["all classes"]
    return {"picture": path.name, **draw_channels(statistics, class_names, path)}


def draw_mean_map(statistics, path):
    """Draws the mean of a spatial gate over the images, from its lowest to highest."""
    mean = statistics.mean().mean(axis=-1)
    shown, low, high = sheets.on_scale(mean)
    enlarged = sheets.upsampled(shown, sheets.tile_size(mean.shape))
    sheets.write_picture(path, sheets.colours(enlarged))
    return {"low": low, "high": high, "mean_map": rounded(mean)}


def draw_channels(statistics, class_names, path):
    """Draws a channel gate: its mean by class and channel, its values by class."""
    means, shares = statistics.class_means(), statistics.class_shares()
    shown_means, low, high = sheets.on_scale(means)
    height = max(2, min(24, PANEL_HEIGHT // len(class_names)))
    panels = [
        sheets.heat_map(each, height, max(1, PANEL_WIDTH // each.shape[1]))
        for each in (shown_means, shares / np.nanmax(shares))
    ]
    gap = np.full((panels[0].shape[0], 2 * sheets.GAP, 3), sheets.WHITE, np.uint8)
    sheets.write_picture(path, np.concatenate([panels[0], gap, panels[1]], axis=1))
    return {
        "low": low,
        "high": high,
        "classes": list(class_names),
        "channel_means": rounded(means),
        "shares": rounded(shares),
    }


def rounded(values):
    """Returns an array as lists of numbers with four digits; NaN becomes None."""
    if np.ndim(values):
        return [rounded(each) for each in values]
    return None if np.isnan(values) else round(float(values), 4)
