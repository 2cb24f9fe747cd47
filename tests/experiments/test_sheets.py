"""Contact sheets: colours, sizes, and what stands where."""

import numpy as np
import pytest
import tensorflow as tf

from keras_atdarts.experiments.explanations import pictures
from keras_atdarts.experiments.explanations.contact_sheets import GRAD_CAM
from keras_atdarts.experiments.explanations.contact_sheets import OCCLUSION
from keras_atdarts.experiments.explanations.contact_sheets import SPATIAL_GATE
from keras_atdarts.experiments.explanations.contact_sheets import Column
from keras_atdarts.experiments.explanations.contact_sheets import columns_of_network
from keras_atdarts.experiments.explanations.contact_sheets import scaled_maps
from keras_atdarts.experiments.explanations.contact_sheets import write_sheets


def test_colours_become_lighter():
    values = np.linspace(0, 1, 50)
    light = pictures.colours(values) @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(light) > 0)
    assert pictures.colours(0).tolist() == [68, 1, 84]
    assert pictures.colours([1, 1.5]).tolist() == [[253, 231, 37]] * 2
    assert pictures.colours(np.nan).tolist() == [255] * 3


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (7, 5), (300, 200)])
def test_maps_are_upsampled_to_any_size(size):
    values = np.random.default_rng(0).uniform(size=size)
    enlarged = pictures.upsampled(values, (24, 40))
    assert enlarged.shape == (24, 40)
    assert values.min() <= enlarged.min() and enlarged.max() <= values.max() + 1e-6


def test_upsampling_keeps_the_middle_of_pixels():
    enlarged = pictures.upsampled([[0.0, 1.0]], (3, 6))
    np.testing.assert_allclose(enlarged[1], [0, 0, 1 / 3, 2 / 3, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    "size, shown",
    [((28, 28), (112, 112)), ((32, 20), (96, 60)), ((224, 448), (56, 112))],
)
def test_pictures_have_about_one_size(size, shown):
    image = np.full((*size, 1), 90, np.uint8)
    picture = pictures.picture(image)
    assert picture.shape == (*shown, 3) and np.all(picture == 90)
    assert pictures.overlay(picture, np.zeros((2, 2))).shape == picture.shape


def test_values_without_difference_are_not_spread():
    shown, low, high = pictures.on_scale(np.array([0.5, 0.501]))
    assert high - low == pytest.approx(pictures.SMALLEST_SPAN)
    np.testing.assert_allclose(shown, [0.49, 0.51], atol=1e-6)
    shown, low, high = pictures.on_scale(np.array([0.2, np.nan, 0.8]))
    assert (low, high) == (0.2, 0.8) and np.isnan(shown[1])


def test_scales():
    gate = Column("g", SPATIAL_GATE, [np.full((2, 2), 0.2), np.full((2, 2), 0.6)])
    shown, *scale = scaled_maps(gate)
    assert scale == [0.2, 0.6]
    assert [values[0, 0] for values in shown] == [0, 1]
    for kind, expected in ((GRAD_CAM, [1, 0, 1]), (OCCLUSION, [0.2, 0, 1])):
        maps = [np.array([[-1.0, 0.01]]), np.zeros((1, 2)), np.array([[0.1, 0.4]])]
        shown, *scale = scaled_maps(Column("l", kind, maps))
        assert scale == [None, None]
        assert [values.max() for values in shown] == pytest.approx(expected)
        assert shown[0].min() == 0


def test_cells_without_a_spatial_gate_get_grad_cam():
    class Gate:
        def __init__(self, cell, name):
            self.cell, self.name = cell, name

    gates = [Gate(0, "a"), Gate(1, "b"), Gate(1, "c")]
    tensors = [np.ones((2, 1, 1, 5)), np.ones((2, 4, 4, 1)), np.ones((2, 4, 4, 1))]
    activations = [np.zeros((2, 8, 8)), np.zeros((2, 4, 4)), np.zeros((2, 2, 2))]
    columns = columns_of_network(gates, tensors, activations)
    assert [(column.title, column.kind) for column in columns] == [
        ("cell_0", GRAD_CAM),
        ("b", SPATIAL_GATE),
        ("c", SPATIAL_GATE),
        ("cell_2", GRAD_CAM),
    ]
    assert [len(column.maps) for column in columns] == [2] * 4


def test_many_columns_are_several_sheets_that_begin_with_the_image(tmp_path):
    images = [np.full((16, 8, 3), level, np.uint8) for level in (10, 250)]
    maps = [np.zeros((2, 2)), np.ones((2, 2))]
    columns = [Column(str(number), SPATIAL_GATE, maps) for number in range(10)]
    written = write_sheets(tmp_path, images, columns, first_image=12)
    assert [len(sheet["columns"]) for sheet in written] == [8, 2]
    assert written[1]["images"] == [12, 13]
    for sheet in written:
        pixels = tf.io.decode_png((tmp_path / sheet["file"]).read_bytes()).numpy()
        height, width = 112 + pictures.GAP, 56 + pictures.GAP
        num_columns = len(sheet["columns"]) + 1
        assert pixels.shape == (2 * height, num_columns * width, 3)
        assert np.all(pixels[height // 2, width // 2] == 10)
        assert np.all(pixels[height + height // 2, width // 2] == 250)
        # The first map is low, the second high.
        dark, bright = (pixels[row * height + 60, width + 30] for row in (0, 1))
        assert dark.sum() < bright.sum()
