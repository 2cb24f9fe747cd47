"""Contact sheets: images in rows, and beside each the maps of where a network looks."""

from typing import NamedTuple

import numpy as np

from keras_atdarts.experiments.explanations import pictures

MOST_ROWS, MOST_COLUMNS = 12, 8  # Of a sheet, without the column of the images.

SPATIAL_GATE = "spatial gate"
GRAD_CAM = "Grad-CAM"
OCCLUSION = "occlusion"


class Column(NamedTuple):
    """The maps that one part of a network gives for some images.

    Args:
        title: String, the gate or the cell.
        kind: String, one of the constants above.
        maps: List of an array `(height, width)` for each image.
    """

    title: str
    kind: str
    maps: list


def scaled_maps(column):
    """Returns the maps of a `Column`, scaled to the range 0 to 1 of the colours.

    Returns:
        List of arrays; and the values that became 0 and 1. Both are None where each
        map has a scale of its own, from 0 to its maximum.
    """
    if column.kind == SPATIAL_GATE:
        maps, low, high = pictures.on_scale(np.stack(column.maps))
        return list(maps), low, high
    # Differences of probabilities may be too small to show. Grad-CAM has no unit.
    is_occlusion = column.kind == OCCLUSION
    least = pictures.SMALLEST_SPAN if is_occlusion else np.finfo("float32").tiny
    maps = [np.maximum(each, 0) / max(np.max(each), least) for each in column.maps]
    return maps, None, None


def has_pixels(gate):
    """Whether a gate, `(..., height, width, channels)`, differs between pixels."""
    return gate.shape[-3] * gate.shape[-2] > 1


def columns_of_network(gates, tensors, activations):
    """Returns a `Column` for each spatial gate, and Grad-CAM of cells without one.

    Args:
        gates: List of `PlacedGate`.
        tensors: List of the gates of some images, `(batch, height, width, channels)`.
        activations: List of the Grad-CAM `(batch, height, width)` of each cell.

    Returns:
        List of `Column`, from the first cell to the last.
    """
    columns = []
    for cell, activation in enumerate(activations):
        spatial = [
            Column(gate.name, SPATIAL_GATE, list(np.mean(tensor, axis=-1)))
            for gate, tensor in zip(gates, tensors, strict=True)
            if gate.cell == cell and has_pixels(tensor)
        ]
        columns += spatial or [Column(f"cell_{cell}", GRAD_CAM, list(activation))]
    return columns


def explain_images(images, look, class_names, folder):
    """Draws where a network looks in images.

    Args:
        images: List of `ExplainedImage`.
        look: Function from a list of at most `MOST_ROWS` images, as `uint8` arrays
            `(height, width, channels)`, to their probabilities `(batch, num_classes)`
            and a list of `Column`.
        class_names: Sequence of strings.
        folder: Path of the directory to write to.

    Returns:
        Dict ready for JSON: `"images"`, the true and the predicted class of each, and
        `"sheets"`, see `write_sheets`.
    """
    described, sheets = [], []
    for start in range(0, len(images), MOST_ROWS):
        rows = images[start : start + MOST_ROWS]
        pixels = [image.pixels for image in rows]
        probabilities, columns = look(pixels)
        for image, row in zip(rows, probabilities, strict=True):
            likeliest = int(np.argmax(row))
            answer = {
                "image": image.name,
                "class": None if image.label is None else class_names[image.label],
                "predicted": class_names[likeliest],
                "probability": float(row[likeliest]),
            }
            described.append(answer)
        sheets += write_sheets(folder, pixels, columns, start)
    return {"images": described, "sheets": sheets}


def write_sheets(folder, images, columns, first_image=0):
    """Draws contact sheets.

    Args:
        folder: Path of the directory to write to.
        images: List of `uint8` arrays `(height, width, channels)`, at most `MOST_ROWS`.
        columns: List of `Column`.
        first_image: Integer, the number of the first image.

    Returns:
        List of a dict for each sheet, ready for JSON: its `"file"`, the `"images"`
        of its rows as numbers, and the `"columns"` after the first: `"title"`,
        `"kind"`, `"low"` and `"high"`, see `scaled_maps`.
    """
    rows = [[pictures.picture(image)] for image in images]
    numbers = list(range(first_image, first_image + len(images)))
    sheets = []
    for start in range(0, len(columns), MOST_COLUMNS):
        drawn, described = [list(row) for row in rows], []
        for column in columns[start : start + MOST_COLUMNS]:
            maps, low, high = scaled_maps(column)
            for row, values in zip(drawn, maps, strict=True):
                row.append(pictures.overlay(row[0], values))
            head = {"title": column.title, "kind": column.kind}
            described.append({**head, "low": low, "high": high})
        name = f"sheet_{first_image:03}_{start // MOST_COLUMNS}.png"
        pictures.write_picture(folder / name, pictures.arranged(drawn))
        sheets.append({"file": name, "images": numbers, "columns": described})
    return sheets
