"""Every backend computes what the reference does: values and both derivatives."""

import numpy as np
import pytest
import tensorflow as tf
from layer_checks import random_images
from numbers_checks import check
from numbers_checks import differentiated
from numbers_checks import needs_library
from numbers_checks import numbers

from keras_atdarts.genotypes.alphas import CellAlphas
from keras_atdarts.kernels import Joined
from keras_atdarts.kernels import Native
from keras_atdarts.kernels import Node
from keras_atdarts.kernels import Reference
from keras_atdarts.kernels import Synchronized
from keras_atdarts.operations import resolve_operations
from keras_atdarts.search.cell import SearchCell
from keras_atdarts.search.mixing_weights import cell_edges

BACKENDS = {"native": Native, "joined": Joined}
all_backends = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(each, id=name, marks=[needs_library] if each is Native else [])
        for name, each in BACKENDS.items()
    ],
)
# What float32 may differ by from float64: TensorFlow's fused batch norm, of which
# `Joined` is made, adds up a whole batch in one sum.
TOLERANCES = {Native: 2e-5, Joined: 2e-4}
# Edges, (images, height, width), channels, kernel size, strides, dilation.
STAGES = {
    "no depthwise": (1, (3, 5, 4), 6, None, 1, 1),
    "several, no depthwise": (3, (3, 5, 4), 6, None, 1, 1),
    "3x3": (2, (4, 8, 6), 16, 3, 1, 1),
    "5x5, odd sizes": (3, (3, 7, 5), 6, 5, 1, 1),
    "7x7, smaller images": (1, (2, 3, 2), 3, 7, 1, 1),
    "9x9": (1, (2, 6, 11), 9, 9, 1, 1),
    "stride 2": (2, (4, 8, 6), 8, 3, 2, 1),
    "stride 2, odd sizes": (2, (2, 9, 7), 8, 5, 2, 1),
    "dilated": (2, (4, 9, 10), 8, 5, 1, 2),
    "stride 2, dilated": (2, (2, 9, 8), 4, 3, 2, 2),
    "one image": (1, (1, 9, 9), 20, 3, 1, 1),
    "four images at once": (2, (8, 5, 3), 2, 3, 1, 1),
    "many channels": (2, (2, 4, 4), 72, 3, 1, 1),
}


def tensors_of(backend, terms):
    return [backend.sum([term]) for term in terms]


