"""Draws the two cells of a genotype, and on request the whole network.

The genotype is a file that search.py wrote, what DARTS or NNI print, or the name
of a published one such as DARTS_V2. Attention stands out. Cells as SVG need nothing
else; cells as PNG or PDF, and networks, are drawn by Graphviz (apt install graphviz).

    python train/plot.py runs/a/genotype.json --output runs/a/cells
    python train/plot.py DARTS_V2 --format svg png --network darts_v2.svg

With --text it also writes the genotype for others to read: darts.txt as quark0/darts
and its forks print it, nni.json as NNI exports it, genotype.json as this package does.

    python train/plot.py runs/a/genotype.json --output runs/a/cells --text darts nni
"""

import json
import pathlib
import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
import keras

from keras_atdarts import atomic
from keras_atdarts.errors import InputError
from keras_atdarts.errors import unknown_name
from keras_atdarts.experiments.runs.flags import GENOTYPE_HELP
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_import_flag
from keras_atdarts.experiments.runs.flags import add_number_flag
from keras_atdarts.experiments.runs.flags import positive_number
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.genotypes.drawing import FORMATS
from keras_atdarts.genotypes.drawing import check_format
from keras_atdarts.genotypes.drawing import plot_genotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.graphviz import check_graphviz
from keras_atdarts.genotypes.text_forms import darts_text
from keras_atdarts.genotypes.text_forms import nni_architecture
from keras_atdarts.networks.derived import STEMS
from keras_atdarts.networks.derived import build_network
from keras_atdarts.operations import attention_names
from keras_atdarts.operations import operation_names

NETWORK_FORMATS = ("png", "svg", "pdf", "dot")
TEXTS = {
    "darts": ("darts.txt", darts_text),
    "nni": (
        "nni.json",
        lambda genotype: json.dumps(nni_architecture(genotype), indent=2),
    ),
    "json": ("genotype.json", Genotype.to_json),
}


def main(argv=None):
    arguments = parse_arguments(argv)
    load_imports(arguments.imports)
    genotype = Genotype.load(arguments.genotype, operation_names())
    texts = make_texts(genotype, arguments.text)
    for name in arguments.format:
        check_format(name)
    network = None
    if arguments.network:
        check_network_format(arguments.network.suffix[1:])
        network = build_network(
            genotype,
            arguments.image_shape,
            arguments.num_classes,
            arguments.filters,
            arguments.num_cells,
            arguments.stem,
        )
    written = plot_genotype(
        genotype, arguments.output, arguments.format, highlight=attention_names()
    )
    written += write_texts(texts, arguments.output)
    if network:
        written += plot_network(network, arguments.network)
    print(genotype)
    for path in written:
        print(f"Written to {path}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "genotype",
        metavar="GENOTYPE",
        help=GENOTYPE_HELP,
    )
    meaning = "where to write normal.svg and reduction.svg (cells)"
    add_directory_flag(parser, "--output", meaning, default="cells")
    parser.add_argument(
        "--format",
        nargs="+",
        choices=FORMATS,
        default=["svg"],
        help="formats of the pictures of the cells (svg); png and pdf need Graphviz",
    )
    parser.add_argument(
        "--text",
        nargs="+",
        choices=tuple(TEXTS),
        default=[],
        help="also write the genotype in these forms",
    )
    add_import_flag(parser, "none")
    add_network_flags(
        parser.add_argument_group("the network built of the cells, with --network")
    )
    return parser.parse_args(argv)


def add_network_flags(group):
    """Adds the flags that say which network is drawn."""
    group.add_argument(
        "--network",
        type=pathlib.Path,
        metavar="FILE",
        help="also draw the network, to this .png, .svg or .pdf file, by Graphviz; a "
        ".dot file is its text and needs nothing",
    )
    group.add_argument(
        "--image-shape",
        nargs=3,
        type=positive_number,
        default=[32, 32, 3],
        metavar=("HEIGHT", "WIDTH", "CHANNELS"),
        help="shape of its images (32 32 3)",
    )
    for flag, default, meaning in (
        ("--num-classes", 10, "number of classes it tells apart"),
        ("--filters", 36, "channels of a node in its first cells"),
        ("--num-cells", 8, "number of cells, of which two are reduction cells"),
    ):
        add_number_flag(group, flag, default, meaning)
    group.add_argument(
        "--stem",
        choices=tuple(STEMS),
        default="cifar",
        help="how it begins: with one convolution, or with the three for large "
        "images (cifar)",
    )


def make_texts(genotype, forms):
    """Returns the texts of a genotype by the names of their files."""
    return {TEXTS[form][0]: TEXTS[form][1](genotype) for form in forms}


def write_texts(texts, directory):
    """Writes texts to files of a directory that is there, and returns their paths."""
    for name, text in texts.items():
        try:
            atomic.write_text(directory / name, text)
        except OSError as error:
            reason = error.strerror
            raise InputError(
                f"{directory / name}: cannot be written ({reason})."
            ) from error
    return [directory / name for name in texts]


def check_network_format(name):
    """Raises an `InputError` for a format in which networks cannot be drawn here."""
    if name not in NETWORK_FORMATS:
        raise unknown_name("picture format", name, NETWORK_FORMATS)
    if name != "dot":
        instead = "write its DOT text, to a file .dot"
        check_graphviz(name, "A network, by keras.utils.plot_model,", instead)


def plot_network(network, path):
    """Draws a network with all layers of its cells, and returns the paths written.

    Args:
        network: Functional `keras.Model`.
        path: Path of the picture, or of a `.dot` file for the text of it.
    """
    drawing = {
        "show_layer_names": True,
        "show_shapes": True,
        "expand_nested": True,
        "dpi": 72,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".dot":
            graph = keras.utils.model_to_dot(network, **drawing)
            path.write_text(graph.to_string(), encoding="utf-8")
        else:
            _plot_model(network, path, drawing)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    return [path]


def _plot_model(network, path, drawing):
    # What keras.utils.plot_model does, which fails for SVG where IPython is installed.
    graph = keras.utils.model_to_dot(network, **drawing)
    try:
        graph.write(path, format=path.suffix[1:])
    except AssertionError:
        # Graphviz fails on the right-angled lines of some networks.
        graph.set("splines", "true")
        graph.write(path, format=path.suffix[1:])


if __name__ == "__main__":
    sys.exit(run_script(main))
