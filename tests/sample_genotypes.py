"""Genotypes that several tests draw, build and train."""

from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype

# Both attentions, among operations of all kinds.
TINY = Genotype(
    normal=CellGenotype(
        [
            [("sep_conv_3x3", 0), ("channel_attention", 1)],
            [("spatial_attention", 1), ("skip_connect", 2)],
        ],
        concat=[2, 3],
    ),
    reduction=CellGenotype(
        [
            [("max_pool_3x3", 0), ("dil_conv_3x3", 1)],
            [("skip_connect", 1), ("avg_pool_3x3", 2)],
        ],
        concat=[2, 3],
    ),
)

# With attention, a doubled edge and a node that is not put out.
ATTENTION_CELL = CellGenotype(
    nodes=[
        [("channel_attention", 0), ("sep_conv_3x3", 1)],
        [("sep_conv_5x5+channel_attention", 0), ("skip_connect", 2)],
        [("avg_pool_3x3", 0), ("avg_pool_3x3", 0)],
        [("channel_attention", 2), ("spatial_attention", 1), ("skip_connect", 3)],
    ],
    concat=[4, 5],
)
