"""Maps of where a network looks, and the sheets that show them."""

from typing import NamedTuple

import numpy as np

from keras_atdarts.experiments.explanations import sheets

MOST_ROWS, MOST_COLUMNS = 12, 8  # Of a sheet, without the column of the images.

SPATIAL_GATE = "spatial gate"
GRAD_CAM = "Grad-CAM"
OCCLUSION = "occlusion"


class Look(NamedTuple):
    """What one part of a network makes of some images.

    Args:
        title: String, the gate or the cell.
        kind: String, one of the constants above.
        maps: List of an array `(height, width)` for each image.
    """

    title: str
    kind: str
    maps: list


class ShownLook(NamedTuple):
    """A `Look` whose maps are brought to 0 to 1, the two ends of the colours.

    Args:
        title: As in `Look`.
        kind: As in `Look`.
        maps: As in `Look`.
        low: Float, what has the colour of 0; None where each map has its own scale.
        high: The same for 1.
    """

    title: str
    kind: str
    maps: list
    low: float = None
    high: float = None


def on_one_scale(look):
    """Returns the `ShownLook` whose images can be compared: gates."""
    maps, low, high = sheets.on_scale(np.stack(look.maps))
    return ShownLook(look.title, look.kind, list(maps), low, high)


def each_on_its_own(look, least_maximum):
    """Returns the `ShownLook` whose maps go from 0 to the maximum of each.

    Args:
        look: `Look`.
        least_maximum: Float. A lower maximum does not get the colour of 1.
    """
    maps = [
        np.maximum(values, 0) / max(np.max(values), least_maximum)
        for values in look.maps
    ]
    return ShownLook(look.title, look.kind, maps)


def shown_look(look):
    """Returns the `ShownLook` of a `Look`."""
    if look.kind == SPATIAL_GATE:
        return on_one_scale(look)
    if look.kind == OCCLUSION:
        return each_on_its_own(look, sheets.SMALLEST_SPAN)
    # Grad-CAM has no unit: any maximum is one.
    return each_on_its_own(look, np.finfo("float32").tiny)


def has_pixels(gate):
    """Whether a gate, `(..., height, width, channels)`, differs between pixels."""
    return gate.shape[-3] * gate.shape[-2] > 1


def looks_of_network(gates, tensors, activations):
    """Returns a `Look` for each spatial gate, and Grad-CAM of cells without one.

    Args:
        gates: List of `PlacedGate`.
        tensors: List of the gates of some images, `(batch, height, width, channels)`.
        activations: List of the Grad-CAM `(batch, height, width)` of each cell.

    Returns:
        List of `Look`, from the first cell to the last.
    """
    looks = []
    for cell, activation in enumerate(activations):
        spatial = [
            Look(gate.name, SPATIAL_GATE, list(np.mean(tensor, axis=-1)))
            for gate, tensor in zip(gates, tensors, strict=True)
            if gate.cell == cell and has_pixels(tensor)
        ]
        looks += spatial or [Look(f"cell_{cell}", GRAD_CAM, list(activation))]
    return looks


def write_sheets(folder, images, looks, first_image=0):
    """Draws looks at images as contact sheets: an image in each row, then its maps.

    Args:
        folder: Path of the directory to write to.
        images: List of `uint8` arrays `(height, width, channels)`, at most `MOST_ROWS`.
        looks: List of `Look` at them.
        first_image: Integer, the number of the first of them.

    Returns:
        List of a dict for each sheet, ready for JSON: its `"file"`, the `"images"`
        of its rows as numbers, and the `"columns"` after the first: `"title"`,
        `"kind"`, `"low"` and `"high"`, see `ShownLook`.
    """
    pictures = [sheets.picture(image) for image in images]
    described = []
    for start in range(0, len(looks), MOST_COLUMNS):
        shown = [shown_look(look) for look in looks[start : start + MOST_COLUMNS]]
        rows = [
            [drawn, *(sheets.overlay(drawn, look.maps[row]) for look in shown)]
            for row, drawn in enumerate(pictures)
        ]
        name = f"sheet_{first_image:03}_{start // MOST_COLUMNS}.png"
        sheets.write_picture(folder / name, sheets.sheet(rows))
        columns = [
            {"title": each.title, "kind": each.kind, "low": each.low, "high": each.high}
            for each in shown
        ]
        numbers = list(range(first_image, first_image + len(images)))
        described.append({"file": name, "images": numbers, "columns": columns})
    return described


def describe_image(image, probabilities, class_names):
    """Returns what an image is and is taken for, as a dict ready for JSON."""
    likeliest = int(np.argmax(probabilities))
    return {
        "image": image.name,
        "class": None if image.label is None else class_names[image.label],
        "predicted": class_names[likeliest],
        "probability": float(probabilities[likeliest]),
    }
