"""The named presets of a search.

Every value stands once: the defaults of `SearchConfig` are those of DARTS, and a preset
states only what it changes.
"""

from keras_atdarts.experiments.runs.perturbation_selection import PERTURBATION
from keras_atdarts.operations import SEARCH_SPACES

SEARCH_PRESETS = {
    # python train/search.py
    # A few minutes on two cores: shows all steps; its cell is not worth keeping.
    "quick": {
        "retrain_preset": "quick",
        "filters": 8,
        "num_cells": 5,
        "epochs": 3,
        "steps_per_epoch": 30,
        "alpha_learning_rate": 6e-3,
    },
    # python train/search.py --preset cpu
    # About 20 minutes on two cores: what found the cell in saved_models/.
    "cpu": {
        "retrain_preset": "cpu",
        "filters": 8,
        "num_cells": 5,
        "epochs": 8,
        "steps_per_epoch": 110,
        "alpha_learning_rate": 3e-3,
    },
    # python train/search.py --preset darts
    # The reference of DARTS in first order: 1.5 days on a GTX 1080 Ti in its paper.
    # All but data and operations are the defaults.
    "darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
    },
    # python train/search.py --preset darts-second-order
    # The same in second order: 4 days.
    "darts-second-order": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "order": 2,
    },
    # python train/search.py --preset pc-darts
    # The reference of PC-DARTS: 0.1 days on a GTX 1080 Ti in its paper. Batches can
    # be larger, as partial channels take less memory; the rest is that of DARTS.
    "pc-darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "partial_channels": 4,
        "batch_size": 256,
        "weight_learning_rate": 0.1,
        "alpha_learning_rate": 6e-4,
        "warm_up_epochs": 15,
    },
    # The presets that follow are DARTS with a remedy against collapse, on its
    # operations. What a preset does not say is as in DARTS: 50 epochs, batches of 64.
    # python train/search.py --preset fair-darts
    # 97.46 % in its paper. It has no `none`; it keeps operations above a threshold,
    # where we keep the two strongest edges of each node.
    "fair-darts": {
        "dataset": "cifar10",
        "operations": tuple(name for name in SEARCH_SPACES["darts"] if name != "none"),
        "sampler": "sigmoid",
        "regularizers": ("zero_one=10",),
    },
    # python train/search.py --preset gdas
    # 97.07 % in its paper, after 250 epochs. It computes only the operations drawn,
    # where we compute all and weigh the others by 0: a step is not faster here.
    "gdas": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "epochs": 250,
        "sampler": "gumbel_softmax",
    },
    # python train/search.py --preset drnas
    # 97.46 % in its paper, there with partial channels that grow in two stages while
    # operations are dropped: here all channels and operations stay.
    "drnas": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "sampler": "dirichlet",
        "regularizers": ("dirichlet_distance=0.001",),
    },
    # python train/search.py --preset beta-darts
    # 97.47 % in its paper.
    "beta-darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "regularizers": ("beta_decay=0:25",),
    },
    # python train/search.py --preset smooth-darts
    # 97.33 % in its paper (SDARTS-RS).
    "smooth-darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "perturbation": (0.03, 0.3),
    },
    # python train/search.py --preset robust-darts
    # The early stop of its paper, which reports reduced spaces; not its stronger decay.
    "robust-darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "eigenvalue": "stop",
    },
    # python train/search.py --preset darts-pt
    # 97.39 % on average in its paper. Between the rounds its reference learns at a rate
    # that falls again, from a tenth of the first one: here it stays at its minimum.
    "darts-pt": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "selection": PERTURBATION,
    },
    # python train/search.py --preset p-darts
    # 97.50 % in its paper. Its reference also drops out skip connections in the second
    # and third stage, at rates of 0.4 and 0.7 that fall with the epochs: not here.
    "p-darts": {
        "dataset": "cifar10",
        "operations": ("darts",),
        "stages": (5, 3),
        "stage_cells": (5, 11, 17),
        "epochs": 25,
        "batch_size": 96,
        "weight_learning_rate_min": 0.0,
        "warm_up_epochs": 10,
        "alpha_learning_rate": 6e-4,
        "max_skip_connections": 2,
    },
    # python train/search.py --preset paper
    # The AT-DARTS paper, section 3: about 40 hours on four RTX 2080 Ti. Where it is
    # open to more than one reading, this one is taken:
    # - One optimizer is named, SGD, with one momentum and one weight decay: they
    #   are taken for the alphas as for the weights (DARTS: Adam, decay 1e-3).
    # - Both learning rates are those of the start: that of the weights falls along
    #   a cosine to 0.001, that of the alphas stays, as in DARTS.
    # - The order of approximation is not said: the first. (Its hours do not decide:
    #   they lie beyond those of DARTS' second order too.)
    # - The batch size is that of the weights and that of the alphas, 128 images each.
    # - Clipping is not said: at norm 5, as in DARTS. Alphas are not clipped.
    # - Attention as a candidate: its result is normalised as that of the pools is.
    "paper": {
        "dataset": "cifar10",
        "retrain_preset": "paper",
        "batch_size": 128,
        "alpha_optimizer": "sgd",
        "alpha_learning_rate": 0.1,
        "alpha_weight_decay": 3e-4,
    },
}
