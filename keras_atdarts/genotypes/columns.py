"""Boxes in columns, and the ways of lines between them, without a graphics library.

Reference:
    Sugiyama, Tagawa, Toda, Methods for Visual Understanding of Hierarchical System
    Structures, IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981,
    https://doi.org/10.1109/TSMC.1981.4308636: columns, then few crossings, then
    heights.
"""

import itertools
from random import Random
from typing import NamedTuple

GAP = 14  # Pixels between what stands in a column.
NARROWEST, WIDEST = 44, 90  # Pixels between two columns.
STEEPNESS = 0.5  # Pixels between two columns for each that a line climbs there.
# How much a piece of a line resists a climb, by how many of its ends are boxes: long
# lines are to be straight.
LINE_WEIGHTS = (50, 4, 1)
STARTS = 8  # From as many orders fewer crossings are looked for.
ORDER_SWEEPS = 8
HEIGHT_SWEEPS = 300


class Box(NamedTuple):
    """A rectangle in pixels, `x` and `y` those of its middle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self):
        return self.x - self.width / 2

    @property
    def right(self):
        return self.x + self.width / 2

    @property
    def top(self):
        return self.y - self.height / 2

    @property
    def bottom(self):
        return self.y + self.height / 2


class Columns:
    """Boxes in columns, joined by lines from left to right.

    A line that passes a column has a place of its own there, like a flat box.

    Args:
        num_columns: Integer.

    Example:

    >>> columns = Columns(3)
    >>> first, last = columns.add(0, (60, 30)), columns.add(2, (60, 30))
    >>> way = columns.connect(first, last)
    >>> columns.order()
    >>> boxes, spans = columns.place(left=0, top=0)
    """

    def __init__(self, num_columns):
        self.columns = [[] for _ in range(num_columns)]
        self.column_of = []
        self.sizes = []
        self.before = []
        self.after = []

    def add(self, column, size):
        """Adds a box of `(width, height)` to a column, and returns its number."""
        part = len(self.sizes)
        self.columns[column].append(part)
        self.column_of.append(column)
        self.sizes.append(size)
        self.before.append([])
        self.after.append([])
        return part

    def connect(self, start, end):
        """Adds a line. Returns the numbers of all it passes, from end to end."""
        between = range(self.column_of[start] + 1, self.column_of[end])
        way = [start, *(self.add(column, (0, 0)) for column in between), end]
        for left, right in itertools.pairwise(way):
            self.after[left].append(right)
            self.before[right].append(left)
        return way

    def order(self):
        """Orders what stands in each column so that few lines cross."""
        best = None
        random = Random(0)
        for _ in range(STARTS):
            for sweep in range(ORDER_SWEEPS):
                is_forward = sweep % 2 == 0
                neighbours = self.before if is_forward else self.after
                for column in self.columns[:: 1 if is_forward else -1]:
                    self._sort(column, neighbours)
                    self._swap(column)
                crossings = self._crossings()
                if best is None or crossings < best[0]:
                    best = crossings, [list(column) for column in self.columns]
            for column in self.columns:
                random.shuffle(column)
        self.columns = best[1]
        if self.columns[0] != sorted(self.columns[0]):  # As good upside down.
            for column in self.columns:
                column.reverse()

    def _sort(self, column, neighbours):
        rank = self._ranks()
        wanted = {
            part: _mean([rank[other] for other in neighbours[part]] or [rank[part]])
            for part in column
        }
        column.sort(key=wanted.get)

    def _ranks(self):
        """Returns how far down its column each part stands, between 0 and 1."""
        return {
            part: (place + 0.5) / len(column)
            for column in self.columns
            for place, part in enumerate(column)
        }

    def _swap(self, column):
        """Swaps neighbours in a column while that makes fewer lines cross."""
        rank = self._ranks()
        is_better = True
        while is_better:
            is_better = False
            for place in range(len(column) - 1):
                upper, lower = column[place : place + 2]
                now = self._crossings_of(upper, lower, rank)
                if self._crossings_of(lower, upper, rank) < now:
                    column[place : place + 2] = lower, upper
                    is_better = True

    def _crossings_of(self, upper, lower, rank):
        return sum(
            rank[one] > rank[other]
            for neighbours in (self.before, self.after)
            for one in neighbours[upper]
            for other in neighbours[lower]
        )

    def _crossings(self):
        rank = self._ranks()
        pairs = (itertools.combinations(column, 2) for column in self.columns)
        # Each crossing is counted from both of its columns.
        return sum(
            self._crossings_of(*pair, rank)
            for pair in itertools.chain.from_iterable(pairs)
        )

    def place(self, left, top):
        """Gives everything its place.

        Args:
            left: Number of pixels, where the first column begins.
            top: Number of pixels, where the highest box begins.

        Returns:
            A list of the `Box` of each number that `add` and `connect` gave, and a
            list of `(left, right)`, how far each column goes.
        """
        heights = self._heights()
        highest = min(
            y - size[1] / 2 for y, size in zip(heights, self.sizes, strict=True)
        )
        heights = [top + y - highest for y in heights]
        spans = self._spans(heights, left)
        boxes = []
        for part, (width, height) in enumerate(self.sizes):
            start, end = spans[self.column_of[part]]
            boxes.append(Box((start + end) / 2, heights[part], width, height))
        return boxes, spans

    def _heights(self):
        """Returns heights at which lines are short and straight.

        Column by column, each is given its best heights by those of its neighbours,
        which converges to the least sum of squared climbs.
        """
        heights = [0.0] * len(self.sizes)
        for sweep in range(HEIGHT_SWEEPS):
            for column in self.columns[:: 1 if sweep % 2 == 0 else -1]:
                wanted, weights = zip(
                    *(self._wanted_height(part, heights) for part in column),
                    strict=True,
                )
                distances = [
                    (self.sizes[upper][1] + self.sizes[lower][1]) / 2 + GAP
                    for upper, lower in itertools.pairwise(column)
                ]
                found = spread(wanted, distances, weights)
                for part, height in zip(column, found, strict=True):
                    heights[part] = height
        return heights

    def _wanted_height(self, part, heights):
        """Returns the height that a part would like, and how much it would."""
        weighted = total = 0
        for other in self.before[part] + self.after[part]:
            boxes = sum(self.sizes[each][1] > 0 for each in (part, other))
            weighted += LINE_WEIGHTS[boxes] * heights[other]
            total += LINE_WEIGHTS[boxes]
        return (weighted / total, total) if total else (heights[part], 1)

    def _spans(self, heights, left):
        spans = []
        for column in self.columns:
            width = max(self.sizes[part][0] for part in column)
            spans.append((left, left + width))
            climbs = [
                abs(heights[part] - heights[other])
                for part in column
                for other in self.after[part]
            ]
            steepest = STEEPNESS * max(climbs, default=0)
            left += width + min(max(steepest, NARROWEST), WIDEST)
        return spans


def spread(wanted, distances, weights):
    """Returns ascending numbers near the wanted ones that keep their distances.

    Args:
        wanted: List of numbers.
        distances: List of numbers, how far each is from the next at least.
        weights: List of numbers, by which squared deviations count.

    Returns:
        The list of least squared deviation, found by merging what is out of order
        (isotonic regression by pool adjacent violators).
    """
    offsets = list(itertools.accumulate(distances, initial=0.0))
    groups = []  # Of [mean, weight, count].
    for number, offset, weight in zip(wanted, offsets, weights, strict=True):
        groups.append([number - offset, weight, 1])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            mean, weight, count = groups.pop()
            last = groups[-1]
            total = last[1] + weight
            groups[-1] = [
                (last[0] * last[1] + mean * weight) / total,
                total,
                last[2] + count,
            ]
    means = [mean for mean, _, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _mean(numbers):
    return sum(numbers) / len(numbers)
