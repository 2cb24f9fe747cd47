"""Genotypes as other systems write them: DARTS and its forks, and NNI.

Readers return the dictionary that `Genotype.from_dict` takes, which checks the cells.
No text is executed.

Reference:
    Liu, Simonyan, Yang, DARTS, ICLR 2019, https://github.com/quark0/darts, whose
    forks (P-DARTS, PC-DARTS) print the same, and https://github.com/khanrc/pt.darts,
    which puts the edges of a node in a list of their own;
    Neural Network Intelligence 3, https://github.com/microsoft/nni, `DartsSpace` in
    `nni.nas.hub.pytorch`.
"""

import ast
import json
import os
import re

from keras_atdarts.errors import InputError
from keras_atdarts.errors import check_keys
from keras_atdarts.errors import check_list
from keras_atdarts.errors import located
from keras_atdarts.genotypes.names import NUM_INPUTS

# What both call the cells.
CELLS = {"normal": "normal", "reduce": "reduction"}
DARTS_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
DARTS_FORM = f"Genotype({', '.join(f'{field}=[...]' for field in DARTS_FIELDS)})"
DARTS_BEGIN = re.compile(r"\bGenotype\(")
DARTS_CALL = re.compile(r"\bGenotype\((?:[^()]|\([^()]*\))*\)")
EDGES_OF_NODE = 2
# NNI's spaces for other numbers of nodes do not all join the same nodes.
NNI_NODES = range(NUM_INPUTS, NUM_INPUTS + 4)
NNI_SIZES = ("width", "depth")
NNI_FORM = '{"normal/op_2_0": "sep_conv_3x3", "normal/input_2_0": [0], ...}'
# A call, a bracket at the beginning or after `=`, a comma after quotes, a line's end.
TEXT = re.compile(r"""Genotype\(|^\s*[\[({]|=\s*[\[({]|['"]\s*,|\n""")
ASSIGNMENT = re.compile(r"^\s*\w+\s*=\s*")
MOST_SHOWN = 60
MOST_NODES = 1000  # A range may be endless.


def is_text(word):
    """Whether a word is the text of a genotype, not a file or a published name."""
    return bool(TEXT.search(str(word))) and not os.path.exists(word)


def shown(word):
    """Returns what a message calls a genotype: its file or name; of a text, a part."""
    return shortened(word) if is_text(word) else str(word)


def shortened(text):
    """Returns the beginning of a text, in one line, to be shown in a message."""
    line = " ".join(str(text).split())
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}..."


def from_text(text):
    """Returns the genotype in a text of any form, as a dictionary.

    Args:
        text: String: our JSON; `Genotype(...)` as DARTS prints it, also in a line of a
            log or of Python; or a dictionary of NNI's, in JSON or in Python.

    Raises:
        InputError: It is none of them.
    """
    if DARTS_BEGIN.search(text) and not text.lstrip().startswith("{"):
        return from_darts(text)
    value = _parsed(ASSIGNMENT.sub("", text))
    if isinstance(value, dict) and any("/" in str(key) for key in value):
        return from_nni(value)
    return value


def from_darts(text):
    """Returns the one genotype that DARTS or a fork of it has printed in a text.

    Example:

    >>> genotype = from_darts(
    ...     "DARTS = Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], "
    ...     "normal_concat=range(2, 3), reduce=[('max_pool_3x3', 0), "
    ...     "('max_pool_3x3', 1)], reduce_concat=[2])"
    ... )
    >>> genotype["normal"]["nodes"][0][1]
    {'operation': 'skip_connect', 'source': 1}
    """
    calls = set(DARTS_CALL.findall(text))
    if len(calls) != 1:
        raise InputError(
            f"expected one {DARTS_FORM}; received {len(calls)} whole ones in "
            f"'{shortened(text)}'. Keep the one to use, up to its last bracket."
        )
    fields = _arguments(calls.pop())
    check_keys(fields, required=DARTS_FIELDS)
    genotype = {}
    for name, cell_type in CELLS.items():
        with located(f"{cell_type} cell"):
            nodes, concat = _nodes(fields[name]), fields[f"{name}_concat"]
            genotype[cell_type] = {"nodes": nodes, "concat": concat}
    return genotype


def darts_text(genotype):
    """Returns a genotype as DARTS prints it.

    Args:
        genotype: `Genotype`.

    Raises:
        InputError: A node has not two edges, which all have in DARTS.
    """
    _check_two_edges(genotype)
    fields = []
    for name, (_, cell) in zip(CELLS, genotype.cells(), strict=True):
        pairs = [tuple(edge) for edges in cell.nodes for edge in edges]
        every_node = range(NUM_INPUTS, NUM_INPUTS + len(cell.nodes))
        is_every = cell.concat == tuple(every_node)
        concat = every_node if is_every else list(cell.concat)
        fields += [f"{name}={pairs}", f"{name}_concat={concat}"]
    return f"Genotype({', '.join(fields)})\n"


