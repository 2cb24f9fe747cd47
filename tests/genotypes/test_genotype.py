"""Genotypes: what they say, how they are stored, and what is refused."""

import copy
import json
from importlib import resources

import pytest

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.cell import Edge
from keras_atdarts.genotypes.genotype import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.names import source_name

CELL = {
    "nodes": [
        [
            {"operation": "sep_conv_3x3", "source": 1},
            {"operation": "channel_attention", "source": 0},
        ],
        [{"operation": "skip_connect", "source": 2}],
    ],
    "concat": [2, 3],
}

# As the papers' figures and the reference implementations give them.
IN_THE_LITERATURE = {
    "DARTS_V1": {
        "normal": "sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 0, sep_conv_3x3 1, "
        "skip_connect 0, sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 2",
        "reduction": "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 0, "
        "max_pool_3x3 0, skip_connect 2, skip_connect 2, avg_pool_3x3 0",
    },
    "DARTS_V2": {
        "normal": "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, "
        "sep_conv_3x3 1, skip_connect 0, skip_connect 0, dil_conv_3x3 2",
        "reduction": "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, "
        "max_pool_3x3 0, skip_connect 2, skip_connect 2, max_pool_3x3 1",
    },
    "PC_DARTS_CIFAR": {
        "normal": "sep_conv_3x3 1, skip_connect 0, sep_conv_3x3 0, dil_conv_3x3 1, "
        "sep_conv_5x5 0, sep_conv_3x3 1, avg_pool_3x3 0, dil_conv_3x3 1",
        "reduction": "sep_conv_5x5 1, max_pool_3x3 0, sep_conv_5x5 1, sep_conv_5x5 2, "
        "sep_conv_3x3 0, sep_conv_3x3 3, sep_conv_3x3 1, sep_conv_3x3 2",
    },
    "PC_DARTS_IMAGENET": {
        "normal": "skip_connect 1, sep_conv_3x3 0, sep_conv_3x3 0, skip_connect 1, "
        "sep_conv_3x3 1, sep_conv_3x3 3, sep_conv_3x3 1, dil_conv_5x5 4",
        "reduction": "sep_conv_3x3 0, skip_connect 1, dil_conv_5x5 2, max_pool_3x3 1, "
        "sep_conv_3x3 2, sep_conv_3x3 1, sep_conv_5x5 0, sep_conv_3x3 3",
    },
    "P_DARTS": {
        "normal": "skip_connect 0, dil_conv_3x3 1, skip_connect 0, sep_conv_3x3 1, "
        "sep_conv_3x3 1, sep_conv_3x3 3, sep_conv_3x3 0, dil_conv_5x5 4",
        "reduction": "avg_pool_3x3 0, sep_conv_5x5 1, sep_conv_3x3 0, dil_conv_5x5 2, "
        "max_pool_3x3 0, dil_conv_3x3 1, dil_conv_3x3 1, dil_conv_5x5 3",
    },
    "NASNET": {
        "normal": "sep_conv_5x5 1, sep_conv_3x3 0, sep_conv_5x5 0, sep_conv_3x3 0, "
        "avg_pool_3x3 1, skip_connect 0, avg_pool_3x3 0, avg_pool_3x3 0, "
        "sep_conv_3x3 1, skip_connect 1",
        "reduction": "sep_conv_5x5 1, sep_conv_7x7 0, max_pool_3x3 1, sep_conv_7x7 0, "
        "avg_pool_3x3 1, sep_conv_5x5 0, skip_connect 3, avg_pool_3x3 2, "
        "sep_conv_3x3 2, max_pool_3x3 1",
    },
    "AMOEBANET": {
        "normal": "avg_pool_3x3 0, max_pool_3x3 1, sep_conv_3x3 0, sep_conv_5x5 2, "
        "sep_conv_3x3 0, avg_pool_3x3 3, sep_conv_3x3 1, skip_connect 1, "
        "skip_connect 0, avg_pool_3x3 1",
        "reduction": "avg_pool_3x3 0, sep_conv_3x3 1, max_pool_3x3 0, sep_conv_7x7 2, "
        "sep_conv_7x7 0, avg_pool_3x3 1, max_pool_3x3 0, max_pool_3x3 1, "
        "conv_7x1_1x7 0, sep_conv_3x3 5",
    },
}
# The nodes that make the output, where it is not all of them.
CONCAT = {
    ("NASNET", "reduction"): (4, 5, 6),
    ("AMOEBANET", "normal"): (4, 5, 6),
    ("AMOEBANET", "reduction"): (3, 4, 6),
}


def genotype_dict():
    return {"normal": copy.deepcopy(CELL), "reduction": copy.deepcopy(CELL)}


def test_dictionary_becomes_nodes_of_edges():
    genotype = Genotype.from_dict(genotype_dict())
    assert genotype.normal.nodes == (
        (Edge("sep_conv_3x3", 1), Edge("channel_attention", 0)),
        (Edge("skip_connect", 2),),
    )
    assert genotype.reduction.concat == (2, 3)


