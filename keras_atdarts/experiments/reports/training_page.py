"""The page of a retraining."""

from keras_atdarts.experiments.reports import page
from keras_atdarts.experiments.reports.cells_part import cells_section
from keras_atdarts.experiments.reports.cells_part import operations_section
from keras_atdarts.experiments.reports.charts import bar_chart
from keras_atdarts.experiments.reports.charts import figure
from keras_atdarts.experiments.reports.charts import heat_map
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.genotypes.genotype import Genotype

# With more classes, nobody can read a confusion matrix.
MOST_CLASSES_IN_MATRIX = 16
MOST_CONFUSIONS = 10
MOST_BARS = 25
JUDGED_ONCE = "On augmented training images. The test images are judged once, below."
WORST_IMAGES = (
    "In bold: what the network takes the image for. Then: what the image is. Each "
    "stands with the probability that the network gives. The image with the least "
    "probability of its true class comes first."
)


def training_page(numbers, pictures=()):
    """Returns the page of a retraining as HTML, from what `report_numbers` returns.

    The pictures are URIs of the images of `numbers["worst_images"]`.
    """
    genotype = numbers["genotype"] and Genotype.from_dict(numbers["genotype"])
    return page.run_page(
        f"Retraining {numbers['name']}",
        numbers,
        training_tiles(numbers),
        page.curves_section(numbers["history"], JUDGED_ONCE),
        evaluation_section(numbers["evaluation"]),
        images_section(numbers, pictures),
        cells_section(genotype),
        operations_section(numbers),
        page.costs_section(numbers["costs"]),
    )


def training_tiles(numbers):
    """Returns the entries of the most important numbers."""
    validation, evaluation = numbers["validation"], numbers["evaluation"] or {}
    entries = []
    if validation:
        remark = f"of {validation['num_examples']:,} training images"
        entries.append(("Held-out accuracy", f"{validation['accuracy']:.2%}", remark))
    num_images = f"of {evaluation.get('num_examples', 0):,} images"
    for name, key, form, remark in (
        ("Test accuracy", "accuracy", ".2%", num_images),
        ("Top-5 accuracy", "top_5_accuracy", ".2%", None),
        ("Parameters", "parameters", ",", None),
        ("Multiply-adds", "multiply_adds", ",", "for one image"),
    ):
        if key in evaluation:
            entries.append((name, format(evaluation[key], form), remark))
    return entries


def evaluation_section(evaluation):
    """Returns accuracy by class, and which classes are confused."""
    if not evaluation:
        return None
    names = list(evaluation["class_accuracy"])
    matrix = evaluation["confusion_matrix"]
    figures = [accuracy_figure(evaluation["class_accuracy"])]
    if len(names) <= MOST_CLASSES_IN_MATRIX:
        figures.insert(0, matrix_figure(names, matrix))
    confusions = confusions_table(names, matrix)
    return page.section("On the test images", page.charts(figures), confusions)


def accuracy_figure(class_accuracy):
    """Returns the accuracy of each class; of many classes, only the lowest."""
    known = [
        (value, name) for name, value in class_accuracy.items() if value is not None
    ]
    lowest = sorted(known, key=lambda pair: pair[0])[:MOST_BARS]
    caption = "Accuracy by class"
    if len(lowest) < len(known):
        caption += f": the {MOST_BARS} lowest"
    names = [shortened(name) for _, name in lowest]
    values = [value for value, _ in lowest]
    texts = [f"{value:.2%}" for value in values]
    return figure(caption, bar_chart(names, values, caption, texts))


def matrix_figure(names, matrix):
    """Returns the confusion matrix."""
    fractions = [[count / max(sum(row), 1) for count in row] for row in matrix]
    texts = [[str(count or "") for count in row] for row in matrix]
    short = [shortened(name) for name in names]
    title = "Confusion matrix"
    picture = heat_map(short, short, fractions, title, texts, slanted=True)
    return figure(f"{title}: true class by row, predicted class by column", picture)


def confusions_table(names, matrix):
    """Returns the most frequent confusions as a table."""
    confusions = [
        (true, predicted, count)
        for true, row in zip(names, matrix, strict=True)
        for predicted, count in zip(names, row, strict=True)
        if count and true != predicted
    ]
    if not confusions:
        return tag("p", "The network takes no image for another class.")
    confusions.sort(key=lambda confusion: (-confusion[2], confusion[:2]))
    header = ["true class", "predicted class", "images"]
    heading = tag("h3", "The most frequent confusions")
    return [heading, table(header, confusions[:MOST_CONFUSIONS])]


def images_section(numbers, pictures):
    """Returns the worst-classified images."""
    if not pictures:
        return None
    figures = []
    for one, picture in zip(numbers["worst_images"], pictures, strict=True):
        name = f"image {one['image']}"
        predicted = f" {one['probability_of_predicted']:.2%}"
        parts = [
            tag("img", src=picture, alt=f"test {name}"),
            tag("div", tag("b", one["predicted"]), predicted),
            tag("div", f"is {one['label']} {one['probability_of_label']:.2%}"),
            tag("div", name, class_="soft"),
        ]
        figures.append(tag("figure", parts))
    return page.section(
        "The worst-classified test images",
        tag("p", WORST_IMAGES),
        tag("div", figures, class_="images"),
    )


def shortened(name, most=14):
    """Returns a name that fits beside a chart."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
