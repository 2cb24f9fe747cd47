"""What does not fit is refused with a reason; our kernels never end the process.

`make sanitize` calls the same kernels with thousands of shapes, without TensorFlow.
"""

import pytest
import tensorflow as tf
from numbers_checks import needs_library
from numbers_checks import numbers

from keras_atdarts.kernels.native.library import native_library

pytestmark = needs_library

EDGES, BATCH, CHANNELS, FILTERS = 2, 3, 6, 7
IMAGES = (BATCH, 4, 5, CHANNELS)
RESULTS = (BATCH, 2, 3, FILTERS)  # Of strides of 2.
LINE = (3, EDGES, CHANNELS)
NORMALIZED = {
    "tensors": [IMAGES] * EDGES,
    "scales": (EDGES, CHANNELS),
    "offsets": (EDGES, CHANNELS),
    "epsilon": (),
}
STAGED = {
    "tensors": [IMAGES] * EDGES,
    "lines": [LINE],
    "depthwise": (EDGES, 3, 3, CHANNELS, 1),
    "pointwise": (EDGES, CHANNELS, FILTERS),
    "scales": (EDGES, FILTERS),
}
# Of each operation a call that works: the shapes of its inputs, and its attributes.
CALLS = {
    "stage": {
        **STAGED,
        **{"offsets": (EDGES, FILTERS), "epsilon": (), "learning": ()},
        **{"E": EDGES, "strides": 2, "dilation": 1},
    },
    "stage_gradient": {
        **STAGED,
        **{"slopes": [RESULTS] * EDGES, "results": [RESULTS] * EDGES},
        **{"kept": (2, EDGES, FILTERS), "learning": ()},
        **{"strides": 2, "dilation": 1},
    },
    "normalize": {**NORMALIZED, "E": EDGES, "has_statistics": True},
    "normalize_gradient": {
        "slopes": [IMAGES] * EDGES,
        "tensors": [IMAGES] * EDGES,
        "scales": (EDGES, CHANNELS),
        "kept": (2, EDGES, CHANNELS),
        "has_statistics": True,
    },
    "sum_of_lines": {
        "tensors": [IMAGES] * 3,
        "lines": [LINE],
        "line_of": [0, 0, -1],
        "row_of": [0, 1, 0],
    },
    "pool": {"images": IMAGES, "strides": 2, "maximum": True},
    "pool_gradient": {
        "slopes": (BATCH, 2, 3, CHANNELS),
        "images": IMAGES,
        "strides": 2,
        "maximum": True,
    },
}
LISTS = ("line_of", "row_of")


def call(operation, **changes):
    """Calls an operation with random numbers.

    Args:
        operation: Key of `CALLS`.
        changes: Shapes or attributes in place of those that stand there.
    """
    arguments = {**CALLS[operation], **changes}
    for name, value in arguments.items():
        if isinstance(value, tuple):
            arguments[name] = numbers(*value)
        elif isinstance(value, list) and name not in LISTS:
            arguments[name] = [numbers(*shape) for shape in value]
    return getattr(native_library(), f"atdarts_{operation}")(**arguments)


@pytest.mark.parametrize("operation", CALLS)
def test_what_fits_is_computed(operation):
    for x in tf.nest.flatten(call(operation)):
        assert tf.reduce_all(tf.math.is_finite(x))


