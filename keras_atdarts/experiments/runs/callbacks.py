"""What a run writes down and says while it trains."""

import keras
import tensorflow as tf

from keras_atdarts.experiments.runs import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.resources import Resources
from keras_atdarts.genotypes.alphas import alphas_to_dict
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import source_name
from keras_atdarts.genotypes.statistics import count_operation


def record_callbacks(run):
    """Returns the callbacks that every run has: bar, history, costs, TensorBoard.

    The progress bar comes first, so that whatever later callbacks print at the
    end of an epoch follows the finished bar.

    Args:
        run: A `RunDirectory`.
    """
    return [
        keras.callbacks.ProgbarLogger(),
        History(run.file(workdir.HISTORY)),
        Resources(run.file(workdir.RESOURCES)),
        TensorBoard(run.file(workdir.TENSORBOARD)),
    ]


class History(keras.callbacks.Callback):
    """Adds a row to a CSV file at the end of each epoch: its number and metrics.

    The file is replaced as a whole, so that it never ends in half a row. One
    that is there already is continued, in the order of its columns.

    Args:
        path: Path of the CSV file.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **logs}
        if self.path.exists():
            earlier = self.path.read_text(encoding="utf-8")
        else:
            earlier = ",".join(row) + "\n"
        columns = earlier.split("\n", 1)[0].split(",")
        line = ",".join(str(row[name]) for name in columns)
        atomic.write_text(self.path, f"{earlier}{line}\n")


class TensorBoard(keras.callbacks.Callback):
    """Shows each epoch's metrics and the weights' learning rate in TensorBoard.

    They are on the disk when an epoch has ended; Keras' callback keeps them back
    for up to two minutes, and a killed run would have gaps.

    Args:
        folder: Path; the files go to its sub-folder `train`, as with Keras.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs=None):
        self.writer = tf.summary.create_file_writer(str(self.folder / "train"))

    def on_epoch_end(self, epoch, logs=None):
        values = {**logs, "learning_rate": self.model.optimizer.learning_rate}
        with self.writer.as_default(epoch):
            for name, value in values.items():
                tf.summary.scalar(f"epoch_{name}", float(value))
        self.writer.flush()

    def on_train_end(self, logs=None):
        self.writer.close()


class LatestNetwork(keras.callbacks.Callback):
    """Saves the network at the end of each epoch, in the place of the previous one.

    Args:
        path: Path of the `.keras` file.
        main_part: Function from the model in training to the one to save.
    """

    def __init__(self, path, main_part):
        super().__init__()
        self.path = path
        self.main_part = main_part

    def on_epoch_end(self, epoch, logs=None):
        with atomic.replacing(self.path) as unfinished:
            self.main_part(self.model).save(unfinished)


class GenotypeHistory(keras.callbacks.Callback):
    """Derives and records a genotype at the end of each epoch of a search.

    The run's `alphas.json` holds a list with one entry per finished epoch: its
    number as in the history, from 0, the alphas (see `Supernet.labelled_alphas`;
    `"0<-1"` is the edge to node 0 from source 1) and the genotype they give. The
    genotype of the last finished epoch is in `genotype.json` and in the attribute
    `genotype`. So an interrupted search leaves all that it finished, and a list
    that is there already is continued.

    Args:
        run: A `RunDirectory`.
        derive: Function from labelled alphas to a `Genotype`.
    """

    def __init__(self, run, derive):
        super().__init__()
        self.run = run
        self.derive = derive
        self.epochs = []
        self.genotype = None
        if run.file(workdir.ALPHAS).exists():
            self.epochs = run.read_json(workdir.ALPHAS)
        if self.epochs:
            self.genotype = Genotype.from_dict(self.epochs[-1]["genotype"])

    def on_epoch_end(self, epoch, logs=None):
        alphas = self.model.labelled_alphas()
        self.genotype = self.derive(alphas)
        self.epochs.append(
            {
                "epoch": epoch,
                "alphas": alphas_to_dict(alphas),
                "genotype": self.genotype.to_dict(),
            }
        )
        self.run.write_json(workdir.ALPHAS, self.epochs)
        self.genotype.save(self.run.file(workdir.GENOTYPE))
        print(describe_genotype(self.genotype))


def describe_genotype(genotype):
    """Returns one line for each cell of `genotype`, and its count of skips."""
    return "\n".join(
        f"  {name + ':':<10} {describe_cell(cell)}  "
        f"[{count_operation(cell, 'skip_connect')} skip_connect]"
        for name, cell in genotype.cells()
    )


def describe_cell(cell):
    """Returns the nodes as sums, e.g. `node 0 = max_pool_3x3(c_{k-2}) + ...`."""
    return ", ".join(
        f"node {node} = "
        + " + ".join(f"{edge.operation}({source_name(edge.source)})" for edge in edges)
        for node, edges in enumerate(cell.nodes)
    )
