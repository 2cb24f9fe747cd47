"""The parts of a search, made as its configuration says."""

import functools

from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.perturbation_selection import PERTURBATION
from keras_atdarts.experiments.runs.records import read_columns
from keras_atdarts.experiments.runs.runtime import fix_randomness
from keras_atdarts.experiments.runs.workers import refuse_workers
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.layers.batch_normalization import synchronize_batch_normalization
from keras_atdarts.search.architect import FirstOrder
from keras_atdarts.search.architect import SecondOrder
from keras_atdarts.search.expected_cost import CostMonitor
from keras_atdarts.search.monitors import EIGENVALUE
from keras_atdarts.search.monitors import AnnealingMonitor
from keras_atdarts.search.monitors import EigenvalueMonitor
from keras_atdarts.search.perturbation import RandomPerturbation
from keras_atdarts.search.regularizers import resolve_regularizers
from keras_atdarts.search.samplers import GumbelSoftmax
from keras_atdarts.search.samplers import get_sampler
from keras_atdarts.search.stopping import StopAtEigenvalue
from keras_atdarts.search.stopping import StopAtSkips
from keras_atdarts.search.stopping import StopWhenUnchanged
from keras_atdarts.search.supernet import Supernet
from keras_atdarts.training.optimizers import SGD
from keras_atdarts.training.optimizers import Adam
from keras_atdarts.training.schedules import EpochCosineDecay
from keras_atdarts.training.schedules import EpochLinear


def make_supernet(stage, dataset, steps, targets=()):
    """Returns the built and compiled supernet; whatever cannot work fails here.

    Args:
        stage: `SearchStage`.
        dataset: `ImageDataset`.
        steps: Integer, of an epoch.
        targets: See `make_cost_targets`.
    """
    config = stage.config
    if stage.number:  # So that it begins alike after a resumption.
        fix_randomness(stage.seed, config.deterministic)
    supernet = Supernet(
        dataset.num_classes,
        config.filters,
        stage.num_cells,
        config.operations,
        attention_placement=config.attention_placement,
        partial_channels=config.partial_channels,
        edge_normalization=config.partial_channels > 1,
        sampler=make_sampler(config, steps),
        kept=stage.kept,
    )
    supernet.build((None, *dataset.image_shape))
    if config.sync_batch_norm:
        synchronize_batch_normalization(supernet)
    supernet.compile(
        weight_optimizer(config, steps),
        alpha_optimizer(config, steps),
        architect=make_architect(config, steps, targets),
        jit_compile=config.jit,
        recompute=config.recompute,
        gradient_accumulation=config.gradient_accumulation,
        perturbation=make_perturbation(config, steps),
        seed=stage.seed,
    )
    return supernet


def make_sampler(config, steps):
    """Returns the sampler for epochs of `steps` steps."""
    if config.sampler == GumbelSoftmax.name:
        return GumbelSoftmax(EpochLinear(*config.temperature, config.epochs, steps))
    return get_sampler(config.sampler)


def make_perturbation(config, steps):
    """Returns the perturbation of mixing weights, or None."""
    if config.perturbation is None:
        return None
    return RandomPerturbation(EpochLinear(*config.perturbation, config.epochs, steps))


def weight_optimizer(config, steps):
    """Returns the optimizer of the weights for epochs of `steps` steps."""
    rate = EpochCosineDecay(
        config.weight_learning_rate,
        config.epochs,
        steps,
        config.weight_learning_rate_min,
    )
    return SGD(
        rate,
        config.momentum,
        clip_norm=config.clip_norm,
        coupled_weight_decay=config.weight_decay,
    )


def alpha_optimizer(config, steps):
    """Returns the optimizer of the alphas for epochs of `steps` steps."""
    rate, decay = config.alpha_learning_rate, config.alpha_weight_decay
    if config.alpha_learning_rate_min is not None:
        minimum = config.alpha_learning_rate_min
        # Its steps are counted from the end of the warm-up.
        epochs = config.epochs - config.warm_up_epochs
        rate = EpochCosineDecay(rate, epochs, steps, minimum)
    if config.alpha_optimizer == "sgd":
        return SGD(rate, config.alpha_momentum, coupled_weight_decay=decay)
    return Adam(rate, *config.alpha_betas, coupled_weight_decay=decay)


def make_architect(config, steps, targets=()):
    """Returns what computes the gradients of the alphas, see `make_supernet`."""
    words = config.regularizers or ()
    regularizers = resolve_regularizers(words, config.epochs, steps) + tuple(targets)
    if config.order == 1:
        return FirstOrder(regularizers)
    return SecondOrder(config.hessian, regularizers=regularizers)


def derivation(config):
    """Returns the function from labelled alphas to the genotype of a search."""
    return functools.partial(
        derive_genotype,
        sampler=config.sampler,
        max_skip_connections=config.max_skip_connections,
    )


def check_single_machine(config):
    """Raises `InputError` for settings that several machines do not have."""
    if config.eigenvalue != "off":
        refuse_workers("--eigenvalue measures on one machine")
    if config.selection == PERTURBATION:
        refuse_workers("--selection perturbation measures on one machine")


def make_monitors(config, batches_from, targets, derive):
    """Returns the callbacks that measure a search, to stand before what records it.

    Args:
        config: `SearchConfig`.
        batches_from: See `fitting.fit`.
        targets: See `make_cost_targets`.
        derive: See `derivation`.
    """
    monitors = [AnnealingMonitor()]
    if targets:
        monitors.append(CostMonitor(targets, derive))
    if config.eigenvalue != "off":
        # The same batch after a resumption.
        _, of_alphas = next(iter(batches_from(0)))
        monitors.append(EigenvalueMonitor(of_alphas))
    return monitors


def make_stops(config, run, derive, first_epoch=0):
    """Returns the callbacks that can end a search, one for each setting that asks.

    Args:
        config: `SearchConfig`.
        run: `RunDirectory`, which may have epochs already.
        derive: See `derivation`.
        first_epoch: Integer, of the stage; those before it had another supernet.
    """
    epochs = (run.read_optional_json(workdir.ALPHAS) or [])[first_epoch:]
    earlier = [Genotype.from_dict(epoch["genotype"]) for epoch in epochs]
    stops = []
    if config.stop_at_skip_connections is not None:
        count = config.stop_at_skip_connections
        stops.append(StopAtSkips(count, derive, earlier))
    if config.stop_when_unchanged is not None:
        stops.append(StopWhenUnchanged(config.stop_when_unchanged, derive, earlier))
    if config.eigenvalue == "stop":
        values = read_columns(run.file(workdir.HISTORY)).get(EIGENVALUE, [])
        values = values[first_epoch:]
        stops.append(StopAtEigenvalue(derive, earlier, values))
    return stops
