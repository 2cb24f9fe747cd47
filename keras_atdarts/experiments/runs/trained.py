"""What later scripts read from the directory of a retraining or an import."""

from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.import_config import ImportConfig
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.imports import recorded_imports
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.training_config import load_dataset_of
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.evaluation import evaluate
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.networks.multiply_adds import count_multiply_adds
from keras_atdarts.networks.network_file import load_network_file

# Of more classes, a terminal shows no confusion matrix.
MOST_CLASSES_IN_TABLE = 25
NUM_WORST_CLASSES = 10

NEEDED_FILES = (workdir.CONFIG, workdir.GENOTYPE, workdir.NETWORK)


def open_trained_run(path, imports=None):
    """Returns the `RunDirectory` of a trained network, the user's code loaded.

    Args:
        path: Path of the directory.
        imports: What to load in the place of what the run has recorded.

    Raises:
        InputError: Something is missing in it, or cannot be loaded.
    """
    run = workdir.RunDirectory.open(path, needs=NEEDED_FILES)
    load_imports(imports or recorded_imports(path))
    return run


def trained_config(run):
    """Returns the configuration of a retraining or an import, and the data described.

    Raises:
        InputError: It is another kind of run.
    """
    return run.read_config(RetrainConfig, ImportConfig)


def load_network(run):
    """Returns the trained network of a run, from images to logits, in float32.

    Raises:
        InputError: where the file is damaged or holds something else.
    """
    network = load_network_file(run.file(workdir.NETWORK))
    return in_float32(without_auxiliary_head(network))


def load_dataset_of_run(config, description):
    """Returns the data set of a run, if it still is what the run has described.

    Raises:
        InputError: It cannot be loaded or has changed.
    """
    dataset = load_dataset_of(config)
    current = dataset.description()
    for key in ("image_shape", "class_names", "mean", "std"):
        if current[key] != description[key]:
            raise InputError(
                f"The data set '{config.dataset}' has changed since the training: "
                f"expected {key} {description[key]}; received {current[key]}."
            )
    return dataset


def evaluate_network(network, dataset, batch_size, observe=None):
    """Returns everything that `evaluation.json` holds, as a dict.

    `observe` is an optional function, see `evaluation.evaluate`.
    """
    batches = evaluation_batches(dataset, "test", batch_size)
    result = evaluate(network, batches, dataset.class_names, observe)
    return {
        "dataset": dataset.name,
        **result,
        "confusion_matrix": result["confusion_matrix"].tolist(),
        "parameters": count_parameters(network),
        "multiply_adds": count_multiply_adds(network, dataset.image_shape),
    }


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