def test_equal_by_value_and_hashable():
    genotype = Genotype.from_dict(genotype_dict())
    nodes = [[("sep_conv_3x3", 1), ("channel_attention", 0)], [("skip_connect", 2)]]
    cell = CellGenotype(nodes, range(2, 4))
    assert {genotype: "found"}[Genotype(cell, cell)] == "found"
    assert Genotype(cell, CellGenotype(nodes, [3])) != genotype


def test_operations_are_listed_with_their_place():
    genotype = Genotype.from_dict(genotype_dict())
    normal = [
        ("normal", 0, Edge("sep_conv_3x3", 1)),
        ("normal", 0, Edge("channel_attention", 0)),
        ("normal", 1, Edge("skip_connect", 2)),
    ]
    reduction = [("reduction", node, edge) for _, node, edge in normal]
    assert list(genotype.operations()) == normal + reduction


def test_text_names_every_node_operation_and_source():
    lines = str(Genotype.from_dict(genotype_dict())).splitlines()
    assert lines[0] == "normal cell"
    assert lines[1].split() == (
        "node 0 sep_conv_3x3 <- c_{k-1} channel_attention <- c_{k-2}".split()
    )
    assert lines[2].split() == "node 1 skip_connect <- node 0".split()
    assert lines[3].split() == "c_k node 0, node 1".split()
    assert lines[4:] == ["reduction cell", *lines[1:4]]


def test_names_of_sources():
    assert [source_name(source) for source in range(4)] == [
        "c_{k-2}",
        "c_{k-1}",
        "node 0",
        "node 1",
    ]


def test_known_operations_are_checked_by_name():
    genotype = Genotype.from_dict(genotype_dict())
    known = ["sep_conv_3x3", "channel_attention", "skip_connect"]
    genotype.check_operations(known)
    with pytest.raises(InputError, match="normal cell: node 1: .*'skip_connect'"):
        genotype.check_operations(known[:2])


def test_an_operation_and_the_attention_after_it_are_checked_by_name():
    attended = Edge("sep_conv_3x3+channel_attention", 1)
    assert attended.parts == ("sep_conv_3x3", "channel_attention")
    assert Edge("sep_conv_3x3", 1).parts == ("sep_conv_3x3",)
    cell = CellGenotype([[attended]], concat=[2])
    genotype = Genotype(cell, cell)
    assert Genotype.from_text(genotype.to_json()) == genotype
    assert "sep_conv_3x3+channel_attention <- c_{k-1}" in str(genotype)
    genotype.check_operations(["sep_conv_3x3", "channel_attention"])
    with pytest.raises(InputError, match="node 0: Unknown operation 'channel_att"):
        genotype.check_operations(["sep_conv_3x3"])
    with pytest.raises(InputError, match="node 0: Unknown operation 'sep_conv_3x3'"):
        genotype.check_operations(["channel_attention"])


def test_unknown_operation_of_a_file_is_refused_with_its_name(tmp_path):
    path = tmp_path / "genotype.json"
    Genotype.from_dict(genotype_dict()).save(path)
    message = "genotype.json: normal cell: node 0: .*'channel_attention'"
    with pytest.raises(InputError, match=message):
        Genotype.load(path, operations=["sep_conv_3x3", "skip_connect"])
    known = ["sep_conv_3x3", "skip_connect", "channel_attention"]
    assert Genotype.load(path, operations=known) == Genotype.load(path)


@pytest.mark.parametrize("name", published_genotypes())
def test_published_genotypes_survive_json(name, tmp_path):
    genotype = Genotype.published(name)
    assert Genotype.from_text(genotype.to_json()) == genotype
    genotype.save(tmp_path / "genotype.json")
    assert Genotype.load(str(tmp_path / "genotype.json")) == genotype
    assert Genotype.load(name) == genotype
    assert [path.name for path in tmp_path.iterdir()] == ["genotype.json"]


@pytest.mark.parametrize("name", published_genotypes())
def test_published_genotypes_are_those_of_the_literature(name):
    for cell_type, cell in Genotype.published(name).cells():
        edges = [edge for node in cell.nodes for edge in node]
        listed = ", ".join(f"{edge.operation} {edge.source}" for edge in edges)
        assert listed == IN_THE_LITERATURE[name][cell_type]
        assert {len(node) for node in cell.nodes} == {2}
        every_node = tuple(range(2, 2 + len(cell.nodes)))
        assert cell.concat == CONCAT.get((name, cell_type), every_node)


@pytest.mark.parametrize("name", published_genotypes())
def test_published_files_say_where_they_come_from(name):
    path = resources.files("keras_atdarts.genotypes") / "published" / f"{name}.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    assert described["name"] == name
    assert "https://arxiv.org/abs/" in described["source"]
    assert "https://github.com/" in described["source"]


