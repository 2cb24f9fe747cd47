"""AT-DARTS: differentiable architecture search with attention, for Keras.

The rooms, from the ground floor up; each imports only what lies below it:

- `genotypes`: cells as values: text forms, derivation, sampling, drawing
- `data`: from files and data sets to batches
- `kernels`: the arithmetic: one reference, and backends that compute it faster
- `layers`: plain Keras layers
- `operations`: what an edge can be, and the search spaces
- `training`: optimizers, losses, accumulated gradients, recomputed activations
- `networks`: the derived network, what it is worth, its export, imported weights
- `search`: the supernet and how its alphas learn
- `experiments`: runs, reports, studies and explanations, for the scripts

Names are loaded when they are first used, so that `keras_atdarts.genotypes` needs
no TensorFlow. Where Keras is loaded already, all are: it then finds the layers of a
file that it loads.
"""

import importlib
import sys

__version__ = "0.7.0"

_HOME_OF = {
    "Adam": "training.optimizers",
    "AlphaWarmUp": "training.callbacks",
    "AnnealingMonitor": "search.monitors",
    "Architect": "search.architect",
    "Augmentation": "data.augmentation",
    "CellGenotype": "genotypes",
    "ChannelAttention": "layers.attention",
    "CostMonitor": "search.expected_cost",
    "CostTarget": "search.expected_cost",
    "Dirichlet": "search.samplers",
    "DropPath": "layers.drop_path",
    "DropPathSchedule": "training.callbacks",
    "EigenvalueMonitor": "search.monitors",
    "EpochCosineDecay": "training.schedules",
    "EpochExponentialDecay": "training.schedules",
    "EpochLinear": "training.schedules",
    "FirstOrder": "search.architect",
    "Genotype": "genotypes",
    "GumbelSoftmax": "search.samplers",
    "InputError": "errors",
    "MixedAttention": "search.mixed_attention",
    "MixedOperation": "search.mixed_operation",
    "MixingEvaluation": "search.mixing_evaluation",
    "Operation": "operations",
    "PerturbationSelection": "search.selection",
    "RandomPerturbation": "search.perturbation",
    "SGD": "training.optimizers",
    "SearchCell": "search.cell",
    "SecondOrder": "search.architect",
    "Sigmoid": "search.samplers",
    "SmoothedCrossentropy": "training.losses",
    "Softmax": "search.samplers",
    "SpatialAttention": "layers.attention",
    "StopAtEigenvalue": "search.stopping",
    "StopAtSkips": "search.stopping",
    "StopWhenUnchanged": "search.stopping",
    "Supernet": "search.supernet",
    "build_network": "networks.derived",
    "darts_text": "genotypes",
    "derive_genotype": "genotypes",
    "evaluation_batches": "data.batches",
    "export_litert": "networks.litert",
    "export_saved_model": "networks.export",
    "load_backbone": "networks.backbone",
    "load_dataset": "data.loading",
    "load_reference_weights": "networks.reference_weights",
    "nni_architecture": "genotypes",
    "operation_costs": "search.operation_costs",
    "operation_names": "operations",
    "plot_genotype": "genotypes",
    "published_genotypes": "genotypes",
    "random_genotypes": "genotypes",
    "read_weights": "networks.weight_files",
    "register_dataset": "data.datasets",
    "register_operation": "operations",
    "register_regularizer": "search.regularizers",
    "search_batches": "data.batches",
    "search_split": "data.splits",
    "training_batches": "data.batches",
    "without_auxiliary_head": "networks.derived",
    "without_top": "networks.backbone",
}
__all__ = ["__version__", *_HOME_OF]


def __dir__():
    return __all__


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    _load_public_names()
    return globals()[name]


def _load_public_names():
    for name, home in _HOME_OF.items():
        globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)


if "keras" in sys.modules or "tensorflow" in sys.modules:
    _load_public_names()
