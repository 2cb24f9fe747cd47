"""The pictures of cells: all parts are there, in their places and legible."""

import collections
import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from sample_genotypes import ATTENTION_CELL

from keras_atdarts.genotypes.cell import CellGenotype
from keras_atdarts.genotypes.cell_picture import ATTENTION
from keras_atdarts.genotypes.cell_picture import HIGHLIGHT_LINE
from keras_atdarts.genotypes.cell_picture import cell_svg
from keras_atdarts.genotypes.columns import Columns
from keras_atdarts.genotypes.columns import spread
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.genotype import published_genotypes
from keras_atdarts.genotypes.names import source_name
from keras_atdarts.genotypes.sampling import random_genotypes
from keras_atdarts.operations import search_spaces

SVG = "{http://www.w3.org/2000/svg}"
# Of the fonts named in the picture none has wider characters, in parts of their size.
MONOSPACE = 0.605
CHAIN = CellGenotype(
    [[("dil_conv_5x5+spatial_attention", i + 1), ("none", 0)] for i in range(7)],
    concat=[2, 8],
)
SMALLEST = CellGenotype([[('a<b & "c"\'', 1)]], [2])


def cells():
    yield pytest.param(ATTENTION_CELL, id="attention")
    yield pytest.param(CHAIN, id="chain")
    yield pytest.param(SMALLEST, id="smallest")
    [genotype] = random_genotypes(["none", "skip_connect"], 1, seed=3, num_nodes=8)
    yield pytest.param(genotype.normal, id="random")
    for name in published_genotypes():
        for cell_type, cell in Genotype.published(name).cells():
            yield pytest.param(cell, id=f"{name}-{cell_type}")


every_cell = pytest.mark.parametrize("cell", list(cells()))


class Group:
    """A node, an edge or a line to the output, as it is drawn."""

    def __init__(self, element):
        self.kind = element.get("class")
        self.meaning = element.find(f"{SVG}title").text
        self.text = "".join(
            "".join(text.itertext()) for text in element.iter(f"{SVG}text")
        )
        self.texts = list(element.iter(f"{SVG}text"))
        self.rectangle = element.find(f"{SVG}rect")
        self.line = element.find(f"{SVG}path")
        self.arrow = element.find(f"{SVG}polygon")

    @property
    def box(self):
        """Left, top, right and bottom of the rectangle."""
        x, y, width, height = (
            float(self.rectangle.get(name)) for name in ("x", "y", "width", "height")
        )
        return x, y, x + width, y + height

    @property
    def points(self):
        """Points on the line, close to each other, from its start to its arrow."""
        commands = re.findall(r"([MLC])([-\d., ]+)", self.line.get("d"))
        points = []
        for command, numbers in commands:
            numbers = [float(number) for number in re.split("[ ,]+", numbers.strip())]
            corners = list(zip(numbers[::2], numbers[1::2], strict=True))
            if command == "M":
                points += corners
                continue
            points += bezier([points[-1], *corners])
        return points + [numbers_of(self.arrow.get("points"))[0]]


def bezier(corners):
    """Returns points on a Bezier curve, by de Casteljau."""
    found = []
    for step in range(1, 21):
        level = corners
        while len(level) > 1:
            level = [
                tuple(
                    a + (b - a) * step / 20 for a, b in zip(first, second, strict=True)
                )
                for first, second in itertools.pairwise(level)
            ]
        found += level
    return found


def numbers_of(points):
    return [tuple(map(float, point.split(","))) for point in points.split()]


def drawn(cell, **settings):
    """Returns the root of a picture, and its groups."""
    root = ElementTree.fromstring(cell_svg(cell, "a title", **settings))
    return root, [Group(element) for element in root.iter(f"{SVG}g")]


def of_kind(groups, kind):
    return [group for group in groups if group.kind == kind]