def test_file_may_say_where_the_genotype_comes_from():
    plain = genotype_dict()
    described = {"name": "mine", "source": "a search", **plain}
    assert Genotype.from_dict(described) == Genotype.from_dict(plain)


def change(path, value):
    """Returns a genotype with the value at `path` replaced, or removed."""
    genotype = genotype_dict()
    *parents, last = path
    part = genotype
    for key in parents:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return genotype


FIRST_EDGE = ("normal", "nodes", 0, 0)

MISTAKES = {
    "no object": ([], "expected an object with the keys normal, reduction"),
    "no reduction": (change(["reduction"], None), "'reduction' is missing"),
    "unknown key": (change(["reduced"], {}), "'reduced'. Did you mean 'reduction'"),
    "cell no object": (change(["normal"], 3), "normal cell: expected an object.*3"),
    "no concat": (
        change(["reduction", "concat"], None),
        "reduction cell: the key 'concat' is missing",
    ),
    "nodes no list": (change(["normal", "nodes"], "x"), "list of nodes; received 'x'"),
    "no nodes": (change(["normal", "nodes"], []), "normal cell: has no nodes"),
    "node no list": (
        change(["normal", "nodes", 1], 7),
        "normal cell: node 1: expected a list of edges; received 7",
    ),
    "empty node": (change(["normal", "nodes", 1], []), "node 1: has no edges"),
    "node counts differ": (
        change(["reduction"], {**CELL, "nodes": CELL["nodes"][:1], "concat": [2]}),
        "differ in their number of nodes: normal 2, reduction 1",
    ),
    "edge no object": (change(FIRST_EDGE, ["a", 0]), "object with the keys operation"),
    "edge key": (change([*FIRST_EDGE, "stride"], 1), "node 0: Unknown key 'stride'"),
    "operation no text": (
        change([*FIRST_EDGE, "operation"], 5),
        "node 0: expected the name of an operation; received 5",
    ),
    "operation of two lines": (
        change([*FIRST_EDGE, "operation"], "a\nb"),
        r"name of an operation; received 'a\\nb'",
    ),
    "source text": (
        change([*FIRST_EDGE, "source"], "0"),
        "node 0: 'sep_conv_3x3': expected an integer; received '0'",
    ),
    "source true": (change([*FIRST_EDGE, "source"], True), "integer; received True"),
    "source fraction": (change([*FIRST_EDGE, "source"], 1.0), "received 1.0"),
    "source negative": (
        change([*FIRST_EDGE, "source"], -1),
        "source -1 is not before this node",
    ),
    "forward edge": (
        change(["normal", "nodes", 1, 0, "source"], 3),
        r"normal cell: node 1: 'skip_connect': source 3 is not before this node; "
        r"expected 0 \(c_{k-2}\) to 2 \(node 0\)",
    ),
    "concat empty": (change(["normal", "concat"], []), "concat: is empty"),
    "concat input": (
        change(["normal", "concat"], [1, 2]),
        "normal cell: concat: source 1 is not a node of this cell; expected 2",
    ),
    "concat beyond": (change(["normal", "concat"], [2, 4]), "concat: source 4 is not"),
    "concat twice": (change(["normal", "concat"], [2, 2]), "a node twice: .2, 2."),
    "concat text": (change(["normal", "concat"], "23"), "concat: expected a list"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_message_names_file_place_and_mistake(mistake, tmp_path):
    genotype, message = MISTAKES[mistake]
    path = tmp_path / "genotype.json"
    path.write_text(json.dumps(genotype))
    with pytest.raises(InputError, match=message) as raised:
        Genotype.load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_file_that_is_not_json_is_refused(content, tmp_path):
    path = tmp_path / "genotype.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="genotype.json: .*(JSON|text file)") as raised:
        Genotype.load(path)
    assert "\n" not in str(raised.value)


def test_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        Genotype.load(tmp_path)


def test_missing_file_names_the_published_genotypes():
    with pytest.raises(InputError, match="'DARTS_V3'. Did you mean 'DARTS_V2'"):
        Genotype.load("DARTS_V3")
    with pytest.raises(InputError, match="'DARTS_V9'.*Known: AMOEBANET, DARTS_V1,"):
        Genotype.published("DARTS_V9")


def test_unwritable_file_is_named(tmp_path):
    path = tmp_path / "missing" / "genotype.json"
    with pytest.raises(InputError, match="missing/genotype.json: cannot be written"):
        Genotype.published("DARTS_V2").save(path)


def test_constructor_refuses_what_is_no_cell():
    cell = CellGenotype([[("skip_connect", 0)]], [2])
    with pytest.raises(InputError, match="reduction cell: expected a CellGenotype"):
        Genotype(normal=cell, reduction=None)
    with pytest.raises(InputError, match="node 0: expected an operation and a source"):
        CellGenotype([[("skip_connect", 0, 1)]], [2])
