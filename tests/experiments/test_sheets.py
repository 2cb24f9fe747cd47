"""Contact sheets: colours, sizes, and what stands where."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.experiments.explanations import sheets
from keras_atdarts.experiments.explanations.looks import GRAD_CAM
from keras_atdarts.experiments.explanations.looks import OCCLUSION
from keras_atdarts.experiments.explanations.looks import SPATIAL_GATE
from keras_atdarts.experiments.explanations.looks import Look
from keras_atdarts.experiments.explanations.looks import looks_of_network
from keras_atdarts.experiments.explanations.looks import shown_look
from keras_atdarts.experiments.explanations.looks import write_sheets


def test_colours_become_lighter():
    values = np.linspace(0, 1, 50)
    light = sheets.colours(values) @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(light) > 0)
    assert sheets.colours(0).tolist() == [68, 1, 84]
    assert sheets.colours([1, 1.5]).tolist() == [[253, 231, 37]] * 2
    assert sheets.colours(np.nan).tolist() == [255] * 3


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (7, 5), (300, 200)])
def test_maps_are_upsampled_to_any_size(size):
    values = np.random.default_rng(0).uniform(size=size)
    enlarged = sheets.upsampled(values, (24, 40))
    assert enlarged.shape == (24, 40)
    assert values.min() <= enlarged.min() and enlarged.max() <= values.max() + 1e-6


def test_upsampling_keeps_the_middle_of_pixels():
    enlarged = sheets.upsampled([[0.0, 1.0]], (3, 6))
    np.testing.assert_allclose(enlarged[1], [0, 0, 1 / 3, 2 / 3, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    "size, shown",
    [((28, 28), (112, 112)), ((32, 20), (96, 60)), ((224, 448), (56, 112))],
)
def test_pictures_have_about_one_size(size, shown):
    image = np.full((*size, 1), 90, np.uint8)
    picture = sheets.picture(image)
    assert picture.shape == (*shown, 3) and np.all(picture == 90)
    assert sheets.overlay(picture, np.zeros((2, 2))).shape == picture.shape


def test_values_without_difference_are_not_spread():
    shown, low, high = sheets.on_scale(np.array([0.5, 0.501]))
    assert high - low == pytest.approx(sheets.SMALLEST_SPAN)
    np.testing.assert_allclose(shown, [0.49, 0.51], atol=1e-6)
    shown, low, high = sheets.on_scale(np.array([0.2, np.nan, 0.8]))
    assert (low, high) == (0.2, 0.8) and np.isnan(shown[1])


def test_scales():
    gate = Look("g", SPATIAL_GATE, [np.full((2, 2), 0.2), np.full((2, 2), 0.6)])
    shown = shown_look(gate)
    assert (shown.low, shown.high) == (0.2, 0.6)
    assert [values[0, 0] for values in shown.maps] == [0, 1]
    for kind, expected in ((GRAD_CAM, [1, 0, 1]), (OCCLUSION, [0.2, 0, 1])):
        maps = [np.array([[-1.0, 0.01]]), np.zeros((1, 2)), np.array([[0.1, 0.4]])]
        shown = shown_look(Look("l", kind, maps))
        assert shown.low is None
        assert [values.max() for values in shown.maps] == pytest.approx(expected)
        assert shown.maps[0].min() == 0


def test_cells_without_a_spatial_gate_get_grad_cam():
    class Gate:
        def __init__(self, cell, name):
            self.cell, self.name = cell, name

    gates = [Gate(0, "a"), Gate(1, "b"), Gate(1, "c")]
    tensors = [np.ones((2, 1, 1, 5)), np.ones((2, 4, 4, 1)), np.ones((2, 4, 4, 1))]
    activations = [np.zeros((2, 8, 8)), np.zeros((2, 4, 4)), np.zeros((2, 2, 2))]
    looks = looks_of_network(gates, tensors, activations)
    assert [(look.title, look.kind) for look in looks] == [
        ("cell_0", GRAD_CAM),
        ("b", SPATIAL_GATE),
        ("c", SPATIAL_GATE),
        ("cell_2", GRAD_CAM),
    ]
    assert [len(look.maps) for look in looks] == [2] * 4


def test_many_columns_are_several_sheets_that_begin_with_the_image(tmp_path):
    images = [np.full((16, 8, 3), level, np.uint8) for level in (10, 250)]
    maps = [np.zeros((2, 2)), np.ones((2, 2))]
    looks = [Look(str(number), SPATIAL_GATE, maps) for number in range(10)]
    written = write_sheets(tmp_path, images, looks, first_image=12)
    assert [len(sheet["columns"]) for sheet in written] == [8, 2]
    assert written[1]["images"] == [12, 13]
    for sheet in written:
        pixels = tf.io.decode_png((tmp_path / sheet["file"]).read_bytes()).numpy()
        height, width = 112 + sheets.GAP, 56 + sheets.GAP
        columns = len(sheet["columns"]) + 1
        assert pixels.shape == (2 * height, columns * width, 3)
        assert np.all(pixels[height // 2, width // 2] == 10)
        assert np.all(pixels[height + height // 2, width // 2] == 250)
        # The first map is low, the second high.
        dark, bright = (pixels[row * height + 60, width + 30] for row in (0, 1))
        assert dark.sum() < bright.sum()
