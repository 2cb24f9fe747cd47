"""The page of a retraining."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.charts import bar_chart
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import heat_map
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.experiments.reports.operations_part import operations_section
from keras_atdarts.genotypes.genotype import Genotype

# Of more classes, no confusion matrix can be read.
MOST_CLASSES_IN_MATRIX = 16
MOST_CONFUSIONS = 10
MOST_BARS = 25


def training_page(numbers, pictures=()):
    """Returns the page of a retraining as HTML.

    Args:
        numbers: Dict, what `report_numbers` returns.
        pictures: URIs of the images of `numbers["worst_images"]`.
    """
    genotype = numbers["genotype"] and Genotype.from_dict(numbers["genotype"])
    title = f"Retraining {numbers['name']}"
    return page.fill_page(
        title,
        page.header(numbers, title),
        page.tiles(training_tiles(numbers)),
        curves_section(numbers),
        evaluation_section(numbers["evaluation"]),
        images_section(numbers, pictures),
        page.cells_section(genotype),
        operations_section(numbers),
        page.costs_section(numbers["costs"]),
        page.settings_section(numbers),
    )


def training_tiles(numbers):
    """Returns the entries of the most important numbers."""
    evaluation = numbers["evaluation"] or {}
    entries = []
    if numbers["validation"]:
        remark = f"of {numbers['validation']['num_examples']:,} training images"
        shown = share(numbers["validation"]["accuracy"])
        entries.append(("Held-out accuracy", shown, remark))
    if "accuracy" in evaluation:
        remark = f"of {evaluation['num_examples']:,} images"
        entries.append(("Test accuracy", share(evaluation["accuracy"]), remark))
    if "top_5_accuracy" in evaluation:
        entries.append(("Top-5 accuracy", share(evaluation["top_5_accuracy"]), None))
    for name, key in (("Parameters", "parameters"), ("Multiply-adds", "multiply_adds")):
        if key in evaluation:
            remark = "for one image" if key == "multiply_adds" else None
            entries.append((name, f"{evaluation[key]:,}", remark))
    epochs = page.epochs_words(numbers)
    return [*entries, ("Epochs", epochs, None), *page.cost_tiles(numbers["costs"])]


def curves_section(numbers):
    """Returns the curves of loss and accuracy."""
    if not numbers["history"].get("epoch"):
        return None
    remark = "On augmented training images; the test images are judged once, below."
    return page.section(
        "Loss and accuracy",
        page.curves(numbers["history"]),
        tag("p", remark, class_="soft"),
    )


def evaluation_section(evaluation):
    """Returns accuracy by class and what was taken for what."""
    if not evaluation:
        return None
    names = list(evaluation["class_accuracy"])
    matrix = evaluation["confusion_matrix"]
    charts = [accuracy_figure(evaluation["class_accuracy"])]
    if len(names) <= MOST_CLASSES_IN_MATRIX:
        charts.insert(0, matrix_figure(names, matrix))
    return page.section(
        "On the test images",
        tag("div", charts, class_="charts"),
        confusions_table(names, matrix),
    )


def accuracy_figure(class_accuracy):
    """Returns the accuracy of each class, of many classes the lowest."""
    known = [pair for pair in class_accuracy.items() if pair[1] is not None]
    lowest = sorted(known, key=lambda pair: pair[1])[:MOST_BARS]
    caption = "Accuracy by class"
    if len(lowest) < len(known):
        caption = f"Accuracy by class: the {MOST_BARS} lowest"
    names, values = zip(*lowest, strict=True) if lowest else ((), ())
    names = [shortened(name) for name in names]
    chart = bar_chart(names, values, caption, [share(value) for value in values])
    return figure(caption, chart)


def matrix_figure(names, matrix):
    """Returns the confusion matrix."""
    totals = [max(sum(row), 1) for row in matrix]
    shares = [
        [count / total for count in row]
        for row, total in zip(matrix, totals, strict=True)
    ]
    short = [shortened(name) for name in names]
    picture = heat_map(
        short,
        short,
        shares,
        "Confusion matrix",
        texts=[[str(count or "") for count in row] for row in matrix],
        slanted=True,
    )
    return figure("Confusion matrix: true class by row, taken for by column", picture)


def confusions_table(names, matrix):
    """Returns the most frequent confusions as a table."""
    confusions = sorted(
        (
            (count, names[true], names[taken])
            for true, row in enumerate(matrix)
            for taken, count in enumerate(row)
            if count and true != taken
        ),
        key=lambda confusion: (-confusion[0], confusion[1:]),
    )
    if not confusions:
        return tag("p", "No image is taken for another class.")
    rows = [[true, taken, n] for n, true, taken in confusions[:MOST_CONFUSIONS]]
    return [
        tag("h3", "The most frequent confusions"),
        table(["true class", "taken for", "images"], rows),
    ]


def images_section(numbers, pictures):
    """Returns the worst-classified images."""
    worst = numbers["worst_images"]
    if not pictures:
        return None
    images = [
        tag(
            "figure",
            tag("img", src=picture, alt=f"test image {one['image']}"),
            tag(
                "div",
                tag("b", one["predicted"]),
                f" {share(one['probability_of_predicted'])}",
            ),
            tag("div", f"is {one['label']} {share(one['probability_of_label'])}"),
            tag("div", f"image {one['image']}", class_="soft"),
        )
        for one, picture in zip(worst, pictures, strict=True)
    ]
    return page.section(
        "The worst-classified test images",
        tag(
            "p",
            "In bold what the network takes them for, then what they are, each with "
            "the probability that it gives; least probability of the truth first.",
        ),
        tag("div", images, class_="images"),
    )


def shortened(name, most=14):
    """Returns a name that fits beside a chart."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def share(value):
    """Returns a number between 0 and 1 as per cent."""
    return f"{value:.2%}"
