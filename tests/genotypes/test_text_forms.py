"""Genotypes in the texts of DARTS, its forks and NNI: read, written and refused."""

import json

import pytest

import keras_atdarts
from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.text_forms import MOST_SHOWN
from keras_atdarts.genotypes.text_forms import darts_text
from keras_atdarts.genotypes.text_forms import from_darts
from keras_atdarts.genotypes.text_forms import is_text
from keras_atdarts.genotypes.text_forms import nni_architecture

# As the reference's train_search.py prints it.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), "
    "('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), "
    "('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
# As `DartsSpace.load_searched_model("darts-v2")` has it.
NNI_DARTS_V2 = {
    "normal/op_2_0": "sep_conv_3x3",
    "normal/op_2_1": "sep_conv_3x3",
    "normal/input_2_0": [0],
    "normal/input_2_1": [1],
    "normal/op_3_0": "sep_conv_3x3",
    "normal/op_3_1": "sep_conv_3x3",
    "normal/input_3_0": [0],
    "normal/input_3_1": [1],
    "normal/op_4_0": "sep_conv_3x3",
    "normal/op_4_1": "skip_connect",
    "normal/input_4_0": [1],
    "normal/input_4_1": [0],
    "normal/op_5_0": "skip_connect",
    "normal/op_5_1": "dil_conv_3x3",
    "normal/input_5_0": [0],
    "normal/input_5_1": [2],
    "reduce/op_2_0": "max_pool_3x3",
    "reduce/op_2_1": "max_pool_3x3",
    "reduce/input_2_0": [0],
    "reduce/input_2_1": [1],
    "reduce/op_3_0": "skip_connect",
    "reduce/op_3_1": "max_pool_3x3",
    "reduce/input_3_0": [2],
    "reduce/input_3_1": [1],
    "reduce/op_4_0": "max_pool_3x3",
    "reduce/op_4_1": "skip_connect",
    "reduce/input_4_0": [0],
    "reduce/input_4_1": [2],
    "reduce/op_5_0": "skip_connect",
    "reduce/op_5_1": "max_pool_3x3",
    "reduce/input_5_0": [2],
    "reduce/input_5_1": [1],
}
# As khanrc/pt.darts prints it: each node has a list of its own.
NESTED = (
    "Genotype(normal=[[('sep_conv_3x3', 0), ('skip_connect', 1)], "
    "[('dil_conv_5x5', 2), ('sep_conv_3x3', 1)]], normal_concat=range(2, 4), "
    "reduce=[[('max_pool_3x3', 0), ('max_pool_3x3', 1)], "
    "[('skip_connect', 2), ('max_pool_3x3', 0)]], reduce_concat=range(2, 4))"
)

# Sources as integers, as NNI 2 and the exports of its one-shot strategies have them.
NNI_INTEGERS = {
    key: value[0] if isinstance(value, list) else value
    for key, value in NNI_DARTS_V2.items()
}
TEXTS = {
    "as printed": DARTS_V2,
    "with a name": f"DARTS_V2 = {DARTS_V2}\n",
    "of a log": f"11/27 09:00:00 AM genotype = {DARTS_V2}\n11/27 epoch 1 (lr 2.4e-02)",
    "of a log, twice": f"genotype = {DARTS_V2}\ngenotype = {DARTS_V2}\n",
    "of Python": "from collections import namedtuple\n\n"
    "Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')\n"
    f"# The second order.\nDARTS = {DARTS_V2.replace('), ', '),  # An edge.{}    ')}"
    "\n".format(*["\n"] * 16),
    "concat as lists": DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 5]"),
    "of NNI": json.dumps(NNI_DARTS_V2),
    "of NNI, as Python": f"exported_arch = {NNI_INTEGERS}",
    "of NNI, with sizes": json.dumps({"width": 36, "depth": 20, **NNI_INTEGERS}),
    "ours": Genotype.published("DARTS_V2").to_json(),
}


@pytest.mark.parametrize("form", TEXTS)
def test_texts_mean_the_published_genotype(form, tmp_path):
    text, expected = TEXTS[form], Genotype.published("DARTS_V2")
    assert Genotype.from_text(text) == expected
    assert Genotype.load(text) == expected
    (tmp_path / "cell (1).txt").write_text(text)
    assert Genotype.load(tmp_path / "cell (1).txt") == expected
    assert Genotype.load(str(tmp_path / "cell (1).txt")) == expected


def test_both_forms_are_written_as_the_others_write_them():
    genotype = Genotype.published("DARTS_V2")
    assert keras_atdarts.darts_text(genotype) == f"{DARTS_V2}\n"
    assert keras_atdarts.nni_architecture(genotype) == NNI_DARTS_V2


@pytest.mark.parametrize("name", published_genotypes())
def test_published_genotypes_survive_the_text_of_darts(name):
    genotype = Genotype.published(name)
    assert Genotype.from_text(darts_text(genotype)) == genotype


@pytest.mark.parametrize("name", ["DARTS_V1", "P_DARTS", "PC_DARTS_IMAGENET"])
def test_published_genotypes_survive_the_dictionary_of_nni(name):
    genotype = Genotype.published(name)
    text = json.dumps(nni_architecture(genotype))
    assert Genotype.from_text(text) == genotype
    assert json.loads(text).keys() == NNI_DARTS_V2.keys()


def test_nodes_may_have_lists_of_their_own():
    genotype = Genotype.from_text(NESTED)
    assert genotype.normal.nodes[1] == (("dil_conv_5x5", 2), ("sep_conv_3x3", 1))
    assert genotype.reduction.nodes[1] == (("skip_connect", 2), ("max_pool_3x3", 0))
    assert genotype.normal.concat == (2, 3)


