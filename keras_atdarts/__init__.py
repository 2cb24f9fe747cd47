"""AT-DARTS: differentiable architecture search with attention, for Keras.

The rooms, from the ground floor up; each imports only what lies below it:

- `genotypes`: cells as values: text forms, derivation, sampling, drawing
- `data`: from files and data sets to batches
- `kernels`: the arithmetic: one reference, and backends that compute it faster
- `layers`: plain Keras layers
- `operations`: what an edge can be, and the search spaces
- `training`: optimizers, losses, accumulated gradients, recomputed activations
- `networks`: the derived network, what it is worth, its export
- `search`: the supernet and how its alphas learn
- `experiments`: runs, reports, studies and explanations, for the scripts

Names are loaded when they are first used, so that `keras_atdarts.genotypes` needs
no TensorFlow. Where Keras is loaded already, all are: it then finds the layers of a
file that it loads.
"""

import importlib
import sys

__version__ = "0.4.0"

_ROOM_OF = {
    "AlphaWarmUp": "training",
    "Augmentation": "data",
    "Adam": "training",
    "Architect": "search",
    "CellGenotype": "genotypes",
    "ChannelAttention": "layers",
    "DropPath": "layers",
    "DropPathSchedule": "training",
    "EpochCosineDecay": "training",
    "EpochExponentialDecay": "training",
    "FirstOrder": "search",
    "Genotype": "genotypes",
    "InputError": "errors",
    "MixedAttention": "search",
    "MixedOperation": "search",
    "Operation": "operations",
    "SGD": "training",
    "SearchCell": "search",
    "SecondOrder": "search",
    "SmoothedCrossentropy": "training",
    "SpatialAttention": "layers",
    "Supernet": "search",
    "build_network": "networks",
    "derive_genotype": "genotypes",
    "evaluation_batches": "data",
    "export_saved_model": "networks",
    "load_dataset": "data",
    "operation_names": "operations",
    "plot_genotype": "genotypes",
    "published_genotypes": "genotypes",
    "random_genotypes": "genotypes",
    "register_dataset": "data",
    "register_operation": "operations",
    "register_regularizer": "search",
    "search_batches": "data",
    "search_split": "data",
    "training_batches": "data",
    "without_auxiliary_head": "networks",
}
__all__ = ["__version__", *_ROOM_OF]


def __dir__():
    return __all__


def __getattr__(name):
    if name not in _ROOM_OF:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    _load_public_names()
    return globals()[name]


def _load_public_names():
    for name, room in _ROOM_OF.items():
        globals()[name] = getattr(importlib.import_module(f"{__name__}.{room}"), name)


if "keras" in sys.modules or "tensorflow" in sys.modules:
    _load_public_names()
