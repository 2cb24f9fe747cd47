"""An evaluation as text for the terminal."""

# Of more classes, a terminal shows no confusion matrix.
MOST_CLASSES_IN_TABLE = 25
NUM_WORST_CLASSES = 10


def describe_evaluation(result):
    """Returns a readable text for the dict that `evaluation.json` holds."""
    lines = [
        f"Test accuracy:  {show_share(result['accuracy'])}"
        f" of {result['num_examples']:,} images"
    ]
    if "top_5_accuracy" in result:
        lines += [f"Top-5 accuracy: {show_share(result['top_5_accuracy'])}"]
    lines += [
        f"Parameters:     {result['parameters']:,}",
        f"Multiply-adds:  {result['multiply_adds']:,} for one image",
        "",
    ]
    if len(result["class_accuracy"]) > MOST_CLASSES_IN_TABLE:
        return "\n".join(lines + worst_classes(result["class_accuracy"]))
    table = confusion_table(result["class_accuracy"], result["confusion_matrix"])
    return "\n".join(lines + table)


def worst_classes(class_accuracy):
    """Returns the lines that name the classes with the lowest accuracy."""
    known = [pair for pair in class_accuracy.items() if pair[1] is not None]
    worst = sorted(known, key=lambda pair: pair[1])[:NUM_WORST_CLASSES]
    return [f"The {len(worst)} classes with the lowest accuracy:"] + [
        f"{show_share(accuracy):>8}  {name}" for name, accuracy in worst
    ]


def confusion_table(class_accuracy, confusion_matrix):
    """Returns the lines of a table: a true class each, counts by predicted class.

    Columns carry the number of the class, as names would not fit.
    """
    name_width = max(len(name) for name in class_accuracy)
    column_width = max(len(str(max(map(max, confusion_matrix)))), 3) + 1
    header = "".join(f"{index:>{column_width}}" for index in range(len(class_accuracy)))
    title = f"{'true class':>{name_width + 4}}  accuracy"
    lines = [f"{title}  images taken for class", f"{'':>{len(title)}}{header}"]
    rows = zip(class_accuracy.items(), confusion_matrix, strict=True)
    for index, ((name, accuracy), counts) in enumerate(rows):
        cells = "".join(f"{count:>{column_width}}" for count in counts)
        lines.append(
            f"{index:>3} {name:>{name_width}}  {show_share(accuracy):>8}{cells}"
        )
    return lines


def show_share(share):
    """Returns a number between 0 and 1 as per cent; None as a dash."""
    return "-" if share is None else f"{share:.2%}"
