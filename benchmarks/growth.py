"""How the costs of a search grow with its sizes: time, start-up and memory.

    python benchmarks/growth.py --plot docs/images/growth.svg
    python benchmarks/growth.py --axes batch_size filters --rounds 3

Starts from a small search and changes one size at a time; every point is the
median over processes of its own. Half an hour on two cores. For each size and
cost two fits are printed. The exponent is the slope between the logarithms: 1 is
proportional. A fixed cost, such as the memory of TensorFlow itself, makes it
smaller; the line, fixed cost + cost of one more, tells them apart. What changes by
less than a tenth is called constant, and linear what a line explains to 98 % of
the variance.
"""

import math
import statistics

import charts
import flags
import measuring

from keras_atdarts.atomic import write_json

# Pairs of a cheap operation and a convolution, so that each two cost alike.
OPERATIONS = (
    *("skip_connect", "sep_conv_3x3"),
    *("max_pool_3x3", "sep_conv_5x5"),
    *("avg_pool_3x3", "dil_conv_3x3"),
    *("none", "dil_conv_5x5"),
)
BASE = {
    "batch_size": 16,
    "filters": 8,
    "num_cells": 5,
    "image_size": 32,
    "num_operations": len(OPERATIONS),
}
AXES = {
    "batch_size": (8, 16, 32, 64),
    "filters": (4, 8, 16, 32),
    "num_cells": (3, 5, 8, 11),
    "image_size": (16, 24, 32, 48),
    "num_operations": (2, 4, 6, 8),
}
TINY = {"batch_size": 4, "filters": 4, "num_cells": 3, "num_operations": 2}
COSTS = {
    "seconds_per_step": "step, s",
    "startup_seconds": "start to first step, s",
    "peak_gib": "peak memory, GiB",
}
CONSTANT = 0.1
EXPLAINED = 0.98


def main(argv=None):
    arguments = parse_arguments(argv)
    machine = measuring.describe_machine()
    results = measure(arguments)
    fits = [
        {"axis": axis, "cost": cost, **fit([(x, costs[cost]) for x, costs in points])}
        for axis, points in results.items()
        for cost in COSTS
    ]
    print(f"{measuring.machine_line(machine)}\n\n{describe_base(arguments)}\n")
    for axis, points in results.items():
        print(f"{points_table(axis, points)}\n")
    print(fits_table(fits))
    if arguments.plot:
        charts.write_svg(arguments.plot, panels(results))
    if arguments.output:
        content = {
            "machine": machine,
            "base": base_sizes(arguments),
            "points": results,
            "fits": fits,
        }
        write_json(arguments.output, content)


def parse_arguments(argv):
    """Returns the flags."""
    parser = flags.make_parser(__doc__)
    parser.add_argument(
        "--axes",
        nargs="+",
        choices=AXES,
        default=list(AXES),
        metavar="NAME",
        help=f"the sizes to change, of {' '.join(AXES)} (all)",
    )
    flags.add_number(parser, "--rounds", 1, "processes for each point")
    flags.add_number(parser, "--steps", 5, "steps that count in each")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="two points of tiny supernets: whether it runs, not how costs grow",
    )
    parser.add_argument("--plot", metavar="FILE", help="SVG to write as well")
    parser.add_argument("--output", metavar="FILE", help="JSON to write as well")
    arguments = parser.parse_args(argv)
    for path in filter(None, (arguments.plot, arguments.output)):
        flags.check_writable(parser, path)
    return arguments


def base_sizes(arguments):
    """Returns the sizes of the search where they are not changed."""
    return {**BASE, **TINY} if arguments.tiny else BASE


def describe_base(arguments):
    """Returns the same for people."""
    sizes = ", ".join(f"{name} {each}" for name, each in base_sizes(arguments).items())
    return f"Where it is not the one that changes: {sizes}."


def measure(arguments):
    """Runs every point in rounds.

    Returns:
        Dict from the name of each axis to its points `(size, costs)`, where costs
        is a dict of medians.
    """
    base = base_sizes(arguments)
    points = {
        (axis, size): words_of({**base, axis: size})
        for axis in arguments.axes
        for size in (AXES[axis][:2] if arguments.tiny else AXES[axis])
    }
    reports = {words: [] for words in points.values()}
    for _ in range(arguments.rounds):
        for words in reports:
            report = measuring.run_worker(
                "ours.py", "search", *words, "--steps", arguments.steps
            )
            reports[words].append(report)
    results = {axis: [] for axis in arguments.axes}
    for (axis, size), words in points.items():
        results[axis].append((size, medians(reports[words])))
    return results


def words_of(sizes):
    """Returns the flags of a search of some sizes, as a tuple."""
    options = dict(sizes)
    options["operations"] = OPERATIONS[: options.pop("num_operations")]
    return tuple(flags.to_words(options))


def medians(reports):
    """Returns the median of each cost over the processes of a point."""
    return {
        cost: statistics.median(report[cost] for report in reports) for cost in COSTS
    }


def fit(points):
    """Says how a cost grows.

    Args:
        points: List of at least two `(size, cost)`, all positive.

    Returns:
        Dict of the `"exponent"`, of the line's `"fixed"` cost, its cost `"each"`
        and the share of the variance that it `"explained"`, and of the verdict,
        how the cost `"grows"`.
    """
    sizes, costs = zip(*points, strict=True)
    logarithms = [list(map(math.log, values)) for values in (sizes, costs)]
    exponent, _ = statistics.linear_regression(*logarithms)
    each, fixed = statistics.linear_regression(sizes, costs)
    errors = [cost - fixed - each * size for size, cost in points]
    variance = statistics.pvariance(costs)
    explained = 1 - statistics.pvariance(errors) / variance if variance else 1.0
    if max(costs) < (1 + CONSTANT) * min(costs):
        grows = "constant"
    elif explained >= EXPLAINED:
        grows = "linear"
    else:
        grows = f"to the power {exponent:.1f}"
    return {
        "exponent": exponent,
        "fixed": fixed,
        "each": each,
        "explained": explained,
        "grows": grows,
    }


def points_table(axis, points):
    """Returns the costs of an axis as a Markdown table."""
    rows = [
        (str(size), *(f"{costs[cost]:.3g}" for cost in COSTS)) for size, costs in points
    ]
    return measuring.markdown_table((axis, *COSTS.values()), rows)


def fits_table(fits):
    """Returns how costs grow as a Markdown table."""
    rows = [
        (
            each["axis"],
            COSTS[each["cost"]],
            each["grows"],
            f"{each['exponent']:.2f}",
            f"{each['fixed']:.3g} + {each['each']:.3g} each",
            f"{each['explained']:.0%}",
        )
        for each in fits
    ]
    header = ("size", "cost", "grows", "exponent", "line", "explained by the line")
    return measuring.markdown_table(header, rows)


def panels(results):
    """Returns the charts, a row for each cost and a column for each axis."""
    return [
        [
            charts.Panel(title, axis, [(size, costs[cost]) for size, costs in points])
            for axis, points in results.items()
        ]
        for cost, title in COSTS.items()
    ]


if __name__ == "__main__":
    main()
