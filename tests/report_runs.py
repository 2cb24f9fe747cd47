"""Runs as search.py and retrain.py leave them, made by hand with known numbers."""

import json

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.search_config import SearchConfig
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.alphas import alphas_to_dict
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

OPERATIONS = ("none", "skip_connect", "max_pool_3x3", "channel_attention")
DATASET = {"name": "clothes <b>&", "image_shape": [8, 8, 1], "class_names": ["a", "b"]}


def cell(*operations):
    """Returns a cell of two nodes with four edges, from 0 and 1, and 1 and 2."""
    sources = (0, 1, 1, 2)
    edges = list(zip(operations, sources, strict=True))
    return CellGenotype([edges[:2], edges[2:]], [2, 3])


SETTLED = Genotype(
    normal=cell("skip_connect", "skip_connect", "skip_connect", "channel_attention"),
    reduction=cell(*["max_pool_3x3"] * 4),
)
EARLY = Genotype(
    normal=cell("channel_attention", "skip_connect", "skip_connect", "max_pool_3x3"),
    reduction=cell(*["max_pool_3x3"] * 4),
)


def alphas(epoch):
    """Labelled alphas: one operation of one edge grows from equal ones."""
    edges = {
        (node, source): dict.fromkeys(OPERATIONS, 0.0)
        for node in range(2)
        for source in range(2 + node)
    }
    edges[0, 1]["skip_connect"] = float(epoch)
    return {"normal": CellAlphas(edges), "reduction": CellAlphas(edges)}


def write_search(path, genotypes=(EARLY, SETTLED, SETTLED), finished=True, epochs=3):
    """Writes a search whose genotypes after its epochs are given; returns its path."""
    run = RunDirectory(path).make()
    run.write_config(SearchConfig(epochs=epochs, operations=OPERATIONS), DATASET)
    if genotypes:
        rows = [f"{n},{0.5 + 0.1 * n},{2 - n / 2}" for n in range(len(genotypes))]
        write_rows(run.file(workdir.HISTORY), "epoch,alpha_accuracy,loss", rows)
        rows = [f"{n},{11.5 + n},{n + 1}000000000,0" for n in range(len(genotypes))]
        header = "epoch,seconds,peak_memory,peak_gpu_memory"
        write_rows(run.file(workdir.RESOURCES), header, rows)
        entries = [
            {
                "epoch": number,
                "alphas": alphas_to_dict(alphas(number)),
                "genotype": genotype.to_dict(),
            }
            for number, genotype in enumerate(genotypes)
        ]
        run.write_json(workdir.ALPHAS, entries)
        genotypes[-1].save(run.file(workdir.GENOTYPE))
    if finished:
        run.mark_finished()
    return path


def write_rows(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")


def make_old(path):
    """Takes from a run what the first version did not record; returns its path."""
    run = RunDirectory(path)
    run.file(workdir.RESOURCES).unlink()
    saved = json.loads(run.file(workdir.CONFIG).read_text())
    del saved[workdir.FINISHED]
    for name in ("deterministic", "order", "attention_placement"):
        del saved["config"][name]
    run.file(workdir.CONFIG).write_text(json.dumps(saved))
    return path
