"""What is written down at the end of each epoch."""

import keras
import numpy as np
import pytest

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.callbacks import GenotypeHistory
from keras_atdarts.experiments.runs.callbacks import LatestNetwork
from keras_atdarts.experiments.runs.callbacks import describe_genotype
from keras_atdarts.experiments.runs.records import History
from keras_atdarts.experiments.runs.records import record_callbacks
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.statistics import count_operation


class Searcher(keras.Model):
    """Stands for a supernet: its one alpha grows by one each time it is read."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.reads = 0

    def call(self, inputs):
        return self.dense(inputs)

    def labelled_alphas(self):
        self.reads += 1
        edges = {(0, 0): {"none": np.float32(self.reads), "skip_connect": 0.5}}
        return {"normal": CellAlphas(edges), "reduction": CellAlphas(edges)}


def derive_skips(alphas):
    """Returns a genotype of skips, and of one pooling once the alpha is 2."""
    of_none = alphas["normal"].operations[0, 0]["none"]
    last = "max_pool_3x3" if of_none == 2 else "skip_connect"
    skip = Edge("skip_connect", 1)
    nodes = ((Edge("skip_connect", 0), skip), (skip, Edge(last, 2)))
    cell = CellGenotype(nodes, concat=(2, 3))
    return Genotype(cell, cell)


def test_callbacks_record_every_epoch(tmp_path, capsys):
    run = RunDirectory(tmp_path).make()
    history = GenotypeHistory(run, derive_skips)
    model = Searcher()
    model.compile("sgd", "mse")
    model.fit(
        np.ones((4, 1)),
        np.ones((4, 1)),
        epochs=2,
        callbacks=[*record_callbacks(run), history],
    )
    epochs = run.read_json(workdir.ALPHAS)
    assert [entry["epoch"] for entry in epochs] == [0, 1]
    assert epochs[1]["alphas"]["reduction"] == {
        "operations": {"0<-0": {"none": 2.0, "skip_connect": 0.5}}
    }
    assert epochs[0]["genotype"] != epochs[1]["genotype"]
    genotype = Genotype.load(run.file(workdir.GENOTYPE))
    assert epochs[1]["genotype"] == genotype.to_dict()
    lines = run.file(workdir.HISTORY).read_text().splitlines()
    assert len(lines) == 3 and lines[0] == "epoch,loss"
    assert any(run.file(workdir.TENSORBOARD).rglob("events*"))
    shown = capsys.readouterr().out
    bar, cells = shown.index("1/1"), shown.index("normal:")
    assert bar < cells
    assert "node 1 = skip_connect(c_{k-1}) + max_pool_3x3(node 0)" in shown
    assert shown.index("[4 skip_connect]") < shown.index("[3 skip_connect]")


def test_operations_are_counted_alone_and_with_attention():
    edges = [("skip_connect", 0), ("skip_connect+channel_attention", 1)]
    cell = CellGenotype([edges, [("sep_conv_3x3+channel_attention", 2)]], concat=[3])
    assert count_operation(cell, "skip_connect") == 2
    assert count_operation(cell, "channel_attention") == 2
    assert count_operation(cell, "sep_conv_3x3") == 1
    shown = describe_genotype(Genotype(cell, cell))
    assert "node 1 = sep_conv_3x3+channel_attention(node 0)" in shown
    assert shown.count("[2 skip_connect]") == 2


def test_history_is_continued_in_the_order_of_its_columns(tmp_path):
    path = tmp_path / "history.csv"
    History(path).on_epoch_end(0, {"loss": 2.5, "accuracy": 0.125})
    assert path.read_text() == "epoch,loss,accuracy\n0,2.5,0.125\n"
    History(path).on_epoch_end(1, {"accuracy": 0.25, "loss": 1.5})
    assert path.read_text().splitlines()[2] == "1,1.5,0.25"
    assert list(tmp_path.iterdir()) == [path]


def test_history_without_one_of_its_columns_is_not_touched(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n")
    with pytest.raises(KeyError):
        History(path).on_epoch_end(0, {"accuracy": 0.5})
    assert path.read_text() == "epoch,loss\n"


def test_latest_network_is_that_of_the_last_epoch(tmp_path):
    path = tmp_path / "network.keras"
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(3)(inputs)
    outputs = {"main": keras.layers.Dense(1)(hidden), "other": hidden}
    model = keras.Model(inputs, outputs)
    callback = LatestNetwork(
        path, lambda model: keras.Model(model.input, model.output["main"])
    )
    callback.set_model(model)
    images = np.ones((4, 2), "float32")
    for epoch in range(2):
        model.layers[1].bias.assign_add(np.ones(3))
        callback.on_epoch_end(epoch)
        saved = keras.saving.load_model(path)
        np.testing.assert_allclose(saved(images), model(images)["main"], rtol=1e-6)
    assert list(tmp_path.iterdir()) == [path]
