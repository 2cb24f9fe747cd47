"""Peak memory and step time of a search, with and without what saves memory.

    python benchmarks/memory.py
    python benchmarks/memory.py --operations darts --num-nodes 4 --batch-size 32

Each variant runs in a process of its own, one after another, in several rounds.
Prints medians.
"""

import statistics

import flags
import measuring

VARIANTS = {
    "plain": (),
    "recompute": ("--recompute",),
    "accumulation 4": ("--gradient-accumulation", "4"),
    "both": ("--recompute", "--gradient-accumulation", "4"),
}
OPERATIONS = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")
HEADER = ("", "peak GiB", "seconds a step")


def main(argv=None):
    parser = flags.make_parser(__doc__)
    flags.add_supernet_flags(parser, num_cells=6, num_nodes=2, operations=OPERATIONS)
    flags.add_number(parser, "--batch-size", 192, "images of a batch")
    flags.add_number(parser, "--steps", 3, "steps that count, after a first one")
    flags.add_number(parser, "--rounds", 3, "how often each process runs")
    options = vars(parser.parse_args(argv))
    rounds = options.pop("rounds")
    words = flags.to_words(options)
    reports = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, more in VARIANTS.items():
            report = measuring.run_worker("ours.py", "search", *words, *more)
            reports[name].append(report)
    rows = [(name, *medians(of_variant)) for name, of_variant in reports.items()]
    print(measuring.markdown_table(HEADER, rows))


def medians(reports):
    """Returns the texts of a variant's peak memory and step time."""
    return [
        f"{statistics.median(report[key] for report in reports):.2f}"
        for key in ("peak_gib", "seconds_per_step")
    ]


if __name__ == "__main__":
    main()
