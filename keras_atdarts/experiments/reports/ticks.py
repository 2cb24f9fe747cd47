"""The round numbers beside an axis."""

import math


def nice_ticks(low, high, count):
    """Returns about `count` round numbers that enclose two numbers.

    Example:

    >>> nice_ticks(0.13, 0.88, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(low) / 10 or 1
        low, high = low - margin, high + margin
    step = nice_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def nice_step(step):
    """Returns the smallest of 1, 2, 5, 10, ... that is at least `step`."""
    power = 10 ** math.floor(math.log10(step))
    return next(
        factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.999 * step
    )


def integer_ticks(low, high, count=5):
    """Returns about `count` round whole numbers from `low` to `high`."""
    step = max(1, round(nice_step(max(high - low, 1) / count)))
    first = low if step == 1 else math.ceil(low / step) * step
    return list(range(first, high + 1, step))


def tick_labels(ticks):
    """Returns ticks as texts with equally many digits after the point."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:,.{digits}f}" for tick in ticks]
