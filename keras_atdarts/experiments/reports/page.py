"""The parts of a page that all reports have."""

import string
from importlib import resources

from keras_atdarts.experiments.reports.cell_pictures import draw_cell
from keras_atdarts.experiments.reports.charts import Series
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.charts import line_chart
from keras_atdarts.experiments.reports.markup import join
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.notices import WORDS
from keras_atdarts.experiments.runs.settings import show_value

BLUE, ORANGE = "#1c7ed6", "#e8590c"


def fill_page(title, *content):
    """Returns the whole HTML page.

    Args:
        title: String.
        *content: What the body contains, see `markup.tag`.
    """
    template = resources.files("keras_atdarts.experiments.reports") / "page.html"
    page = string.Template(template.read_text(encoding="utf-8"))
    return page.substitute(title=join([title]), content=join(content))


def header(numbers, title):
    """Returns the heading: what the run is, and what must be known of it."""
    dataset = numbers["dataset"] or {}
    state = "finished" if numbers["finished"] else "unfinished"
    about = [dataset.get("name") or numbers["config"].get("dataset"), state]
    about += [f"begun {str(numbers['date'])[:16].replace('T', ' ')}"]
    notices = [
        tag(
            "p",
            tag("b", WORDS[notice["level"]]),
            notice["text"],
            class_=f"notice {notice['level']}",
        )
        for notice in numbers["notices"]
    ]
    return join(
        [
            tag("h1", title),
            tag("p", " · ".join(map(str, about)), class_="soft"),
            notices,
        ]
    )


def tiles(entries):
    """Returns the most important numbers.

    Args:
        entries: List of `(name, value, remark)`; the remark may be None, and an
            entry without a value is left out.
    """
    return tag(
        "dl",
        [
            tag(
                "div",
                tag("dt", name),
                tag("dd", value, remark and tag("small", remark)),
                class_="tile",
            )
            for name, value, remark in entries
            if value is not None
        ],
        class_="tiles",
    )


def epochs_words(numbers):
    """Returns how many epochs are done, and of how many."""
    return f"{numbers['epochs_done']} of {numbers['config'].get('epochs', '?')}"


def section(title, *content):
    """Returns a part of the page under a heading."""
    return tag("section", tag("h2", title), *content)


def details(summary, *content):
    """Returns what is folded up until it is asked for."""
    return tag("details", tag("summary", summary), *content)


def cells_section(genotype, title="Cells"):
    """Returns the drawings of both cells, and their text.

    Args:
        genotype: `Genotype`, or None.
        title: String.
    """
    if genotype is None:
        return section(title, tag("p", "No epoch has ended: there are none yet."))
    drawn = [draw_cell(cell, f"{kind} cell") for kind, cell in genotype.cells()]
    text = tag("pre", genotype)
    if None in drawn:
        return section(title, text)  # A notice says how to get drawings.
    pictures = [tag("div", picture, class_="scroll") for picture in drawn]
    return section(title, pictures, details("The cells as text", text))


def curves(history):
    """Returns the charts of loss and accuracy over the epochs.

    Args:
        history: Dict from the name of a column to its values, with `"epoch"`.
    """
    epochs = history.get("epoch", [])
    others = [
        name
        for name, values in history.items()
        if name != "epoch" and any(value is not None for value in values)
    ]
    accuracies = [name for name in others if name.endswith("accuracy")]
    losses = [name for name in others if name not in accuracies]
    return tag(
        "div",
        [
            curve_figure(caption, names, history, epochs)
            for caption, names in (("Loss", losses), ("Accuracy", accuracies))
            if names
        ],
        class_="charts",
    )


def curve_figure(caption, names, history, epochs):
    """Returns one chart with a line for each of the named columns."""
    colours = (BLUE, ORANGE, "#2f9e44", "#7048e8")
    lines = [
        Series(curve_name(name), history[name], colours[place % len(colours)])
        for place, name in enumerate(sorted(names, key=len))
    ]
    chart = line_chart(lines, epochs, f"{caption} over the epochs")
    return figure(f"{caption} by epoch", chart, legend(lines))


def curve_name(column):
    """Returns what a column of the history is called in a legend."""
    if column.startswith("alpha_"):
        return "on the images for alphas"
    return {
        "loss": "on the training images",
        "accuracy": "on the training images",
        "logits_loss": "of the network",
        "auxiliary_loss": "of the auxiliary head",
        "logits_accuracy": "on the training images",
    }.get(column, column)


def costs_section(costs):
    """Returns the charts of what the epochs took, or nothing if that is unknown."""
    columns = costs["epochs"]
    if not columns.get("epoch"):
        return None
    lines = [
        ("Seconds by epoch", [Series("seconds", columns["seconds"], BLUE)]),
        ("Peak memory by epoch, GB", memory_lines(columns)),
    ]
    charts = [
        figure(
            caption,
            line_chart(series, columns["epoch"], caption, low=0),
            legend(series) if len(series) > 1 else None,
        )
        for caption, series in lines
    ]
    remark = "The first epoch includes the preparation of the first step."
    return section(
        "Time and memory",
        tag("div", charts, class_="charts"),
        tag("p", remark, class_="soft"),
    )


def memory_lines(columns):
    """Returns the lines of main memory and, if there are GPUs, of theirs."""
    lines = []
    for name, column, colour in (
        ("main memory", "peak_memory", BLUE),
        ("GPU memory", "peak_gpu_memory", ORANGE),
    ):
        values = columns.get(column, [])
        if any(values):
            values = [None if each is None else each / 1e9 for each in values]
            lines.append(Series(name, values, colour))
    return lines


def cost_tiles(costs):
    """Returns the tiles of time and memory."""
    seconds = costs["seconds"]
    remark = "all epochs" if costs["complete"] else "the epochs that recorded it"
    if seconds is None:
        seconds, remark = costs["wall_seconds"], "from start to end"
    return [
        ("Time", seconds and show_duration(seconds), remark),
        ("Peak memory", show_bytes(costs["peak_memory"]), None),
        ("Peak GPU memory", show_bytes(costs["peak_gpu_memory"]), None),
    ]


def settings_section(numbers):
    """Returns everything that decided the run."""
    versions = numbers["versions"] or {}
    origin = [
        ["command", tag("code", numbers["command"])],
        ["revision", tag("code", numbers["git_revision"] or "unknown")],
        ["platform", numbers["platform"] or "unknown"],
        *[[name, version] for name, version in versions.items()],
    ]
    origin += [
        [f"resumed after step {one.get('step')}", one.get("date")]
        for one in numbers["resumed"] or ()
    ]
    config = [[name, shown(value)] for name, value in numbers["config"].items()]
    data = [[name, shown(value)] for name, value in (numbers["dataset"] or {}).items()]
    return section(
        "How it was made",
        table(None, origin, class_="settings"),
        details("All settings", table(None, config, class_="settings")),
        data and details("Data set", table(None, data, class_="settings")),
    )


def shown(value):
    """Returns the value of a setting as text."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return show_value(value)


def show_duration(seconds):
    """Returns seconds as text, e.g. `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def show_bytes(count):
    """Returns a number of bytes as text; None for none."""
    if not count:
        return None
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
