"""Occlusion: what is hidden, and what of an answer it costs."""

import numpy as np
import pytest

from keras_atdarts.experiments.explanations.occlusion import occlusion_map
from keras_atdarts.experiments.explanations.occlusion import patch_places

ROW, COLUMN = 2, 13


def predict(images):
    """The probability of class 1 is the brightness of one pixel."""
    bright = images[:, ROW, COLUMN, 0] / 255
    return np.stack([1 - bright, bright], axis=-1)


def test_the_pixel_that_decides_is_found():
    image = np.zeros((12, 16, 1), np.uint8)
    image[ROW, COLUMN] = 255
    probabilities, values = occlusion_map(predict, image)
    assert list(probabilities) == [0, 1]
    hidden = round(255 / (12 * 16)) / 255  # The pixel has the mean colour then.
    assert values[ROW, COLUMN] == pytest.approx(1 - hidden)
    assert values.max() == values[ROW, COLUMN]
    # What no patch hides together with the pixel, a patch being of three, is no loss.
    assert np.all(values[:, : COLUMN - 2] == 0) and np.all(values[ROW + 3 :] == 0)
    assert 0 < values[ROW, COLUMN - 1] <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 20), (7, 9), (28, 28)])
def test_patches_cover_the_image(size):
    times = np.zeros(size)
    for place in patch_places(size):
        times[place] += 1
    assert times.min() > 0
    assert len({times[place].shape for place in patch_places(size)}) == 1
