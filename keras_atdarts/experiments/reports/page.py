"""The parts that the pages of all reports have."""

import string
from importlib import resources

from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import legend
from keras_atdarts.experiments.reports.line_charts import BLUE
from keras_atdarts.experiments.reports.line_charts import GREEN
from keras_atdarts.experiments.reports.line_charts import ORANGE
from keras_atdarts.experiments.reports.line_charts import VIOLET
from keras_atdarts.experiments.reports.line_charts import Series
from keras_atdarts.experiments.reports.line_charts import line_chart
from keras_atdarts.experiments.reports.markup import join
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.records import NOTICE_NAMES
from keras_atdarts.experiments.runs.settings import show_value
from keras_atdarts.search.expected_cost import DERIVED
from keras_atdarts.search.expected_cost import EXPECTED
from keras_atdarts.search.monitors import ANNEALED

CURVE_NAMES = {
    "loss": "on the training images",
    "accuracy": "on the training images",
    "alpha_loss": "on the images for alphas",
    "alpha_accuracy": "on the images for alphas",
    "logits_loss": "of the network",
    "auxiliary_loss": "of the auxiliary head",
    "logits_accuracy": "on the training images",
}


def fill_page(title, *content):
    """Returns the whole HTML page.

    Args:
        title: String, also the heading.
        *content: What follows the heading, see `markup.tag`.
    """
    template = resources.files("keras_atdarts.experiments.reports") / "page.html"
    page = string.Template(template.read_text(encoding="utf-8"))
    body = join([tag("h1", title), *content])
    return page.substitute(title=join([title]), content=body)


def run_page(title, numbers, tiles, *content):
    """Returns the HTML page of a run.

    Args:
        title: String.
        numbers: Dict, what `report_numbers` returns.
        tiles: List of `(name, value, remark)`, the most important numbers.
        *content: What stands between them and the settings.
    """
    dataset = (numbers["dataset"] or {}).get("name") or numbers["config"].get("dataset")
    state = "finished" if numbers["finished"] else "unfinished"
    begun = f"begun {str(numbers['date'])[:16].replace('T', ' ')}"
    done = f"{numbers['epochs_done']} of {numbers['epochs_planned'] or '?'}"
    epochs = [] if numbers.get("drawn") else [("Epochs", done, None)]
    return fill_page(
        title,
        soft(f"{dataset} · {state} · {begun}"),
        notices_part(numbers["notices"]),
        tiles_part([*tiles, *epochs, *cost_tiles(numbers["costs"])]),
        *content,
        settings_section(numbers),
    )


def notices_part(notices):
    """Returns what the reader must know before all else."""
    paragraphs = []
    for notice in notices:
        level = notice["level"]
        name = tag("b", NOTICE_NAMES[level])
        paragraphs.append(tag("p", name, notice["text"], class_=f"notice {level}"))
    return paragraphs


def tiles_part(entries):
    """Returns the most important numbers.

    Args:
        entries: List of `(name, value, remark)`. The remark may be None; an entry
            without a value is left out.
    """
    tiles = [
        tag("div", tag("dt", name), tag("dd", value, remark and tag("small", remark)))
        for name, value, remark in entries
        if value is not None
    ]
    return tag("dl", tiles, class_="tiles")


def section(title, *content):
    """Returns a part of the page under a heading."""
    return tag("section", tag("h2", title), *content)


def details(summary, *content):
    """Returns a part that the reader can unfold."""
    return tag("details", tag("summary", summary), *content)


def charts(figures):
    """Returns charts beside each other."""
    return tag("div", list(figures), class_="charts")


def soft(text):
    """Returns a paragraph in small grey letters."""
    return tag("p", text, class_="soft")


def curves_section(history, remark=None):
    """Returns the charts of loss and accuracy over the epochs, and a remark below."""
    if not history.get("epoch"):
        return None
    others = [
        name
        for name, values in history.items()
        if name != "epoch" and any(value is not None for value in values)
        if not name.startswith((EXPECTED, DERIVED))  # They have their own section.
    ]
    accuracies = [name for name in others if name.endswith("accuracy")]
    eigenvalues = [name for name in others if name.endswith("eigenvalue")]
    annealed = [name for name in others if name in ANNEALED]
    apart = (*accuracies, *eigenvalues, *annealed)
    losses = [name for name in others if name not in apart]
    figures = [
        curve_figure(caption, names, history)
        for caption, names in (
            ("Loss", losses),
            ("Accuracy", accuracies),
            ("Largest eigenvalue of the alphas' Hessian", eigenvalues),
            ("Temperature and perturbation", annealed),
        )
        if names
    ]
    return section("Loss and accuracy", charts(figures), remark and soft(remark))


def curve_figure(caption, names, history):
    """Returns one chart with a line for each of the named columns."""
    colours = (BLUE, ORANGE, GREEN, VIOLET)
    lines = [
        Series(CURVE_NAMES.get(name, name), history[name], colours[place % 4])
        for place, name in enumerate(sorted(names, key=len))
    ]
    chart = line_chart(lines, history["epoch"], f"{caption} over the epochs")
    return figure(f"{caption} by epoch", chart, legend(lines))


def costs_section(costs):
    """Returns the charts of time and memory by epoch, or None if unknown."""
    columns = costs["epochs"]
    if not columns.get("epoch"):
        return None
    seconds = [Series("seconds", columns["seconds"], BLUE)]
    memory = [
        Series(name, [each and each / 1e9 for each in columns[column]], colour)
        for name, column, colour in (
            ("main memory", "peak_memory", BLUE),
            ("GPU memory", "peak_gpu_memory", ORANGE),
        )
        if any(columns.get(column, []))
    ]
    figures = []
    for caption, lines in (
        ("Seconds by epoch", seconds),
        ("Peak memory by epoch, GB", memory),
    ):
        chart = line_chart(lines, columns["epoch"], caption, low=0)
        figures.append(figure(caption, chart, legend(lines) if lines[1:] else None))
    remark = "The first epoch includes the preparation of the first step."
    return section("Time and memory", charts(figures), soft(remark))


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
    origin = [
        ("command", tag("code", numbers["command"])),
        ("revision", tag("code", numbers["git_revision"] or "unknown")),
        ("platform", numbers["platform"] or "unknown"),
        *(numbers["versions"] or {}).items(),
    ]
    for one in numbers["resumed"] or ():
        origin.append((f"resumed after step {one.get('step')}", one.get("date")))
    config, dataset = numbers["config"].items(), (numbers["dataset"] or {}).items()
    return section(
        "How it was made",
        settings_table(origin),
        details("All settings", settings_table(config)),
        details("Data set", settings_table(dataset)) if dataset else None,
    )


def settings_table(settings):
    """Returns a table with a row for each pair of a name and a value."""
    rows = [(name, show_setting(value)) for name, value in settings]
    return table(None, rows, class_="settings")


def show_setting(value):
    """Returns the value of a setting as text; texts and `Markup` stay."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(show_setting, value))
    return show_value(value)


def show_duration(seconds):
    """Returns seconds as text, e.g. `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def show_bytes(count):
    """Returns a number of bytes as text; None for none."""
    if not count:
        return None
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
