"""The page that shows an explanation: sheets with captions, tables of numbers."""

import pathlib
import re

from keras_atdarts.experiments.explanations.looks import GRAD_CAM
from keras_atdarts.experiments.explanations.looks import OCCLUSION
from keras_atdarts.experiments.explanations.looks import SPATIAL_GATE
from keras_atdarts.experiments.explanations.sheets import SMALLEST_SPAN
from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag

# Captions have the shares of a sheet's width and height that its pictures have.
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
    SPATIAL_GATE: "Spatial gate: what it lets through, from its lowest value among "
    "these images (dark blue) to its highest (yellow).",
    GRAD_CAM: "Grad-CAM of a cell without spatial attention: what in its output "
    "speaks for the class that is predicted, from nothing (dark blue) to the most in "
    "this picture (yellow). All dark: nothing does.",
    OCCLUSION: "Occlusion: how much the probability of the predicted class falls "
    "while a patch hides a part, from not at all (dark blue) to the most in this "
    f"picture, at least {SMALLEST_SPAN:.0%} (yellow).",
}
WORTH = (
    "A gate is replaced by its mean over these images: what it does to all of them "
    "alike stays, what it does because of an image goes. The difference is accuracy "
    "with it less accuracy without it, in percentage points, ± one standard error "
    "(of paired answers, Agresti and Min 2005); p is that of the exact McNemar test, "
    "for each row alone: of twenty rows, one is below 0.05 by chance."
)
BETWEEN_IMAGES = (
    "Between images: the standard deviation of one value of the gate over the images. "
    "Near 0, the gate is a constant and no attention."
)
MEAN_MAPS = "Spatial gates: the mean over the images at each pixel."
CHANNELS = (
    "Channel gates. Left: the mean of each channel's gate (columns) by true class "
    "(rows). Right: how often their values fall into each twentieth from 0 to 1 (dark "
    "blue: never, yellow: most often). Classes from above: "
)


def explanation_page(numbers):
    """Returns the page as HTML.

    Args:
        numbers: Dict, what `explain.json` holds.
    """
    title = f"Where {numbers['name']} looks"
    return page.fill_page(
        title,
        tag("style", STYLE),
        page.notices_part(numbers["notices"]),
        looks_section(numbers),
        worth_section(numbers.get("worth"), numbers.get("examples")),
        gates_section(numbers.get("gates")),
    )


def looks_section(numbers):
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
    least, most = (7 + each * len(columns) for each in (6, 9))  # 7: of the rows.
    picture = tag(
        "img",
        src=sheet["file"],
        alt="Images in rows, and maps of where the network looks in columns",
    )
    captioned = tag(
        "div",
        tag("div", columns, class_="columns"),
        tag("div", rows, class_="rows"),
        picture,
        class_="sheet",
        style=f"min-width: {least}rem; max-width: {most}rem",
    )
    return tag("div", captioned, class_="scroll")


def column_caption(column):
    """Returns what a column shows."""
    scale = None
    if column["low"] is not None:
        scale = f" {column['low']:.2f} to {column['high']:.2f}"
    title = breakable(column["title"])
    return tag("div", tag("b", title), tag("br"), column["kind"], scale)


def breakable(name):
    """Returns a name whose line may break between its words."""
    return re.sub("([_+])", "\\1\u200b", name)


def row_caption(image):
    """Returns what an image is, and what it is taken for."""
    known = None
    if image["class"] is not None:
        right = image["class"] == image["predicted"]
        known = [tag("br"), "right" if right else f"is {image['class']}"]
    return tag(
        "div",
        pathlib.PurePath(image["image"]).name,
        tag("br"),
        tag("b", f"{image['predicted']} {image['probability']:.0%}"),
        known,
    )


def worth_section(worth, examples):
    """Returns the table of what attention is worth, or None."""
    if not worth:
        return None
    header = ("Replaced", "Difference", "Accuracy without", "Right only with it")
    header += ("Right only without", "p")
    rows = [
        [
            one["name"],
            difference_words(one),
            f"{one['accuracy_without']:.2%}",
            f"{one['only_with']:,}",
            f"{one['only_without']:,}",
            f"{one['p_value']:.2g}",
        ]
        for one in worth
    ]
    return page.section(
        "What attention is worth",
        tag("p", f"{examples_words(examples)} {worth[0]['accuracy_with']:.2%} right."),
        table(header, rows),
        tag("p", WORTH, class_="soft"),
    )


def difference_words(worth):
    """Returns an accuracy difference with its standard error, in points."""
    error = 100 * worth["standard_error"]
    return f"{100 * worth['difference']:+.2f} ± {error:.2f}"


def examples_words(examples):
    """Returns on which images was measured."""
    kind = "test" if examples["split"] == "test" else "held-out training"
    if examples["count"] == examples["of"]:
        return f"All {examples['of']:,} {kind} images:"
    return f"{examples['count']:,} of {examples['of']:,} {kind} images, by chance:"


def gates_section(gates):
    """Returns what each gate is over the data, or None."""
    if not gates:
        return None
    header = ("Gate", "Reads", "Mean", "Deviation", "Between images")
    rows = [
        [
            gate["name"],
            gate["source"],
            *(f"{gate[key]:.3f}" for key in ("mean", "std", "std_between_images")),
        ]
        for gate in gates
    ]
    channels = [gate for gate in gates if "classes" in gate]
    maps = [gate for gate in gates if "mean_map" in gate]
    drawn = []
    if channels:
        drawn += gate_pictures(
            f"{CHANNELS}{', '.join(channels[0]['classes'])}.", channels
        )
    if maps:
        drawn += gate_pictures(MEAN_MAPS, maps, "maps")
    return page.section(
        "The gates over these images",
        table(header, rows),
        tag("p", BETWEEN_IMAGES, class_="soft"),
        drawn,
    )


def gate_pictures(meaning, gates, kind=""):
    """Returns the pictures of gates under what they mean."""
    figures = [
        tag(
            "figure",
            tag("figcaption", breakable(gate["name"])),
            tag("img", src=gate["picture"], alt=gate["name"]),
            tag(
                "p",
                f"Means from {gate['low']:.2f} to {gate['high']:.2f}",
                class_="soft",
            ),
        )
        for gate in gates
    ]
    return [tag("p", meaning), tag("div", figures, class_=f"gates {kind}".strip())]
