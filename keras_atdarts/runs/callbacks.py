"""What a run writes down and says while it trains."""

import keras

from keras_atdarts.genotype import source_name
from keras_atdarts.runs import atomic
from keras_atdarts.runs import workdir


def record_callbacks(run):
    """Returns the callbacks that every run has: bar, history, TensorBoard.

    The progress bar comes first, so that whatever later callbacks print at the
    end of an epoch follows the finished bar.

    Args:
        run: A `RunDirectory`.
    """
    return [
        keras.callbacks.ProgbarLogger(),
        keras.callbacks.CSVLogger(str(run.file(workdir.HISTORY))),
        keras.callbacks.TensorBoard(
            str(run.file(workdir.TENSORBOARD)), write_graph=False
        ),
    ]


class GenotypeHistory(keras.callbacks.Callback):
    """Derives and records a genotype at the end of each epoch of a search.

    The file holds a list with one entry per finished epoch: its number as in
    the history, from 0, the alphas (`"0<-1"` is the edge to node 0 from source
    1) and the genotype they give. An interrupted search leaves all that it
    finished. The attribute `genotype` is that of the last finished epoch.

    Args:
        path: Path of the JSON file.
        derive: Function from labelled alphas to a `Genotype`.
    """

    def __init__(self, path, derive):
        super().__init__()
        self.path = path
        self.derive = derive
        self.epochs = []
        self.genotype = None

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
        atomic.write_json(self.path, self.epochs)
        print(describe_genotype(self.genotype))


def alphas_to_dict(alphas):
    """Returns labelled alphas with the edges as text, ready for JSON."""
    return {
        cell: {
            f"{node}<-{source}": {name: float(alpha) for name, alpha in edge.items()}
            for (node, source), edge in edges.items()
        }
        for cell, edges in alphas.items()
    }


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


def count_operation(cell, operation):
    """Returns on how many edges of a cell `operation` stands."""
    return sum(edge.operation == operation for edges in cell.nodes for edge in edges)
