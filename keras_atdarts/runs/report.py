"""An evaluation as text for the terminal."""


def describe_evaluation(result):
    """Returns a readable text for the dict that `evaluation.json` holds."""
    return "\n".join(
        [
            f"Test accuracy:  {show_share(result['accuracy'])}"
            f" of {result['num_examples']:,} images",
            f"Parameters:     {result['parameters']:,}",
            f"Multiply-adds:  {result['multiply_adds']:,} for one image",
            "",
            *confusion_table(result["class_accuracy"], result["confusion_matrix"]),
        ]
    )


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