@every_cell
def test_every_node_edge_and_label_is_drawn_once(cell):
    root, groups = drawn(cell)
    names = [source_name(source) for source in range(2 + len(cell.nodes))]
    nodes = of_kind(groups, "node")
    assert [node.meaning for node in nodes] == [*names, "c_k"]
    shown = [f"node {node}" for node in range(len(cell.nodes))]
    assert [node.text for node in nodes] == ["ck-2", "ck-1", *shown, "ck"]
    edges = of_kind(groups, "edge")
    assert [(edge.text, edge.meaning) for edge in edges] == [
        (name, f"{name}: {names[source]} → {names[node]}")
        for node, of_node in enumerate(cell.nodes, start=2)
        for name, source in of_node
    ]
    outputs = of_kind(groups, "output-edge")
    expected = [f"{names[source]} → c_k" for source in cell.concat]
    assert [output.meaning for output in outputs] == expected
    assert len(groups) == len(nodes) + len(edges) + len(outputs)
    titles = [text.text for text in root.findall(f"{SVG}text")]
    assert titles == ["a title"] == [root.find(f"{SVG}title").text]


@every_cell
def test_lines_lead_from_their_source_to_their_target(cell):
    _, groups = drawn(cell)
    boxes = {node.meaning: node.box for node in of_kind(groups, "node")}
    for group in of_kind(groups, "edge") + of_kind(groups, "output-edge"):
        source, target = group.meaning.split(": ")[-1].split(" → ")
        *_, right, _ = boxes[source]
        left, top, *_, bottom = boxes[target]
        (start_x, start_y), (end_x, end_y) = group.points[0], group.points[-1]
        middle = (boxes[source][1] + boxes[source][3]) / 2
        assert (start_x, start_y) == pytest.approx((right, middle), abs=0.2)
        assert end_x == pytest.approx(left, abs=0.2) and top < end_y < bottom
        xs = [x for x, _ in group.points]
        assert xs == sorted(xs)  # From left to right, never back.


@every_cell
def test_nothing_overlaps_or_leaves_the_picture(cell):
    root, groups = drawn(cell)
    *corner, width, height = map(float, root.get("viewBox").split())
    assert corner == [0, 0]
    assert (root.get("width"), root.get("height")) == (f"{width:g}", f"{height:g}")
    boxed = of_kind(groups, "node") + of_kind(groups, "edge")
    for group in boxed:
        left, top, right, bottom = group.box
        assert 0 < left < right < width and 30 < top < bottom < height
    for one, other in itertools.combinations(boxed, 2):
        assert is_apart(one.box, other.box), (one.meaning, other.meaning)
    for group in of_kind(groups, "edge") + of_kind(groups, "output-edge"):
        others = [other for other in boxed if other is not group]
        for x, y in group.points:
            assert 0 < x < width and 0 < y < height
            for other in others:
                left, top, right, bottom = other.box
                assert not (left + 1 < x < right - 1 and top < y < bottom), (
                    group.meaning,
                    other.meaning,
                )


def is_apart(one, other):
    left, top, right, bottom = one
    return right < other[0] or other[2] < left or bottom < other[1] or other[3] < top


@every_cell
def test_labels_fit_into_their_boxes(cell):
    _, groups = drawn(cell)
    for edge in of_kind(groups, "edge"):
        left, top, right, bottom = edge.box
        baselines = [float(text.get("y")) for text in edge.texts]
        size = float(edge.texts[0].get("font-size"))
        for text, y in zip(edge.texts, baselines, strict=True):
            half = len(text.text) * size * MONOSPACE / 2
            x = float(text.get("x"))
            assert left + 4 < x - half and x + half < right - 4
            assert top < y - 0.8 * size and y + 0.25 * size < bottom
        assert all(b - a >= 1.2 * size for a, b in itertools.pairwise(baselines))


def test_lines_that_end_at_one_node_end_beside_each_other():
    _, groups = drawn(Genotype.published("DARTS_V2").normal)
    ends = collections.defaultdict(list)
    for group in of_kind(groups, "edge") + of_kind(groups, "output-edge"):
        ends[group.meaning.split(" → ")[-1]].append(group.points[-1][1])
    assert sorted(map(len, ends.values())) == [2, 2, 2, 2, 4]
    for heights in ends.values():
        heights.sort()
        assert min(b - a for a, b in itertools.pairwise(heights)) > 6


