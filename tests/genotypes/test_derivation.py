"""Alphas whose genotype is known beforehand."""

import itertools
import json
import math

import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.genotypes.alphas import alphas_from_dict
from keras_atdarts.genotypes.alphas import alphas_to_dict
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.derivation import derive_genotype

OPERATIONS = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")


def edge(**alphas):
    return {name: alphas.get(name, 0.0) for name in OPERATIONS}


def derive_cell(alphas, **kwargs):
    genotype = derive_genotype({"normal": alphas, "reduction": alphas}, **kwargs)
    return genotype.normal


def four_nodes():
    """Alphas of a DARTS cell: every edge differs in its strongest weight."""
    return {
        (node, source): edge(
            none=0.1 * source,
            skip_connect=0.2 * ((node + source) % 3),
            max_pool_3x3=0.3 * ((2 * node + source) % 5),
            sep_conv_3x3=0.25 * ((node + 3 * source) % 4),
        )
        for node in range(4)
        for source in range(2 + node)
    }


def reversed_dictionary(dictionary):
    return dict(reversed(dictionary.items()))


def test_the_strongest_edges_keep_their_strongest_operation():
    cell = derive_cell(
        {
            (0, 0): edge(max_pool_3x3=1.0),
            (0, 1): edge(skip_connect=2.0),
            (1, 0): edge(sep_conv_3x3=3.0),
            (1, 1): edge(sep_conv_3x3=1.0),
            (1, 2): edge(skip_connect=2.0),
        }
    )
    assert cell.nodes == (
        (Edge("max_pool_3x3", 0), Edge("skip_connect", 1)),
        (Edge("sep_conv_3x3", 0), Edge("skip_connect", 2)),
    )
    assert cell.concat == (2, 3)


def test_cells_are_not_mixed_up():
    edges = ((0, 0), (0, 1))
    genotype = derive_genotype(
        {
            "reduction": {key: edge(max_pool_3x3=1.0) for key in edges},
            "normal": {key: edge(sep_conv_3x3=1.0) for key in edges},
        }
    )
    assert {e.operation for e in genotype.normal.nodes[0]} == {"sep_conv_3x3"}
    assert {e.operation for e in genotype.reduction.nodes[0]} == {"max_pool_3x3"}


def test_none_is_never_chosen_but_counts_in_the_softmax():
    """The larger alpha loses where `none` takes the weight of its edge."""
    cell = derive_cell(
        {
            (0, 0): edge(sep_conv_3x3=3.0, none=5.0),
            (0, 1): edge(skip_connect=2.0),
        },
        edges_per_node=1,
    )
    assert cell.nodes == ((Edge("skip_connect", 1),),)


def test_alphas_of_an_edge_matter_only_by_their_differences():
    alphas = four_nodes()
    shifted = {
        (node, source): {name: alpha + 7 * source for name, alpha in edge.items()}
        for (node, source), edge in alphas.items()
    }
    assert derive_cell(shifted) == derive_cell(alphas)


def test_the_order_of_edges_and_operations_does_not_matter():
    alphas = four_nodes()
    reordered = {
        key: reversed_dictionary(edge)
        for key, edge in reversed_dictionary(alphas).items()
    }
    assert derive_cell(reordered) == derive_cell(alphas)


def test_ties_go_to_the_lower_source_and_the_first_name():
    """Also where rounding would make sums in another order differ."""
    values = (0.1, 0.7, 0.3, 1e-9)
    for order in itertools.permutations(values):
        alphas = {
            (0, source): dict(zip("dcba", values, strict=True)) for source in range(2)
        }
        alphas[0, 1] = dict(zip("dcba", order, strict=True))
        assert derive_cell(alphas, edges_per_node=1).nodes == ((Edge("c", 0),),)
    equal = {(0, 0): edge(none=1.0), (0, 1): edge()}
    assert [e.operation for e in derive_cell(equal).nodes[0]] == ["max_pool_3x3"] * 2


