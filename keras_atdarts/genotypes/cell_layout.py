"""Where everything in the picture of a cell stands.

The columns from left to right: the inputs; for every depth of nodes one of the
operations that lead to them and one of the nodes; the output. Lines bend between the
columns only. So no line crosses a box and no two boxes overlap, whatever the cell.
"""

import collections
from typing import NamedTuple

from keras_atdarts.genotypes.columns import Box
from keras_atdarts.genotypes.columns import Columns
from keras_atdarts.genotypes.names import NUM_INPUTS

ARROW_LENGTH = 10  # Pixels, so much of the end of a line is straight.
PORT_DISTANCE = 9  # Pixels between the ends of lines at one box.


class Layout(NamedTuple):
    """The places of all parts of a cell, in pixels.

    Args:
        sources: List of `Box`, of both inputs and all nodes.
        output: `Box`.
        operations: List of `Box`, of all edges, those of node 0 first.
        edges: List of the lines of all edges. A line is a list of points `(x, y)`
            between which it is by turns straight and bent, straight at first.
        outputs: List of the lines to the output, as in `concat`.
    """

    sources: list
    output: Box
    operations: list
    edges: list
    outputs: list

    @property
    def right(self):
        return self.output.right

    @property
    def bottom(self):
        boxes = [*self.sources, self.output, *self.operations]
        # A line may pass below all boxes.
        points = [y for line in self.edges + self.outputs for _, y in line]
        return max(*(box.bottom for box in boxes), *points)


def lay_out(cell, node_size, operation_sizes, left, top):
    """Returns the `Layout` of a cell.

    Args:
        cell: `CellGenotype`.
        node_size: `(width, height)` of the boxes of inputs, nodes and output.
        operation_sizes: List of `(width, height)` for all edges, those of node 0
            first.
        left: Number of pixels, where the picture begins.
        top: The same.
    """
    depths = _depths(cell)
    columns = Columns(2 * max(depths) + 2)
    sources = [columns.add(2 * depth, node_size) for depth in depths]
    output = columns.add(2 * max(depths) + 1, node_size)
    operations, ways = [], []
    sizes = iter(operation_sizes)
    for node, edges in enumerate(cell.nodes, start=NUM_INPUTS):
        for edge in edges:
            operation = columns.add(2 * depths[node] - 1, next(sizes))
            operations.append(operation)
            way = columns.connect(sources[edge.source], operation)
            ways.append([*way, *columns.connect(operation, sources[node])[1:]])
    ways += [columns.connect(sources[source], output) for source in cell.concat]
    columns.order()
    boxes, spans = columns.place(left, top)
    lines = _lines(ways, boxes, [spans[column] for column in columns.column_of])
    return Layout(
        [boxes[part] for part in sources],
        boxes[output],
        [boxes[part] for part in operations],
        lines[: len(operations)],
        lines[len(operations) :],
    )


def _depths(cell):
    """Returns how many operations lie before each source at most."""
    depths = [0] * NUM_INPUTS
    for edges in cell.nodes:
        depths.append(1 + max(depths[edge.source] for edge in edges))
    return depths


def _lines(ways, boxes, spans):
    """Returns the lines of ways, which end beside each other, not at one point."""
    ends = collections.defaultdict(list)
    for way in ways:
        ends[way[-1]].append(way)
    lines = {}
    for end, arriving in ends.items():
        arriving.sort(key=lambda way: boxes[way[-2]].y)
        distance = min(PORT_DISTANCE, boxes[end].height / len(arriving))
        for place, way in enumerate(arriving):
            shift = (place - (len(arriving) - 1) / 2) * distance
            lines[id(way)] = _line(way, boxes, spans, shift)
    return [lines[id(way)] for way in ways]


def _line(way, boxes, spans, shift):
    heights = [boxes[part].y for part in way]
    heights[-1] += shift
    points = []
    for part, y in zip(way, heights, strict=True):
        left, right = spans[part]
        points += [(left, y), (right, y)]
    # From the right of the first box to the left of the last.
    points[0] = (boxes[way[0]].right, heights[0])
    points[-2] = (spans[way[-1]][0] - ARROW_LENGTH, heights[-1])
    points[-1] = (boxes[way[-1]].left, heights[-1])
    return points
