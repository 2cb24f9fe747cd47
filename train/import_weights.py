"""Takes over a network that the reference of DARTS, or a fork of it, has trained.

It reads the state dict that PyTorch has saved of NetworkCIFAR or NetworkImageNet
(https://github.com/quark0/darts) and leaves what retrain.py leaves: a directory for
evaluate.py, export.py, report.py and explain.py. The network computes the same logits.
Its size is that of the weights; an auxiliary head is read and left out. Nothing in the
file is executed.

    python train/import_weights.py cifar10_model.pt --genotype DARTS_V2 \\
        --dataset cifar10 --workdir runs/darts-v2

The genotype is that of the training; what its search printed can be given as it is.
Files *.safetensors need the package safetensors, all others need torch.
"""

import sys

from keras_atdarts.experiments.runs import quiet  # noqa: F401

# isort: split
from keras_atdarts import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.flags import GENOTYPE_HELP
from keras_atdarts.experiments.runs.flags import add_directory_flag
from keras_atdarts.experiments.runs.flags import add_overwrite_flag
from keras_atdarts.experiments.runs.flags import add_setting_flags
from keras_atdarts.experiments.runs.flags import given_settings
from keras_atdarts.experiments.runs.flags import script_parser
from keras_atdarts.experiments.runs.import_config import ImportConfig
from keras_atdarts.experiments.runs.imports import load_imports
from keras_atdarts.experiments.runs.runtime import prepare_runtime
from keras_atdarts.experiments.runs.script import command_line
from keras_atdarts.experiments.runs.script import run_script
from keras_atdarts.experiments.runs.training_config import load_dataset_of
from keras_atdarts.experiments.runs.workdir import RunDirectory
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.networks.derived import build_network
from keras_atdarts.networks.derived import without_auxiliary_head
from keras_atdarts.networks.evaluation import count_parameters
from keras_atdarts.networks.reference_weights import load_reference_weights
from keras_atdarts.networks.reference_weights import reference_size
from keras_atdarts.networks.weight_files import read_weights
from keras_atdarts.operations import operation_names


def main(argv=None):
    arguments = parse_arguments(argv)
    config = ImportConfig(**given_settings(ImportConfig, arguments))
    load_imports(config.imports)
    genotype = Genotype.load(arguments.genotype, operation_names())
    RunDirectory.check(arguments.workdir, arguments.overwrite)
    prepare_runtime()
    tensors = read_weights(arguments.weights)
    size = reference_size(tensors)
    dataset = load_dataset_of(config)
    network = make_network(genotype, size, dataset, tensors)
    run = RunDirectory(arguments.workdir).make(arguments.overwrite)
    run.write_config(config, dataset.description())
    genotype.save(run.file(workdir.GENOTYPE))
    with workdir.saying_where(run.path):
        with atomic.replacing(run.file(workdir.NETWORK)) as unfinished:
            network.save(unfinished)
    run.mark_finished()
    print(
        f"Imported: {size.filters} filters, {size.num_cells} cells, "
        f"{count_parameters(network):,} parameters."
    )
    print(f"Network: {run.file(workdir.NETWORK)}")
    print(f"Next: {command_line('evaluate.py', '--workdir', run.path)}")


def parse_arguments(argv):
    """Returns the flags."""
    parser = script_parser(__doc__)
    parser.add_argument(
        "weights", metavar="WEIGHTS", help="file *.safetensors, *.pt, *.pth or *.tar"
    )
    parser.add_argument(
        "--genotype", required=True, metavar="GENOTYPE", help=GENOTYPE_HELP
    )
    add_directory_flag(parser, "--workdir", "directory to write to")
    add_overwrite_flag(parser)
    add_setting_flags(parser, ImportConfig())
    return parser.parse_args(argv)


def make_network(genotype, size, dataset, tensors):
    """Returns the network without its auxiliary head, with the weights.

    Args:
        genotype: `Genotype`.
        size: `ReferenceSize` of the tensors.
        dataset: `ImageDataset`.
        tensors: Dict from names to arrays, from `read_weights`.
    """
    network = build_network(
        genotype,
        dataset.image_shape,
        dataset.num_classes,
        size.filters,
        size.num_cells,
        stem=size.stem,
        auxiliary=size.auxiliary,
    )
    load_reference_weights(network, genotype, tensors)
    return without_auxiliary_head(network)


if __name__ == "__main__":
    sys.exit(run_script(main))