def test_weights_too_small_for_a_float_are_still_compared():
    alphas = {(0, source): edge(none=2000.0, sep_conv_3x3=2.0) for source in (0, 1)}
    operations = {e.operation for e in derive_cell(alphas).nodes[0]}
    assert operations == {"sep_conv_3x3"}


def attended(alphas, attention):
    """Derives both cells from the same alphas of operations and of attention."""
    genotype = derive_genotype(
        {
            "normal": CellAlphas(alphas, attention),
            "reduction": CellAlphas(alphas, attention),
        }
    )
    assert genotype.normal == genotype.reduction
    return genotype.normal


def test_the_heaviest_attention_follows_and_the_identity_leaves_no_name():
    alphas = {
        (0, 0): edge(sep_conv_3x3=1.0),
        (0, 1): edge(skip_connect=1.0),
        (1, 0): edge(sep_conv_3x3=3.0),
        (1, 1): edge(max_pool_3x3=2.0),
        (1, 2): edge(skip_connect=0.5),
    }
    weak, strong = {"identity": 0.0, "a": -1.0, "b": 0.1}, {"identity": 9.0, "a": 0.0}
    attention = {(0, 0): weak, (0, 1): strong, (1, 0): strong, (1, 1): weak}
    # Attention never decides which edge is kept, however heavy it is.
    attention[1, 2] = {"identity": 0.0, "a": 1e6}
    assert attended(alphas, attention).nodes == (
        (Edge("sep_conv_3x3+b", 0), Edge("skip_connect", 1)),
        (Edge("sep_conv_3x3", 0), Edge("max_pool_3x3+b", 1)),
    )


def test_attention_between_equals_is_none_or_the_first_in_the_alphabet():
    alphas = {(0, 0): edge(skip_connect=1.0), (0, 1): edge(skip_connect=1.0)}
    for order in itertools.permutations(("identity", "a", "b")):
        equal = dict.fromkeys(order, 0.5)
        attention = {(0, 0): equal, (0, 1): {**equal, "identity": 0.0}}
        assert attended(alphas, attention).nodes == (
            (Edge("skip_connect", 0), Edge("skip_connect+a", 1)),
        )


@pytest.mark.parametrize(
    ("alphas_of_edge", "message"),
    [
        ({"identity": 0.0, "a": math.nan}, "'a' is nan.*diverged"),
        ({}, "normal cell: node 0: attention on source 1: is missing"),
    ],
)
def test_unusable_alphas_of_attention_are_refused(alphas_of_edge, message):
    alphas = {(0, 0): edge(), (0, 1): edge()}
    with pytest.raises(InputError, match=message):
        attended(alphas, {(0, 0): {"identity": 1.0}, (0, 1): alphas_of_edge})


@pytest.mark.parametrize("edges_per_node", [1, 2, 3])
def test_number_of_edges_per_node(edges_per_node):
    alphas = {(0, source): edge(skip_connect=0.1 * source) for source in range(2)}
    alphas |= {(1, source): edge(skip_connect=0.1 * source) for source in range(3)}
    if edges_per_node == 3:
        with pytest.raises(InputError, match="normal cell: node 0: has 2 edges .* 3"):
            derive_cell(alphas, edges_per_node=edges_per_node)
    else:
        cell = derive_cell(alphas, edges_per_node=edges_per_node)
        assert [len(edges) for edges in cell.nodes] == [edges_per_node] * 2


@pytest.mark.parametrize("weakest", [{"none": 1.0}, {}])
def test_an_edge_without_an_operation_cannot_be_kept(weakest):
    alphas = {(0, 0): weakest, (0, 1): edge()}
    assert derive_cell(alphas, edges_per_node=1).nodes[0][0].source == 1
    with pytest.raises(InputError, match="node 0: has 1 edges .*'none'"):
        derive_cell(alphas)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_alphas_of_a_diverged_search_are_refused(value):
    alphas = {(0, 0): edge(), (0, 1): edge(skip_connect=value)}
    with pytest.raises(
        InputError, match="node 0: source 1: .*'skip_connect'.*diverged"
    ):
        derive_cell(alphas)


