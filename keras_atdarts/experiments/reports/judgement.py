"""What the network of a retraining does with the test images."""

from keras_atdarts.errors import InputError
from keras_atdarts.experiments.reports.mistakes import Mistakes
from keras_atdarts.experiments.reports.mistakes import read_pictures
from keras_atdarts.experiments.reports.notices import note
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.retrain_config import RetrainConfig
from keras_atdarts.experiments.runs.trained import evaluate_network
from keras_atdarts.experiments.runs.trained import load_dataset_of_run
from keras_atdarts.experiments.runs.trained import load_network

BATCH_SIZE = 100
HELD_OUT_REASON = (
    "This training is judged by held-out training images; its test images are left "
    "alone, so that nobody chooses by them."
)


def judge(record, num_images, classify=True):
    """Returns the evaluation of a retraining and its worst-classified images.

    Args:
        record: `RunRecord` of a retraining.
        num_images: Integer, how many of these images.
        classify: Boolean, whether the network classifies the test images now. If
            not, or if it cannot, the evaluation is what `evaluation.json` holds.

    Returns:
        Dict with `"evaluation"` (None where there is none), `"worst_images"`, see
        `Mistakes`, with the names of the classes, and `"notices"`, a list
        that says what is missing; and the list of URIs of these images.
    """
    if record.config.get("held_out"):
        return stored(record, HELD_OUT_REASON)
    if not classify:
        return stored(record, "The test images were not classified for this report.")
    if not record.run.file(workdir.NETWORK).exists():
        return stored(record, "There is no trained network yet.")
    try:
        config, description = record.run.read_config(RetrainConfig)
        dataset = load_dataset_of_run(config, description)
        mistakes = Mistakes(num_images)
        evaluation = evaluate_network(
            load_network(record.run), dataset, BATCH_SIZE, mistakes.observe
        )
    except InputError as error:
        return stored(record, f"The test images cannot be classified: {error}")
    pictures = read_pictures(dataset, [one["image"] for one in mistakes.worst])
    judgement = {
        "evaluation": evaluation,
        "worst_images": named(mistakes.worst, dataset.class_names),
        "notices": [],
    }
    return judgement, pictures


def stored(record, reason):
    """Returns what `judge` does where no image is classified, and for what reason."""
    instead = (
        "Confusion matrix and accuracy are those of evaluation.json; the worst images "
        "are left out."
    )
    if record.evaluation is None:
        instead = "Confusion matrix, accuracy and the worst images are left out."
    judgement = {
        "evaluation": record.evaluation,
        "worst_images": [],
        "notices": [note(f"{reason} {instead}")],
    }
    return judgement, []


def named(mistakes, class_names):
    """Returns the mistakes with classes by name."""
    return [
        {
            **one,
            "label": class_names[one["label"]],
            "predicted": class_names[one["predicted"]],
        }
        for one in mistakes
    ]
