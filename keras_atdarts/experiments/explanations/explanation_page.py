"""The page that shows an explanation: sheets with captions, tables of numbers."""

import pathlib
import re

from keras_atdarts.experiments.explanations.contact_sheets import GRAD_CAM
from keras_atdarts.experiments.explanations.contact_sheets import OCCLUSION
from keras_atdarts.experiments.explanations.contact_sheets import SPATIAL_GATE
from keras_atdarts.experiments.explanations.pictures import SMALLEST_SPAN
from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag

# Captions are as wide and as high as the pictures of a sheet.
STYLE = Markup(
    """
.sheet { display: grid; grid-template-columns: 7rem 1fr; font-size: .72rem;
  line-height: 1.25; margin: 1rem 0; }
.sheet .columns, .sheet .rows { display: grid; grid-auto-columns: 1fr;
  grid-auto-rows: 1fr; }
.sheet .columns { grid-column: 2; grid-auto-flow: column; align-items: end; }
.sheet .columns > *, .sheet .rows > * { padding: .2rem; overflow-wrap: anywhere; }
.sheet .rows { align-items: center; }
.sheet img { width: 100%; display: block; }
.gates { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
.gates.maps { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
.gates figure { max-width: none; }
.gates img { max-width: 100%; image-rendering: pixelated; }
"""
)
MEANINGS = {
    SPATIAL_GATE: "Spatial gate: how much it lets through at each pixel. Dark blue is "
    "its lowest value in these images, yellow its highest.",
    GRAD_CAM: "Grad-CAM of a cell without spatial attention: how strongly each pixel "
    "of its output speaks for the predicted class. Dark blue is not at all, yellow the "
    "strongest in this picture. A dark picture has no such pixel.",
    OCCLUSION: "Occlusion: how much the probability of the predicted class falls "
    "while a patch hides a part of the image. Dark blue is not at all, yellow the most "
    f"in this picture, and at least {SMALLEST_SPAN:.0%}.",
}
WORTH = (
    "The mean over these images takes the place of a gate: what the gate does to all "
    "images alike stays, and what it does because of an image is gone. The difference "
    "is the accuracy with the gate minus that without it, in percentage points, "
    "± one standard error (of paired answers, Agresti and Min 2005). p comes from the "
    "exact McNemar test of each row alone: by chance, one row in twenty is below 0.05."
)
BETWEEN_IMAGES = (
    "Between images: the standard deviation of one value of the gate over the images. "
    "If it is near 0, the gate is a constant and pays no attention to the image."
)
MEAN_MAPS = "Spatial gates: the mean over the images at each pixel."
CHANNELS = (
    "Channel gates. Left: the mean of each channel's gate (columns) by true class "
    "(rows). Right: how often the values fall into each twentieth from 0 to 1. Dark "
    "blue is never, yellow most often. The classes, from top to bottom: "
)


def explanation_page(numbers):
    """Returns the page as HTML, of the dict that `explain.json` holds."""
    return page.fill_page(
        f"Where {numbers['name']} looks",
        tag("style", STYLE),
        page.notices_part(numbers["notices"]),
        sheets_section(numbers),
        worth_section(numbers.get("worth"), numbers.get("examples")),
        gates_section(numbers.get("gates")),
    )


def sheets_section(numbers):
    """Returns the sheets with their captions."""
    sheets = numbers["sheets"]
    kinds = {column["kind"] for sheet in sheets for column in sheet["columns"]}
    meanings = [tag("p", MEANINGS[kind]) for kind in MEANINGS if kind in kinds]
    drawn = [draw_sheet(sheet, numbers["images"]) for sheet in sheets]
    return page.section("Where it looks", meanings, drawn)


def draw_sheet(sheet, images):
    """Returns a sheet with a caption above each column and beside each row."""
    columns = [tag("div", "image"), *map(column_caption, sheet["columns"])]
    rows = [row_caption(images[number]) for number in sheet["images"]]
    least, most = (7 + each * len(columns) for each in (6, 9))  # 7: captions of rows.
    meaning = "Images in rows, and maps of where the network looks in columns"
    parts = [
        tag("div", columns, class_="columns"),
        tag("div", rows, class_="rows"),
        tag("img", src=sheet["file"], alt=meaning),
    ]
    style = f"min-width: {least}rem; max-width: {most}rem"
    return tag("div", tag("div", parts, class_="sheet", style=style), class_="scroll")


