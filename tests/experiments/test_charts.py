"""The charts of a page, point by point, and the escaping of what is in them."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from keras_atdarts.experiments.reports.charts import bar_chart
from keras_atdarts.experiments.reports.charts import heat_map
from keras_atdarts.experiments.reports.charts import thinned
from keras_atdarts.experiments.reports.line_charts import MOST_POINTS
from keras_atdarts.experiments.reports.line_charts import OPERATION_COLOURS
from keras_atdarts.experiments.reports.line_charts import Frame
from keras_atdarts.experiments.reports.line_charts import Series
from keras_atdarts.experiments.reports.line_charts import integer_ticks
from keras_atdarts.experiments.reports.line_charts import line_chart
from keras_atdarts.experiments.reports.line_charts import nice_ticks
from keras_atdarts.experiments.reports.line_charts import operation_colours
from keras_atdarts.experiments.reports.line_charts import tick_labels
from keras_atdarts.experiments.reports.markup import Markup
from keras_atdarts.experiments.reports.markup import table
from keras_atdarts.experiments.reports.markup import tag
from keras_atdarts.operations import operation_names

SVG = "{http://www.w3.org/2000/svg}"


def elements(svg, name):
    """Returns the elements of that name; fails unless the SVG is well formed."""
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{name}"))


def points(svg):
    """Returns the points of all lines, as lists of pairs."""
    return [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in elements(svg, "polyline")
    ]


def test_line_goes_through_its_points():
    chart = line_chart([Series("a", [0.0, 5.0, 10.0], "red")], [1, 2, 3], "title")
    frame = Frame()
    [line] = points(chart)
    middle = (frame.left + frame.right) / 2
    height = (frame.top + frame.bottom) / 2
    expected = [(frame.left, frame.bottom), (middle, height), (frame.right, frame.top)]
    assert line == pytest.approx([pytest.approx(each, abs=0.06) for each in expected])
    assert len(elements(chart, "circle")) == 3


def test_gaps_divide_a_line():
    values = [1.0, 2.0, None, 3.0, 4.0, None, 5.0]
    chart = line_chart([Series("a", values, "red")], list(range(1, 8)), "title")
    assert [len(line) for line in points(chart)] == [2, 2]
    assert len(elements(chart, "circle")) == 5  # A single point is seen too.


@pytest.mark.parametrize("values", [[], [3.0], [0.0], [2.0, 2.0], [None, None]])
def test_chart_of_hardly_any_values(values):
    epochs = list(range(1, len(values) + 1))
    chart = line_chart([Series("a", values, "red")], epochs, "title")
    assert "nan" not in chart and elements(chart, "line")


def test_long_line_is_thinned():
    count = 600
    series = Series("a", [float(n) for n in range(count)], "red")
    chart = line_chart([series], list(range(1, count + 1)), "title")
    [line] = points(chart)
    assert len(line) == MOST_POINTS and not elements(chart, "circle")
    kept = thinned(count, MOST_POINTS)
    assert kept[0] == 0 and kept[-1] == count - 1 and len(set(kept)) == MOST_POINTS


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.13, 0.88, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 8, ["0", "2", "4", "6", "8"]),
        (-3, 4, ["-4", "-2", "0", "2", "4"]),
        (0.0913, 0.1049, ["0.090", "0.095", "0.100", "0.105"]),
        (0, 2500, ["0", "500", "1,000", "1,500", "2,000", "2,500"]),
    ],
)
def test_ticks_are_round_and_enclose(low, high, expected):
    assert tick_labels(nice_ticks(low, high, 5)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1, 4, [1, 2, 3, 4]), (1, 50, [10, 20, 30, 40, 50]), (3, 3, [3]), (1, 2, [1, 2])],
)
def test_ticks_of_epochs_are_whole(low, high, expected):
    assert integer_ticks(low, high) == expected


def test_heat_map_fills_by_value():
    chart = heat_map(["r", "s"], ["a", "b"], [[0.0, 0.5], [None, 1.0]], "title")
    opacities = [float(each.get("fill-opacity")) for each in elements(chart, "rect")]
    assert opacities == pytest.approx([0.04, 0.52, 1.0])
    assert "s, b: 1.000" in chart


def test_bars_are_as_long_as_their_values():
    chart = bar_chart(["a", "b", "c"], [0.5, 1.0, None], "title", ["1", "2", "-"])
    bars = [each for each in elements(chart, "rect") if each.get("class") == "bar"]
    first, second = (float(bar.get("width")) for bar in bars)
    assert second == 2 * first


def test_text_and_attributes_are_escaped():
    assert tag("p", "<b>&\"'", title='"<') == (
        '<p title="&quot;&lt;">&lt;b&gt;&amp;&quot;&#x27;</p>'
    )
    assert tag("p", [tag("b", "x"), None, 3], class_="y", hidden=None) == (
        '<p class="y"><b>x</b>3</p>'
    )
    assert isinstance(tag("img", src="a"), Markup)
    assert tag("img", src="a") == '<img src="a">'
    assert "<script>" not in table(["<script>"], [["<script>", "<script>"]])
    name = "<script>x</script>"
    lines = [Series(name, [1.0], "red")]
    for chart in (
        line_chart(lines, [1], name),
        heat_map([name], [name], [[1.0]], name, [[name]]),
        bar_chart([name], [1.0], name, [name]),
    ):
        assert "<script" not in chart and "&lt;script" in chart


def test_operations_differ_in_colour():
    names = [*operation_names(), "mine", "yours"]
    colours = operation_colours(names)
    assert len(set(colours.values())) == len(names)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())
    assert colours["skip_connect"] == OPERATION_COLOURS["skip_connect"]