def test_the_output_may_leave_nodes_out():
    """AmoebaNet's cells do, in a list that the text keeps in its order."""
    text = darts_text(Genotype.published("AMOEBANET"))
    assert "normal_concat=[4, 5, 6]" in text and "reduce_concat=[3, 4, 6]" in text


def without(key):
    return {other: NNI_DARTS_V2[other] for other in NNI_DARTS_V2 if other != key}


MISTAKES = {
    "operation": (
        DARTS_V2.replace("dil_conv_3x3", "dil_conv_3x4"),
        "normal cell: node 3: .*'dil_conv_3x4'. Did you mean 'dil_conv_3x3'",
    ),
    "input": (
        DARTS_V2.replace("('skip_connect', 2), ('max_pool_3x3', 0)", "", 1).replace(
            "('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"
        ),
        r"normal cell: node 3: 'dil_conv_3x3': source 5 .*expected 0 .* to 4 \(node 2",
    ),
    "edge of a node missing": (
        DARTS_V2.replace("('max_pool_3x3', 0), ", "", 1),
        "reduction cell: has 7 edges; expected 2 for each node",
    ),
    "no pair": (
        DARTS_V2.replace("('dil_conv_3x3', 2)", "'dil_conv_3x3'"),
        r"normal cell: expected pairs of .*\('sep_conv_3x3', 0\); received 'dil_conv",
    ),
    "no list": (
        DARTS_V2.replace("reduce=[", "reduce=3, rest=["),
        "Unknown key 'rest'",
    ),
    "output that is no node": (
        DARTS_V2.replace("range(2, 6)", "range(1, 6)", 1),
        "normal cell: concat: source 1 is not a node of this cell; expected 2",
    ),
    "endless output": (
        DARTS_V2.replace("range(2, 6)", "range(2, 1000000000000)", 1),
        "normal cell: concat: source 6 is not a node",
    ),
    "fields without names": (
        DARTS_V2.replace("normal=", ""),
        r"cannot be read \(.*\): expected Genotype\(normal=",
    ),
    "missing field": (
        DARTS_V2.replace(", reduce_concat=range(2, 6)", ""),
        "the key 'reduce_concat' is missing",
    ),
    "code": (
        DARTS_V2.replace("range(2, 6)", "open('hacked', 'w')"),
        "cannot be read .*more than named lists and ranges",
    ),
    "torn off": (DARTS_V2[:200], "expected one Genotype.*received 0 whole ones"),
    "several": (
        f"A = {DARTS_V2}\nB = {NESTED}",
        "expected one .*received 2 whole ones in 'A = Genotype.*Keep the one to use",
    ),
    "no genotype": (
        "[1, 2]\n" * 100,
        r"is not JSON \(.*\); received '\[1, 2\] \[1, .*"
        r'{"normal": .*Genotype\(normal=\[...\].*"normal/op_2_0"',
    ),
    "key that Python has not": ("{[1]: 2}", "is not JSON"),
    "node that NNI has not": (
        json.dumps({**NNI_DARTS_V2, "normal/op_6_0": "skip_connect"}),
        "does not know the key 'normal/op_6_0'.*nodes 2 to 5 of both cells",
    ),
    "edge that NNI needs": (
        json.dumps(without("reduce/input_4_1")),
        "needs the key 'reduce/input_4_1'",
    ),
    "two inputs": (
        json.dumps({**NNI_DARTS_V2, "normal/input_2_0": [0, 1]}),
        r"normal cell: node 0: 'sep_conv_3x3': expected an integer; received \[0, 1\]",
    ),
    "wrong input": (
        json.dumps({**NNI_DARTS_V2, "reduce/input_2_1": 2}),
        "reduction cell: node 0: 'max_pool_3x3': source 2 is not before this node",
    ),
}
KNOWN = ("sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3", "skip_connect")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_message_is_one_short_line(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, message = MISTAKES[mistake]
    with pytest.raises(InputError, match=message) as raised:
        Genotype.load(text, KNOWN)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 5 * MOST_SHOWN + 300
    assert not list(tmp_path.iterdir())
    (tmp_path / "cell.txt").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        Genotype.load("cell.txt", KNOWN)
    assert str(raised.value).startswith("cell.txt: ")


def test_words_are_texts_or_names():
    for name in ("DARTS_V2", "runs/a (1)/genotype.json", "runs/seed=1/cell"):
        assert not is_text(name)
    for text in ("Genotype(", '{"normal": 1}', "[" * 10_000, "normal=[", "'a', 0), ("):
        assert is_text(text)
    with pytest.raises(InputError, match="'a .1./genotype.json'. Known: AMOEBANET"):
        Genotype.load("a (1)/genotype.json")


def test_what_the_others_cannot_say_is_not_written():
    one_edge = CellGenotype([[("skip_connect", 0)]], [2])
    for write in (darts_text, nni_architecture):
        with pytest.raises(InputError, match="normal cell: node 0 has edges: 1; .* 2"):
            write(Genotype(one_edge, one_edge))
    for name in ("NASNET", "AMOEBANET"):
        with pytest.raises(InputError, match="DartsSpace has 4 nodes.*received 5"):
            nni_architecture(Genotype.published(name))
    darts = Genotype.published("DARTS_V2")
    part = CellGenotype(darts.normal.nodes, [4, 5])
    with pytest.raises(InputError, match=r"reduction cell: .*with concat \[4, 5\]"):
        nni_architecture(Genotype(darts.normal, part))


def test_operations_keep_their_places():
    """The first two pairs are those of node 0, in their order."""
    nodes = from_darts(DARTS_V2)["normal"]["nodes"]
    assert nodes[2] == [
        {"operation": "sep_conv_3x3", "source": 1},
        {"operation": "skip_connect", "source": 0},
    ]
