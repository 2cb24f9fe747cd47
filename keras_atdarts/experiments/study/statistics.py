"""Means, deviations and a paired test for a handful of runs."""

import math

import numpy as np

EXACT_UP_TO = 20  # Differences; their signs can be chosen in 2^20 ways.
NUM_DRAWS = 100_000  # Of more differences, so many choices of signs are drawn.
# Relative, of a sum of differences, below which two sums are the same one.
ROUNDING = 1e-9


def mean(values):
    """Returns the mean of values; None of no values."""
    return math.fsum(values) / len(values) if values else None


def sample_deviation(values):
    """Returns the sample standard deviation, with n - 1; None of fewer than two."""
    if len(values) < 2:
        return None
    centre = mean(values)
    squares = math.fsum((value - centre) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1))


def sign_flip_test(differences):
    """Returns the two-sided p-value of the paired sign-flip permutation test.

    If the two arms of the pairs were the same, each difference would be as likely
    with the opposite sign. The p-value is the part of all choices of signs whose
    sum is at least as far from 0 as the sum that was found.

    It is taken and not the t-test, because with a few seeds nobody can know
    whether accuracies are normal, which the t-test needs most when they are few;
    this one needs no distribution at all. The price is honest: `n` differences
    cannot give less than `lowest_p_value(n)`, with 3 seeds 0.25.

    Args:
        differences: List of floats, one for each pair.

    Returns:
        Float; None where there is no pair.

    Reference:
        R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    if not differences:
        return None
    found = abs(math.fsum(differences))
    limit = found - ROUNDING * math.fsum(map(abs, differences))
    if len(differences) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= limit))
    generator = np.random.default_rng(0)
    as_far = 1  # The choice of signs that was found is one of them.
    for _ in range(NUM_DRAWS):
        signs = generator.choice((-1, 1), size=len(differences))
        as_far += abs(np.dot(signs, differences)) >= limit
    return float(as_far / (NUM_DRAWS + 1))


def lowest_p_value(num_pairs):
    """Returns the lowest p-value that `sign_flip_test` gives for so many pairs."""
    if num_pairs <= EXACT_UP_TO:
        return min(1.0, 2.0 ** (1 - num_pairs))
    return 1 / (NUM_DRAWS + 1)


def compare_pairs(values, baseline):
    """Compares two arms over the seeds that both have.

    Args:
        values: Dict from a seed to the value of the arm.
        baseline: The same of what it is compared with.

    Returns:
        Dict, ready for JSON, with the common `"seeds"`, `"mean_difference"`,
        its `"standard_deviation"`, `"p_value"` and `"lowest_p_value"`, the lowest
        that so many seeds can give. None where there is no common seed.
    """
    seeds = [seed for seed in values if seed in baseline]
    if not seeds:
        return None
    differences = [values[seed] - baseline[seed] for seed in seeds]
    return {
        "seeds": seeds,
        "mean_difference": mean(differences),
        "standard_deviation": sample_deviation(differences),
        "p_value": sign_flip_test(differences),
        "lowest_p_value": lowest_p_value(len(seeds)),
    }
