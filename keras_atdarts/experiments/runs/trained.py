"""What later scripts read from a retraining's directory."""

import keras

from keras_atdarts.data.batches import evaluation_batches
from keras_atdarts.data.loading import load_dataset
from keras_atdarts.errors import InputError
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.evaluation import evaluate
from keras_atdarts.networks.inference import in_float32
from keras_atdarts.networks.multiply_adds import count_multiply_adds

NEEDED_FILES = (workdir.CONFIG, workdir.GENOTYPE, workdir.NETWORK)


def open_trained_run(path):
    """Returns the `RunDirectory` of a finished retraining.

    Raises:
        InputError: where something is missing in it.
    """
    return workdir.RunDirectory.open(path, needs=NEEDED_FILES)


def load_network(run):
    """Returns the trained network of a run, from images to logits, in float32.

    Args:
        run: A `RunDirectory` from `open_trained_run`.

    Raises:
        InputError: where the file is damaged or holds something else.
    """
    path = run.file(workdir.NETWORK)
    try:
        network = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"Cannot load '{path}': {reason} Expected the network that "
            "train/retrain.py writes."
        ) from error
    return in_float32(without_auxiliary_head(network))


def load_dataset_of_run(config, description):
    """Returns the data set of a run, if it still is what the run was trained on.

    Args:
        config: `RetrainConfig` of the run.
        description: Dict, from `ImageDataset.description`, that the run saved.

    Raises:
        InputError: It cannot be loaded or has changed.
    """
    dataset = load_dataset(
        config.dataset,
        config.data_dir,
        config.image_size,
        central_fraction=config.central_fraction,
    )
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

    Args:
        network: `keras.Model` from images to logits.
        dataset: `ImageDataset`.
        batch_size: Integer, the images classified at a time.
        observe: Optional function, see `evaluation.evaluate`.
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
