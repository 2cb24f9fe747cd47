"""Cells as values, without TensorFlow: text forms, derivation, sampling, drawing."""

from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.derivation import derive_genotype
from keras_atdarts.genotypes.drawing import plot_genotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.genotypes.text_forms import darts_text
from keras_atdarts.genotypes.text_forms import nni_architecture

__all__ = [
    "CellAlphas",
    "CellGenotype",
    "Edge",
    "Genotype",
    "darts_text",
    "derive_genotype",
    "nni_architecture",
    "plot_genotype",
    "published_genotypes",
    "random_genotypes",
]
