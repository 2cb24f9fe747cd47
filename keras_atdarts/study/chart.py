"""The accuracy of every run of a study as a picture: a row of dots for each arm."""

import math
from xml.sax.saxutils import escape

WIDTH = 640
LEFT = 170  # Of the axis, in pixels; the names stand before it.
RIGHT = 24
ROW = 44
BOTTOM = 56
MOST_INTERVALS = 6  # Between ticks, within what must be shown.
STEPS = (1, 2, 5, 10)  # Their distances, times a power of ten.
LEAST_WIDTH = 1e-3  # Of the axis.
ROUNDING = 1e-9

STYLE = """
  text { font: 14px sans-serif; fill: #222 }
  .grid { stroke: #ddd }
  .spread { stroke: #e07b00; stroke-width: 3 }
  .mean { stroke: #e07b00; stroke-width: 3 }
  .run { fill: #1f5fa8; fill-opacity: 0.75 }
"""


def draw_accuracies(arms):
    """Returns an SVG picture, as text.

    Args:
        arms: The `"arms"` of the dict of `results.collect`.
    """
    first, last, step = ticks(*limits(arms))
    height = ROW * len(arms) + BOTTOM

    def place(accuracy):
        share = (accuracy / step - first) / (last - first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    parts = list(draw_axis(first, last, step, place, ROW * len(arms)))
    for row, (name, arm) in enumerate(arms.items()):
        parts += draw_arm(name, arm, ROW * (row + 0.5), place)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            "<title>Test accuracy of every run</title>",
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def draw_axis(first, last, step, place, bottom):
    """Yields grid lines with their accuracies, and what they are."""
    decimals = max(0, -math.floor(math.log10(100 * step) + ROUNDING))
    for number in range(first, last + 1):
        x = place(number * step)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>'
        label = f"{100 * number * step:.{decimals}f}"
        yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
    x = (LEFT + WIDTH - RIGHT) / 2
    yield (
        f'<text x="{x}" y="{bottom + 42}" text-anchor="middle">test accuracy in % '
        "(dots: runs; orange: mean ± standard deviation)</text>"
    )


def draw_arm(name, arm, y, place):
    """Yields the name, the spread, the mean and the runs of an arm."""
    yield f'<text x="{LEFT - 14}" y="{y + 5}" text-anchor="end">{escape(name)}</text>'
    if arm["accuracy"] is not None:
        mean, deviation = arm["accuracy"].values()
        low, high = (place(mean + sign * (deviation or 0)) for sign in (-1, 1))
        yield f'<line class="spread" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        x = place(mean)
        yield f'<line class="mean" x1="{x}" x2="{x}" y1="{y - 12}" y2="{y + 12}"/>'
    for run in arm["runs"]:
        tip = f"seed {run['seed']}: {run['accuracy']:.2%}"
        dot = f'<circle class="run" cx="{place(run["accuracy"])}" cy="{y}" r="5">'
        yield f"{dot}<title>{tip}</title></circle>"


def limits(arms):
    """Returns the lowest and the highest accuracy that the picture must show."""
    ends = [run["accuracy"] for arm in arms.values() for run in arm["runs"]]
    for arm in arms.values():
        if arm["accuracy"] is not None:
            mean, deviation = arm["accuracy"].values()
            ends += [mean - (deviation or 0), mean + (deviation or 0)]
    if not ends:
        return 0.0, 1.0
    centre = (min(ends) + max(ends)) / 2
    # Equal runs have an axis, too.
    half = max(max(ends) - centre, LEAST_WIDTH / 2)
    return centre - half, centre + half


def ticks(low, high):
    """Returns the numbers of the first and the last tick, and their distance.

    The distance is 1, 2 or 5 times a power of ten, and tick `n` stands at `n` times
    the distance; the first is at or below `low`, the last at or above `high`.
    """
    least = (high - low) / MOST_INTERVALS
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in STEPS if factor * power >= least)
    first = math.floor(low / step + ROUNDING)
    return first, math.ceil(high / step - ROUNDING), step