def from_nni(architecture):
    """Returns the genotype in the dictionary that NNI exports of a `DartsSpace`.

    Args:
        architecture: Dict with `"normal/op_N_K"`, the name of an operation, and
            `"normal/input_N_K"`, its source or a list of only that, for the nodes 2
            to 5 and their edges 0 and 1; and the same with `"reduce"`. The output of
            a cell is all of its nodes. How wide and deep the network is (`"width"`,
            `"depth"`) may stand beside and is no part of the genotype.

    Example:

    >>> from_nni(architecture)["normal"]["nodes"][0][0]
    {'operation': 'sep_conv_3x3', 'source': 0}
    """
    _check_nni_keys(architecture)
    genotype = {}
    for name, cell_type in CELLS.items():
        nodes = [
            [
                {"operation": architecture[key], "source": _only(architecture[other])}
                for key, other in keys
            ]
            for keys in _nni_keys(name)
        ]
        genotype[cell_type] = {"nodes": nodes, "concat": NNI_NODES}
    return genotype


def nni_architecture(genotype):
    """Returns a genotype as the dictionary that NNI's `model_context` takes.

    Args:
        genotype: `Genotype`.

    Raises:
        InputError: The cells have not four nodes of two edges each, all of which
            make the output, as those of a `DartsSpace` have.
    """
    _check_two_edges(genotype)
    architecture = {}
    for name, (cell_type, cell) in zip(CELLS, genotype.cells(), strict=True):
        if len(cell.nodes) != len(NNI_NODES) or cell.concat != tuple(NNI_NODES):
            raise InputError(
                f"{cell_type} cell: NNI's DartsSpace has {len(NNI_NODES)} nodes, and "
                f"all make the output, {list(NNI_NODES)}; received "
                f"{len(cell.nodes)} nodes with concat {list(cell.concat)}. Leave out "
                "the form of NNI."
            )
        for keys, edges in zip(_nni_keys(name), cell.nodes, strict=True):
            for (key, other), edge in zip(keys, edges, strict=True):
                architecture |= {key: edge.operation, other: [edge.source]}
    return architecture


def _nni_keys(cell):
    """Returns a list of the nodes, each a list of the keys of operation and input."""
    return [
        [(f"{cell}/op_{node}_{k}", f"{cell}/input_{node}_{k}") for k in (0, 1)]
        for node in NNI_NODES
    ]


def _check_nni_keys(architecture):
    nodes = [keys for cell in CELLS for keys in _nni_keys(cell)]
    expected = {key for keys in nodes for pair in keys for key in pair}
    unknown = architecture.keys() - expected - set(NNI_SIZES)
    missing = expected - architecture.keys()
    if unknown or missing:
        problem = "does not know" if unknown else "needs"
        raise InputError(
            f"a genotype of NNI {problem} the key '{min(map(str, unknown or missing))}'"
            ": it has an operation and an input for the edges 0 and 1 of the nodes "
            f"{NNI_NODES[0]} to {NNI_NODES[-1]} of both cells, {NNI_FORM}. Write other "
            "cells as JSON of this package."
        )


def _only(source):
    return source[0] if isinstance(source, list) and len(source) == 1 else source


def _parsed(text):
    """Returns the value that JSON or a Python literal stands for."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            f"is not JSON ({reason}); received '{shortened(text)}'. Expected a "
            'genotype of this package, {"normal": ..., "reduction": ...}, or '
            f"{DARTS_FORM}, or {NNI_FORM}."
        ) from error


def _arguments(call):
    """Returns the named values in the text of a call."""
    try:
        statement = ast.parse(call, mode="eval").body
        if statement.args:
            raise TypeError
        return {each.arg: _literal(each.value) for each in statement.keywords}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", "it holds more than named lists and ranges")
        raise InputError(
            f"cannot be read ({reason}): expected {DARTS_FORM}; received "
            f"'{shortened(call)}'."
        ) from error


def _literal(node):
    """Returns the value of a part of a syntax tree: a literal, or a range."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "range":
        return range(*map(ast.literal_eval, node.args))[:MOST_NODES]
    return ast.literal_eval(node)


def _nodes(entries):
    """Returns the nodes of a cell as lists of edges."""
    check_list(entries, "pairs")
    nodes = entries
    if not all(isinstance(entry, list) for entry in entries):
        if len(entries) % EDGES_OF_NODE:
            raise InputError(
                f"has {len(entries)} edges; expected {EDGES_OF_NODE} for each node, an "
                "even number. Add the one that is missing."
            )
        starts = range(0, len(entries), EDGES_OF_NODE)
        nodes = [entries[start : start + EDGES_OF_NODE] for start in starts]
    return [[_edge(pair) for pair in node] for node in nodes]


def _edge(pair):
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise InputError(
            "expected pairs of an operation and an input, ('sep_conv_3x3', 0); "
            f"received {shortened(repr(pair))}."
        )
    operation, source = pair
    return {"operation": operation, "source": source}


def _check_two_edges(genotype):
    for cell_type, cell in genotype.cells():
        for node, edges in enumerate(cell.nodes):
            if len(edges) != EDGES_OF_NODE:
                raise InputError(
                    f"{cell_type} cell: node {node} has edges: {len(edges)}; in the "
                    f"forms of DARTS and NNI each node has {EDGES_OF_NODE}. Keep JSON."
                )