def column_caption(column):
    """Returns the caption of a column: the gate or cell, the kind, the scale."""
    scale = None
    if column["low"] is not None:
        scale = f" {column['low']:.2f} to {column['high']:.2f}"
    title = breakable(column["title"])
    return tag("div", tag("b", title), tag("br"), column["kind"], scale)


def breakable(name):
    """Returns a name that may go on in a second line between its words."""
    return re.sub("([_+])", "\\1\u200b", name)


def row_caption(image):
    """Returns the caption of a row: the image, its predicted and its true class."""
    name = pathlib.PurePath(image["image"]).name
    predicted = tag("b", f"{image['predicted']} {image['probability']:.0%}")
    known = None
    if image["class"] is not None:
        right = image["class"] == image["predicted"]
        known = [tag("br"), "right" if right else f"is {image['class']}"]
    return tag("div", name, tag("br"), predicted, known)


def worth_section(worth, examples):
    """Returns the table of what attention is worth, or None."""
    if not worth:
        return None
    columns = {
        "Replaced": "{name}",
        "Difference": "{shown_difference}",
        "Accuracy without": "{accuracy_without:.2%}",
        "Right only with it": "{only_with:,}",
        "Right only without": "{only_without:,}",
        "p": "{p_value:.2g}",
    }
    numbers = [{**one, "shown_difference": show_difference(one)} for one in worth]
    kind = "test" if examples["split"] == "test" else "held-out training"
    images = f"{kind} images: {worth[0]['accuracy_with']:.2%} right."
    if examples["count"] == examples["of"]:
        measured = f"All {examples['of']:,} {images}"
    else:
        measured = f"{examples['count']:,} of {examples['of']:,}, by chance, {images}"
    return page.section(
        "What attention is worth",
        tag("p", measured),
        numbers_table(columns, numbers),
        page.soft(WORTH),
    )


def numbers_table(columns, entries):
    """Returns a table.

    Args:
        columns: Dict from the name of each column to the format of its cells.
        entries: List of a dict for each row, with what the formats name.
    """
    forms = columns.values()
    rows = [[form.format(**entry) for form in forms] for entry in entries]
    return table(list(columns), rows)


def show_difference(worth):
    """Returns an accuracy difference with its standard error, in points."""
    return f"{100 * worth['difference']:+.2f} ± {100 * worth['standard_error']:.2f}"


def gates_section(gates):
    """Returns the numbers and pictures of each gate over the data, or None."""
    if not gates:
        return None
    columns = {
        "Gate": "{name}",
        "Reads": "{source}",
        "Mean": "{mean:.3f}",
        "Deviation": "{std:.3f}",
        "Between images": "{std_between_images:.3f}",
    }
    channels = [gate for gate in gates if "classes" in gate]
    maps = [gate for gate in gates if "mean_map" in gate]
    drawn = []
    if channels:
        meaning = f"{CHANNELS}{', '.join(channels[0]['classes'])}."
        drawn += gate_pictures(meaning, channels, "gates")
    if maps:
        drawn += gate_pictures(MEAN_MAPS, maps, "gates maps")
    return page.section(
        "The gates over these images",
        numbers_table(columns, gates),
        page.soft(BETWEEN_IMAGES),
        drawn,
    )


def gate_pictures(meaning, gates, class_):
    """Returns the pictures of gates under an explanation."""
    figures = []
    for gate in gates:
        picture = tag("img", src=gate["picture"], alt=gate["name"])
        scale = page.soft(f"Means from {gate['low']:.2f} to {gate['high']:.2f}")
        figures.append(figure(breakable(gate["name"]), picture, scale))
    return [tag("p", meaning), tag("div", figures, class_=class_)]
