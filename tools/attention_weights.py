"""How much weight searches gave to attention, by cell type and source.

    python tools/attention_weights.py studies/fashion_mnist/runs/at_darts/*/search

Prints a Markdown table of the softmaxed alphas after the last epoch of each search:
the mean over the edges of a kind, then mean and standard deviation over searches.
An operation that the search is indifferent to has one in as many as there are.
"""

import json
import pathlib
import statistics
import sys

import numpy as np

from keras_atdarts.genotypes.alphas import alphas_from_dict

ATTENTION = ("channel_attention", "spatial_attention")
SOURCES = ("cell before it", "previous cell")


def main():
    searches = [last_weights(pathlib.Path(path)) for path in sys.argv[1:]]
    if not searches:
        sys.exit(__doc__)
    kinds = sorted({kind for search in searches for kind in search})
    print("| cell | from | operation | weight |\n| --- | --- | --- | --- |")
    for kind in kinds:
        values = [np.mean(search[kind]) for search in searches]
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        print(f"| {' | '.join(kind)} | {np.mean(values):.4f}{spread} |")


def last_weights(search):
    """Returns the weights of attention by cell type, source and operation."""
    epochs = json.loads((search / "alphas.json").read_text(encoding="utf-8"))
    labelled = alphas_from_dict(epochs[-1]["alphas"])
    weights = {}
    for cell_type in ("normal", "reduction"):
        for (_, source), alphas in labelled[cell_type].operations.items():
            place = SOURCES[source] if source < len(SOURCES) else "intermediate node"
            total = sum(np.exp(list(alphas.values())))
            for name in ATTENTION:
                kind = (cell_type, place, name)
                weights.setdefault(kind, []).append(np.exp(alphas[name]) / total)
    return weights


if __name__ == "__main__":
    main()