def test_attention_and_only_attention_stands_out():
    _, groups = drawn(ATTENTION_CELL)
    for edge in of_kind(groups, "edge"):
        is_attention = "attention" in edge.text
        for element, name in ((edge.line, "stroke"), (edge.arrow, "fill")):
            assert (element.get(name) == HIGHLIGHT_LINE) == is_attention
        for text in edge.texts:
            assert (text.get("font-weight") == "700") == ("attention" in text.text)
    [followed] = [edge for edge in of_kind(groups, "edge") if "+" in edge.text]
    lines = [text.text for text in followed.texts]
    assert lines == ["sep_conv_5x5", "+channel_attention"]


def test_what_is_to_stand_out_can_be_chosen():
    _, groups = drawn(ATTENTION_CELL, highlight={"skip_connect"})
    bold = [
        text.text
        for edge in of_kind(groups, "edge")
        for text in edge.texts
        if text.get("font-weight") == "700"
    ]
    assert bold == ["+channel_attention", "skip_connect", "skip_connect"]


def test_attention_that_stands_out_is_that_of_the_search_spaces():
    darts = set(search_spaces.DARTS)
    assert set(ATTENTION) == set(search_spaces.AT_DARTS) - darts


def test_texts_are_legible_on_light_and_dark_pages():
    """Contrast of WCAG 2: 4.5 in the boxes, 3 for titles and lines on pages."""
    root, groups = drawn(ATTENTION_CELL)
    for group in of_kind(groups, "node") + of_kind(groups, "edge"):
        for text in group.texts:
            assert contrast(text.get("fill"), group.rectangle.get("fill")) > 4.5
    on_page = [root.find(f"{SVG}text").get("fill")]
    on_page += [edge.line.get("stroke") for edge in of_kind(groups, "edge")]
    for colour in on_page:
        assert min(contrast(colour, "#ffffff"), contrast(colour, "#14171d")) > 3


def contrast(one, other):
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_notebook_shows_cells_and_genotypes():
    genotype = Genotype(ATTENTION_CELL, Genotype.published("DARTS_V2").reduction)
    pictures = [genotype.normal._repr_svg_(), genotype._repr_svg_()]
    roots = [ElementTree.fromstring(picture) for picture in pictures]
    kinds = [
        [group.get("class") for group in root.iter(f"{SVG}g")].count("edge")
        for root in roots
    ]
    assert kinds == [9, 9 + 8]
    titles = [text.text for text in roots[1].findall(f"{SVG}text")]
    assert titles == ["normal cell", "reduction cell"]
    boxes = [
        Group(group).box
        for group in roots[1].iter(f"{SVG}g")
        if group.find(f"{SVG}rect") is not None
    ]
    assert all(is_apart(*pair) for pair in itertools.combinations(boxes, 2))
    height = float(roots[1].get("height"))
    assert max(bottom for *_, bottom in boxes) < height
    # Several pictures can stand in one page: none names anything for all of it.
    assert " id=" not in "".join(pictures)


def test_the_same_cell_is_drawn_alike():
    assert cell_svg(ATTENTION_CELL, "cell") == cell_svg(ATTENTION_CELL, "cell")


@pytest.mark.parametrize(
    ("wanted", "weights", "expected"),
    [
        ([0, 30], [1, 1], [0, 30]),  # Far enough already.
        ([5, 5], [1, 1], [0, 10]),
        ([5, 5], [3, 1], [2.5, 12.5]),  # The heavy one moves less.
        ([10, 0, 20], [1, 1, 1], [0, 10, 20]),
    ],
)
def test_numbers_are_spread(wanted, weights, expected):
    distances = [10] * (len(wanted) - 1)
    assert spread(wanted, distances, weights) == pytest.approx(expected)


def test_lines_that_need_not_cross_do_not():
    columns = Columns(3)
    first = [columns.add(0, (10, 10)) for _ in range(3)]
    last = [columns.add(2, (10, 10)) for _ in range(3)]
    ways = [columns.connect(a, b) for a, b in zip(first, last[::-1], strict=True)]
    columns.order()
    boxes, spans = columns.place(left=5, top=7)
    for way in ways:
        assert len({round(boxes[part].y, 3) for part in way}) == 1
    assert boxes[first[0]].top == 7 and spans[0] == (5, 15)
    assert boxes[first[0]].y < boxes[first[1]].y < boxes[first[2]].y