def inputs_of_stage(kind, dtype):
    edges, image, channels, size, _, _ = STAGES[kind]
    filters = channels if size else channels + 7
    shapes = [(edges, *image, channels), (edges, channels, filters)]
    shapes += [(edges, filters)] * 2 + [(edges, channels)] * 2
    if size:
        shapes.append((edges, size, size, channels, 1))
    return [numbers(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]


def stage_by(backend, kind, form):
    """Returns a stage of a backend as a function of `inputs_of_stage`."""
    walk = STAGES[kind][4:]

    def stage(images, pointwise, scales, offsets, inner_scales, inner_offsets, *more):
        depthwise = more[0] if more else None
        inputs = tf.unstack(images)
        if form == "shared":
            inputs = inputs[:1]
        if form == "after a batch norm":
            inputs, _ = backend.normalize(inputs, inner_scales, inner_offsets)
        if form == "weighted":
            scales, offsets = scales[:, 0], None
        terms, statistics = backend.stage(
            inputs, depthwise, pointwise, scales, offsets, *walk
        )
        return [*tensors_of(backend, terms), tf.stop_gradient(statistics)]

    return stage


@all_backends
@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("form", ["shared", "own", "after a batch norm", "weighted"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_stage(backend, kind, form, dtype):
    inputs = inputs_of_stage(kind, dtype)
    exact = [tf.cast(x, tf.float64) for x in inputs]
    twice = dtype == "float64"
    found = differentiated(stage_by(backend(), kind, form), inputs, twice)
    expected = differentiated(stage_by(Reference(), kind, form), exact, twice)
    check(found, expected, 1e-9 if twice else TOLERANCES[backend])


@pytest.mark.parametrize("backend", [Reference, Synchronized])
@pytest.mark.parametrize("kind", ["several, no depthwise", "dilated", "stride 2"])
def test_plain_stages_in_float32(backend, kind):
    inputs = inputs_of_stage(kind, "float32")
    exact = [tf.cast(x, tf.float64) for x in inputs]
    found = differentiated(stage_by(backend(), kind, "own"), inputs, twice=True)
    expected = differentiated(stage_by(Reference(), kind, "own"), exact, twice=True)
    check(found, expected, 2e-4)


@all_backends
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("channels", [1, 3, 8, 36])
@pytest.mark.parametrize("plain", [False, True], ids=["affine", "plain"])
def test_a_batch_norm(backend, shared, channels, plain):
    images = numbers(3, 2, 5, 4, channels) * 2 + 1
    rows = [numbers(3, channels, seed=1), numbers(3, channels, seed=2)]
    inputs = [images[0] if shared else images, *([] if plain else rows)]

    def by(backend):
        def normalize(images, *rows):
            tensors = [images] if shared else tf.unstack(images)
            terms, statistics = backend.normalize(tensors, *rows)
            return [*tensors_of(backend, terms), tf.stop_gradient(statistics)]

        return normalize

    found = differentiated(by(backend()), inputs, twice=True)
    check(found, differentiated(by(Reference()), inputs, twice=True), 1e-10)


@all_backends
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_weights_of_edges(backend, shared):
    inputs = [numbers(*((2, 5, 4, 3) if shared else (3, 2, 5, 4, 3))), numbers(3)]

    def by(backend):
        def scale(images, weights):
            tensors = [images] if shared else tf.unstack(images)
            return tensors_of(backend, backend.scale(tensors, weights))

        return scale

    found = differentiated(by(backend()), inputs, twice=True)
    check(found, differentiated(by(Reference()), inputs, twice=True))


@all_backends
@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(
    "shape",
    [(2, 8, 6, 4), (3, 7, 5, 3), (1, 1, 1, 2), (2, 1, 6, 5), (2, 6, 1, 16)],
)
def test_a_pool(backend, kind, strides, shape):
    def by(backend):
        return lambda x: [backend.pool(x, kind, strides)]

    found = differentiated(by(backend()), [numbers(*shape)], twice=True)
    check(found, differentiated(by(Reference()), [numbers(*shape)], twice=True))


@all_backends
@pytest.mark.parametrize("channels", [3, 16, 20])
def test_a_node(backend, channels):
    images = numbers(4, 2, 5, 4, channels)
    inputs = [images, numbers(2, channels, seed=1), numbers(2, channels, seed=2)]

    def by(backend):
        def node(images, scales, offsets):
            first, second, third, fourth = tf.unstack(images)
            terms, _ = backend.normalize([first, second], scales, offsets)
            node = Node(num_edges=3, backend=backend)
            node.add([terms[1], fourth])
            node.add(backend.scale([third], scales[0, :1]))
            node.add([terms[0], terms[1]])
            return [node.value()]

        return node

    found = differentiated(by(backend()), inputs, twice=True)
    check(found, differentiated(by(Reference()), inputs, twice=True))


def test_xla_compiles_the_reference():
    inputs = inputs_of_stage("dilated", "float64")

    def function(*inputs):
        x = Reference().pool(inputs[0][0], "average", 2)
        results = stage_by(Reference(), "dilated", "own")(*inputs)
        return [x, *results]

    compiled = tf.function(
        lambda *inputs: differentiated(function, list(inputs)), jit_compile=True
    )
    check(compiled(*inputs), differentiated(function, inputs), 1e-9)


CELLS = {
    "normal": {},
    "reduction": {"reduction": True},
    "attention": {"attention": ("channel_attention", "spatial_attention")},
    "partial channels": {"partial_channels": 2},
}


@pytest.fixture(scope="module", params=CELLS)
def cell_and_inputs(request):
    options = CELLS[request.param]
    operations = resolve_operations("darts" if "attention" in options else "at_darts")
    cell = SearchCell(4, operations, num_nodes=2, dtype="float64", **options)
    states = [tf.constant(x) for x in random_images((2, 4, 9, 8, 4), "float64")]
    cell.build([x.shape for x in states])
    edges = len(cell_edges(2))
    alphas = CellAlphas(
        operations=numbers(edges, len(operations)),
        attention=numbers(edges, 3) if "attention" in options else None,
        edges=numbers(edges, 1) if "partial_channels" in options else None,
    )
    return cell, states, alphas


def gradients_of_cell(cell, states, alphas, kernels_learn=1.0):
    """Returns a cell's result, its gradients, and its moved statistics."""
    weights = [each.value for each in cell.trainable_variables]
    before = cell.get_weights()
    given = list(alphas.present().values())

    @tf.function(autograph=False)
    def differentiate():
        with tf.GradientTape() as tape:
            tape.watch([given, states])
            result = cell(
                states, weights=alphas, training=True, kernels_learn=kernels_learn
            )
            loss = tf.reduce_sum(tf.sin(result))
        sources = [*given, *states, *weights]
        return [result, *tape.gradient(loss, sources, unconnected_gradients="zero")]

    results = differentiate()
    statistics = [np.array(each) for each in cell.non_trainable_variables]
    cell.set_weights(before)
    return [*results, *statistics]


@pytest.fixture(scope="module")
def of_reference(cell_and_inputs):
    """Returns `gradients_of_cell` by the equations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_ATDARTS_BACKEND", "reference")
        return gradients_of_cell(*cell_and_inputs)


@pytest.mark.parametrize(
    "backend", [pytest.param("native", marks=[needs_library]), "joined"]
)
def test_a_cell(backend, cell_and_inputs, of_reference, monkeypatch):
    monkeypatch.setenv("KERAS_ATDARTS_BACKEND", backend)
    check(gradients_of_cell(*cell_and_inputs), of_reference, tolerance=1e-9)


@needs_library
def test_kernels_that_do_not_learn_change_nothing_else(cell_and_inputs):
    _, states, alphas = cell_and_inputs
    free, fixed = (gradients_of_cell(*cell_and_inputs, each) for each in (1.0, 0.0))
    others = 1 + len(alphas.present()) + len(states)
    check(fixed[:others], free[:others], tolerance=0)
    assert any(np.any(x) for x in free[others:])


def test_joined_edges_are_fewer_kernels():
    def count(backend):
        def function(*inputs):
            return stage_by(backend, "several, no depthwise", "own")(*inputs)

        inputs = inputs_of_stage("several, no depthwise", "float32")
        graph = tf.function(function).get_concrete_function(*inputs).graph
        return [each.type for each in graph.get_operations()]

    assert count(Reference()).count("MatMul") == 3
    assert count(Joined()).count("MatMul") == 1