@pytest.mark.parametrize(
    ("alphas", "message"),
    [
        ({"normal": {}}, "'reduction' is missing"),
        ({"normal": {}, "reduction": {}}, "normal cell: has no nodes"),
        (
            {"normal": {(1, 0): edge(), (1, 1): edge()}, "reduction": {}},
            "normal cell: node 0: has 0 edges",
        ),
        (
            {"normal": {(0, 0): edge(), (0, 2): edge()}, "reduction": {}},
            "source 2 is not before this node",
        ),
    ],
)
def test_alphas_that_make_no_cell_are_refused(alphas, message):
    with pytest.raises(InputError, match=message):
        derive_genotype(alphas)


def test_alphas_become_json_and_back():
    edges = {(0, 0): edge(none=0.5), (0, 1): edge()}
    betas = {(0, 0): 0.25, (0, 1): 0.5}
    alphas = {
        "normal": CellAlphas(edges, attention=edges, edges=betas),
        "reduction": CellAlphas(edges),
    }
    text = json.dumps(alphas_to_dict(alphas))
    assert alphas_from_dict(json.loads(text)) == alphas


def test_alphas_of_version_0_3_are_read():
    edges, betas = {"0<-1": {"none": 0.5}}, {"0<-1": {"beta": 0.25}}
    alphas = alphas_from_dict(
        {
            "normal": edges,
            "reduction": edges,
            "normal_attention": edges,
            "reduction_edges": betas,
        }
    )
    read = {(0, 1): {"none": 0.5}}
    assert alphas["normal"] == CellAlphas(read, attention=read)
    assert alphas["reduction"] == CellAlphas(read, edges={(0, 1): 0.25})


def test_the_sampler_decides_which_edges_are_strong():
    """A softmax weighs an operation against its rivals, a sigmoid by itself."""
    cell = {
        (0, 0): edge(sep_conv_3x3=2.0, skip_connect=2.0, max_pool_3x3=2.0, none=2.0),
        (0, 1): edge(max_pool_3x3=1.0, none=-5.0, skip_connect=-5.0, sep_conv_3x3=-5.0),
    }
    [[kept]] = derive_cell(cell, edges_per_node=1).nodes
    assert kept == Edge("max_pool_3x3", 1)
    [[kept]] = derive_cell(cell, edges_per_node=1, sampler="sigmoid").nodes
    assert kept == Edge("max_pool_3x3", 0)
    with pytest.raises(InputError, match="Did you mean 'sigmoid'"):
        derive_cell(cell, sampler="sigmoids")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, ["skip_connect", "skip_connect", "skip_connect", "skip_connect"]),
        # The weakest skip gives way to the next operation of its edge.
        (3, ["skip_connect", "max_pool_3x3", "skip_connect", "skip_connect"]),
        # Another one to the edge that is stronger without it.
        (2, ["skip_connect", "max_pool_3x3", "skip_connect", "sep_conv_3x3"]),
        (0, ["max_pool_3x3", "max_pool_3x3", "max_pool_3x3", "sep_conv_3x3"]),
    ],
)
def test_at_most_so_many_skip_connections(limit, expected):
    cell = {
        (0, 0): edge(skip_connect=5.0, max_pool_3x3=1.0),
        (0, 1): edge(skip_connect=2.0, max_pool_3x3=1.0),
        (1, 0): edge(skip_connect=4.0, max_pool_3x3=3.0),
        (1, 1): edge(skip_connect=3.0),
        (1, 2): edge(sep_conv_3x3=1.5),
    }
    genotype = derive_genotype(
        {"normal": cell, "reduction": cell}, max_skip_connections=limit
    )
    found = [each.operation for node in genotype.normal.nodes for each in node]
    assert found == expected
    assert genotype.reduction == derive_cell(cell)  # Has no limit.
