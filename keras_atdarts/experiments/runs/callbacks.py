"""What a run saves at the end of each epoch: its network, or its genotype."""

import keras

from keras_atdarts import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.genotypes.alphas import alphas_to_dict
from keras_atdarts.genotypes.names import source_name
from keras_atdarts.genotypes.statistics import count_operation


class LatestNetwork(keras.callbacks.Callback):
    """Saves the network at the end of each epoch, in the place of the previous one.

    `main_part` is a function from the model in training to the network.
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
    `"0<-1"` is the edge to node 0 from source 1) and the genotype that `derive` makes
    of them. The genotype of the last finished epoch is in `genotype.json`. So an
    interrupted search leaves all that it finished, and a list that is there already
    is continued.
    """

    def __init__(self, run, derive):
        super().__init__()
        self.run = run
        self.derive = derive
        self.epochs = run.read_optional_json(workdir.ALPHAS) or []

    def on_epoch_end(self, epoch, logs=None):
        alphas = self.model.labelled_alphas()
        genotype = self.derive(alphas)
        entry = {"alphas": alphas_to_dict(alphas), "genotype": genotype.to_dict()}
        self.epochs.append({"epoch": epoch, **entry})
        self.run.write_json(workdir.ALPHAS, self.epochs)
        genotype.save(self.run.file(workdir.GENOTYPE))
        print(describe_genotype(genotype))


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