NO_CHANNELS, NO_PIXELS = (BATCH, 4, 5, 0), (BATCH, 0, 5, CHANNELS)
OTHER = (BATCH, 4, 5, CHANNELS + 1)
# The operation, what is changed, and what the error says of it.
WRONG = {
    "stage: a number instead of images": (
        "stage",
        {"tensors": [()] * EDGES},
        r"`tensors` must have 4 axes, received the shape \(\)",
    ),
    "stage: too few axes": ("stage", {"tensors": [(3, 4, 6)] * EDGES}, "4 axes"),
    "stage: no channels": ("stage", {"tensors": [NO_CHANNELS] * EDGES}, "channels"),
    "stage: no pixels": ("stage", {"tensors": [NO_PIXELS] * EDGES}, "pixels"),
    "stage: unequal tensors": (
        "stage",
        {"tensors": [IMAGES, OTHER]},
        r"`tensors` must have the shape \(3, 4, 5, 6\), received \(3, 4, 5, 7\)",
    ),
    "stage: too many tensors": (
        "stage",
        {"tensors": [IMAGES] * 3},
        "`tensors` must be 1, or 1 for each of 2 edges, received 3",
    ),
    "stage: two lines": ("stage", {"lines": [LINE] * 2}, "`L` must be from 0 to 1"),
    "stage: a line's shape": ("stage", {"lines": [(3, 1, CHANNELS)]}, "`lines`"),
    "stage: a line is a number": ("stage", {"lines": [()]}, "`lines`"),
    "stage: no filters": ("stage", {"pointwise": (2, 6, 0)}, "from 1 to .* filters"),
    "stage: pointwise axes": ("stage", {"pointwise": ()}, "`pointwise` must have 3"),
    "stage: pointwise edges": ("stage", {"pointwise": (3, 6, 7)}, "`pointwise`"),
    "stage: depthwise axes": ("stage", {"depthwise": (2, 3, 3, 6)}, "have 5 axes"),
    "stage: depthwise is no square": (
        "stage",
        {"depthwise": (2, 3, 5, 6, 1)},
        "`depthwise` must have the shape",
    ),
    "stage: an even kernel": ("stage", {"depthwise": (2, 2, 2, 6, 1)}, "odd size"),
    "stage: strides of no kernel": ("stage", {"depthwise": (2, 0, 0, 6, 1)}, "odd"),
    "stage: scales": (
        "stage",
        {"scales": (EDGES, 3)},
        r"`scales` must have the shape \(2, 7\) or \(2,\), received \(2, 3\)",
    ),
    "stage: offsets": ("stage", {"offsets": (FILTERS,)}, "`offsets`"),
    "stage: no scalar for epsilon": ("stage", {"epsilon": (2,)}, "`epsilon`"),
    "stage: no number for epsilon": ("stage", {"epsilon": (0,)}, "`epsilon`"),
    "stage: no scalar for learning": ("stage", {"learning": (1, 1)}, "`learning`"),
    "stage: strides of 0": ("stage", {"strides": 0}, "`strides` .* received 0"),
    "stage: strides too large": ("stage", {"strides": 2**62}, "`strides`"),
    "stage: negative dilation": ("stage", {"dilation": -1}, "`dilation`"),
    "stage: dilation too large": ("stage", {"dilation": 2**62}, "`dilation`"),
    "stage: images too large": (
        "stage",
        {"tensors": [(0, 2**17, 2**17, CHANNELS)] * EDGES},
        "too large",
    ),
    "stage_gradient: axes": ("stage_gradient", {"tensors": [()] * EDGES}, "4 axes"),
    "stage_gradient: slopes": ("stage_gradient", {"slopes": [IMAGES] * 2}, "`slopes`"),
    "stage_gradient: results": ("stage_gradient", {"results": [()] * 2}, "`results`"),
    "stage_gradient: kept": ("stage_gradient", {"kept": (EDGES, FILTERS)}, "`kept`"),
    "stage_gradient: scales": ("stage_gradient", {"scales": ()}, "`scales`"),
    "stage_gradient: learning": ("stage_gradient", {"learning": (0,)}, "`learning`"),
    "stage_gradient: strides": ("stage_gradient", {"strides": 1}, "`slopes`"),
    "stage_gradient: no channels": (
        "stage_gradient",
        {"tensors": [NO_CHANNELS] * EDGES},
        "channels",
    ),
    "normalize: a number": (
        "normalize",
        {"tensors": [()] * EDGES},
        r"\.\.\., channels",
    ),
    "normalize: one axis": ("normalize", {"tensors": [(6,)] * EDGES}, "channels"),
    "normalize: no channels": (
        "normalize",
        {"tensors": [NO_CHANNELS] * EDGES},
        r"pixels and channels, received the shape \(3, 4, 5, 0\)",
    ),
    "normalize: no pixels": ("normalize", {"tensors": [NO_PIXELS] * EDGES}, "pixels"),
    "normalize: unequal tensors": ("normalize", {"tensors": [IMAGES, OTHER]}, "shape"),
    "normalize: too many tensors": ("normalize", {"tensors": [IMAGES] * 3}, "edges"),
    "normalize: scales": ("normalize", {"scales": (1, CHANNELS)}, "`scales`"),
    "normalize: offsets": ("normalize", {"offsets": (0,)}, "`offsets`"),
    "normalize: epsilon": ("normalize", {"epsilon": (1,)}, "`epsilon`"),
    "normalize_gradient: a number": (
        "normalize_gradient",
        {"tensors": [()] * EDGES},
        "channels",
    ),
    "normalize_gradient: no channels": (
        "normalize_gradient",
        {"tensors": [NO_CHANNELS] * EDGES},
        "channels",
    ),
    "normalize_gradient: too many tensors": (
        "normalize_gradient",
        {"tensors": [IMAGES] * 3},
        "edges",
    ),
    "normalize_gradient: slopes": (
        "normalize_gradient",
        {"slopes": [OTHER] * EDGES},
        "`slopes`",
    ),
    "normalize_gradient: kept": (
        "normalize_gradient",
        {"kept": (2, 1, CHANNELS)},
        r"`kept` must have the shape \(2, 2, 6\), received \(2, 1, 6\)",
    ),
    "normalize_gradient: scales": ("normalize_gradient", {"scales": (6,)}, "`scales`"),
    "sum_of_lines: numbers": ("sum_of_lines", {"tensors": [()] * 3}, "channels"),
    "sum_of_lines: no channels": (
        "sum_of_lines",
        {"tensors": [NO_CHANNELS] * 3},
        "channels",
    ),
    "sum_of_lines: unequal": ("sum_of_lines", {"tensors": [IMAGES, OTHER, OTHER]}, "`"),
    "sum_of_lines: too few kinds": ("sum_of_lines", {"lines": [(2, 2, 6)]}, "`lines`"),
    "sum_of_lines: a line's axes": ("sum_of_lines", {"lines": [(6,)]}, "3 axes"),
    "sum_of_lines: a line's channels": ("sum_of_lines", {"lines": [(3, 2, 5)]}, "line"),
    "sum_of_lines: no rows": ("sum_of_lines", {"lines": [(3, 0, 6)]}, "`row_of`"),
    "sum_of_lines: too few places": (
        "sum_of_lines",
        {"line_of": [0]},
        r"`line_of` must have 3 numbers, .* received \(0,\)",
    ),
    "sum_of_lines: too many rows": ("sum_of_lines", {"row_of": [0] * 4}, "`row_of`"),
    "sum_of_lines: no such line": (
        "sum_of_lines",
        {"line_of": [0, 1, -1]},
        r"`line_of` must be from -1 to 0, received \(0, 1, -1\)",
    ),
    "sum_of_lines: no such row": ("sum_of_lines", {"row_of": [0, 2, 0]}, "0 to 1 in"),
    "sum_of_lines: a negative row": (
        "sum_of_lines",
        {"row_of": [-1, 0, 0]},
        "`row_of`",
    ),
    "pool: a number": ("pool", {"images": ()}, "`images` must have 4 axes"),
    "pool: no channels": ("pool", {"images": NO_CHANNELS}, "channels"),
    "pool: no pixels": ("pool", {"images": NO_PIXELS}, "pixels"),
    "pool: strides of 0": ("pool", {"strides": 0}, "`strides` must be from 1 to 2"),
    "pool: strides of 3": ("pool", {"strides": 3}, "received 3"),
    "pool_gradient: a number": ("pool_gradient", {"images": ()}, "4 axes"),
    "pool_gradient: no channels": ("pool_gradient", {"images": NO_CHANNELS}, "channel"),
    "pool_gradient: slopes": ("pool_gradient", {"slopes": IMAGES}, "`slopes`"),
    "pool_gradient: strides": ("pool_gradient", {"strides": -1}, "received -1"),
}


@pytest.mark.parametrize(("operation", "changes", "reason"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(operation, changes, reason):
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        call(operation, **changes)


def test_an_empty_batch_gives_empty_results():
    empty = (0, *IMAGES[1:])
    results, *_ = call("stage", tensors=[empty] * EDGES)
    assert [x.shape for x in results] == [(0, *RESULTS[1:])] * EDGES
    tensors = [empty] * EDGES
    of_tensors, *_ = call("normalize_gradient", slopes=tensors, tensors=tensors)
    assert [x.shape for x in of_tensors] == [empty] * EDGES
    assert call("sum_of_lines", tensors=[empty] * 3).shape == empty
    assert call("pool", images=empty).shape == (0, 2, 3, CHANNELS)
