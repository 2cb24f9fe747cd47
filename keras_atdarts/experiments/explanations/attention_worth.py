"""What attention is worth: the accuracy that is lost if gates are constant.

The mean over the images takes the place of a gate. So what the gate does to all images
alike stays, and what it does because of an image is gone.
"""

import math

import numpy as np


def replacement_groups(gates):
    """Returns which gates are replaced together: a list of `(name, boolean array)`.

    Each gate is replaced by itself. So are all gates of each attention that has
    several, and all gates if there are several attentions.
    """
    groups = [(gate.name, [each is gate for each in gates]) for gate in gates]
    attentions = sorted({gate.attention for gate in gates})
    for attention in attentions:
        chosen = [gate.attention == attention for gate in gates]
        if sum(chosen) > 1:
            groups.append((f"all {sum(chosen)} {attention}", chosen))
    if len(attentions) > 1:
        groups.append((f"all {len(gates)} gates", [True] * len(gates)))
    return [(name, np.array(chosen)) for name, chosen in groups]


def measure_worth(classify, groups, batches):
    """Classifies images with all gates, and without those of each group.

    Args:
        classify: Function from `gate_replacer`.
        groups: List from `replacement_groups`.
        batches: Iterable of `(images, labels)`.

    Returns:
        List of dicts, see `compare_answers`, each with the `"name"` of its group.
    """
    replacements = [np.zeros_like(groups[0][1]), *(chosen for _, chosen in groups)]
    correct = []
    for images, labels in batches:
        answers = [np.argmax(classify(images, each), axis=-1) for each in replacements]
        correct.append(np.stack(answers) == np.asarray(labels))
    with_gates, *without = np.concatenate(correct, axis=1)
    return [
        {"name": name, **compare_answers(with_gates, answers)}
        for (name, _), answers in zip(groups, without, strict=True)
    ]


def compare_answers(correct_with, correct_without):
    """Compares the answers of a network with and without gates to the same images.

    Both are boolean arrays: which images are classified rightly.

    Returns:
        Dict of `"num_examples"`; `"only_with"` and `"only_without"`, the numbers of
        images that are right in one case only; `"accuracy_with"` and
        `"accuracy_without"`; their `"difference"`; its `"standard_error"`, see
        `standard_error`; and `"p_value"`, see `mcnemar`.
    """
    count = len(correct_with)
    only_with = int(np.sum(correct_with & ~correct_without))
    only_without = int(np.sum(correct_without & ~correct_with))
    return {
        "num_examples": count,
        "only_with": only_with,
        "only_without": only_without,
        "accuracy_with": float(np.mean(correct_with)),
        "accuracy_without": float(np.mean(correct_without)),
        "difference": (only_with - only_without) / count,
        "standard_error": standard_error(only_with, only_without, count),
        "p_value": mcnemar(only_with, only_without),
    }


def standard_error(only_with, only_without, count):
    """Returns the standard error of the difference of two paired accuracies.

    Half an image is added to each of the four outcomes: the plain formula gives 0
    where no answer changes, as if that were certain.

    Reference:
        Agresti, Min, Simple improved confidence intervals for comparing matched
        proportions, Statistics in Medicine 24, 2005.
    """
    changed = only_with + only_without + 1
    difference = only_with - only_without
    count = count + 2
    return math.sqrt(changed - difference**2 / count) / count


def mcnemar(only_with, only_without):
    """Returns the p-value of the exact McNemar test.

    If answers got better and worse with equal chance, it is the probability that the
    changed answers divide at least as unevenly as they do.
    """
    changed, fewest = only_with + only_without, min(only_with, only_without)
    # In integers, since powers of two overflow floats.
    tail = sum(math.comb(changed, fewer) for fewer in range(fewest + 1))
    return min(1.0, 2 * tail / 2**changed)
