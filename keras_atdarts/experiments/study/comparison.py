"""Arms compared over a handful of runs: means, deviations and a paired test."""

import math
import statistics

import numpy as np

EXACT_UP_TO = 20  # Differences: their signs can be chosen in 2^20 ways.
NUM_DRAWS = 100_000  # Of choices of signs, for more differences.
ROUNDING = 1e-9  # Sums that differ relatively by less count as equal.


def sample_deviation(values):
    """Returns the sample standard deviation, with n - 1; None of fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else None


def sign_flip_test(differences):
    """Returns the two-sided p-value of the paired sign-flip permutation test.

    If the two arms of the pairs were the same, each difference would be as likely
    with the opposite sign. The p-value is the part of all choices of signs whose
    sum is at least as far from 0 as the sum that was found.

    The t-test needs normally distributed accuracies, which nobody can check with a
    few seeds. This test needs no distribution. Its price: `n` differences cannot give
    less than `lowest_p_value(n)`, which is 0.25 with 3 seeds.

    Args:
        differences: List of one or more floats, one for each pair.

    Reference:
        R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    found = abs(math.fsum(differences))
    limit = found - ROUNDING * math.fsum(map(abs, differences))
    if len(differences) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= limit))
    drawn = np.random.default_rng(0).choice((-1, 1), (NUM_DRAWS, len(differences)))
    as_far = np.sum(np.abs(drawn @ differences) >= limit)
    # The choice of signs that was found is one of them.
    return float((as_far + 1) / (NUM_DRAWS + 1))


def lowest_p_value(num_pairs):
    """Returns the lowest p-value that `sign_flip_test` gives for so many pairs."""
    if num_pairs <= EXACT_UP_TO:
        return min(1.0, 2.0 ** (1 - num_pairs))
    return 1 / (NUM_DRAWS + 1)


def compare_pairs(values, baseline):
    """Compares two arms over the seeds that both have.

    Args:
        values: Dict from a seed to the value of the arm.
        baseline: The same of the arm that it is compared with.

    Returns:
        Dict, ready for JSON, with the common `"seeds"`, `"mean_difference"`,
        its `"standard_deviation"`, `"p_value"` and the `"lowest_p_value"` that so
        many seeds can give. None where there is no common seed.
    """
    seeds = [seed for seed in values if seed in baseline]
    if not seeds:
        return None
    differences = [values[seed] - baseline[seed] for seed in seeds]
    return {
        "seeds": seeds,
        "mean_difference": statistics.fmean(differences),
        "standard_deviation": sample_deviation(differences),
        "p_value": sign_flip_test(differences),
        "lowest_p_value": lowest_p_value(len(seeds)),
    }
