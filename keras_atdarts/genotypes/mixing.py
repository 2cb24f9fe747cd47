"""The mixing weights of an edge as plain numbers, for what reads a finished search.

`search.samplers` has the same for tensors. Logarithms still tell weights apart where
the weights underflow.
"""

import math

from keras_atdarts.errors import unknown_name

SMALLEST = 1e-20


def log_softmax(alphas):
    """Returns `log softmax(alphas)`, by name.

    Args:
        alphas: Dictionary from the name of a choice to its alpha.
    """
    values = [float(alpha) for alpha in alphas.values()]
    largest = max(values)
    # fsum is exact, so that the order of the operations cannot decide a tie.
    log_total = math.log(math.fsum(math.exp(value - largest) for value in values))
    return {name: float(alpha) - largest - log_total for name, alpha in alphas.items()}


def log_sigmoid(alphas):
    """Returns `log sigmoid(alphas)`, by name."""

    def of(alpha):
        # Neither power overflows.
        return min(alpha, 0.0) - math.log1p(math.exp(-abs(alpha)))

    return {name: of(float(alpha)) for name, alpha in alphas.items()}


def log_dirichlet_mean(alphas):
    """Returns the logarithms of the mean weights of `Dir(elu(alphas) + 1)`, by name."""

    def log_concentration(alpha):
        # elu(alpha) + 1 is exp(alpha) below 0, whose logarithm is alpha.
        return math.log1p(alpha) if alpha > 0 else max(alpha, math.log(SMALLEST))

    return log_softmax(
        {name: log_concentration(float(alpha)) for name, alpha in alphas.items()}
    )


LOG_WEIGHTS = {
    "softmax": log_softmax,
    "sigmoid": log_sigmoid,
    "gumbel_softmax": log_softmax,
    "dirichlet": log_dirichlet_mean,
}


def log_weights(alphas, sampler="softmax"):
    """Returns the logarithms of the mixing weights of an edge, by name.

    Args:
        alphas: Dictionary from the name of a choice to its alpha.
        sampler: String, the name of the sampler; of a random one, the weights are
            those that `Sampler.mean` has.

    Raises:
        InputError: There is no such sampler.
    """
    if sampler not in LOG_WEIGHTS:
        raise unknown_name("sampler", sampler, LOG_WEIGHTS)
    return LOG_WEIGHTS[sampler](alphas)
