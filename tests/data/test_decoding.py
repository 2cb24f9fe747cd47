import io

import numpy as np
import pytest
import tensorflow as tf
from sample_data import random_pixels
from sample_data import with_orientation

from keras_atdarts.data import decoding

RGB = (None, None, 3)
GREY = (None, None, 1)


def pillow():
    return pytest.importorskip(
        "PIL.Image", reason="Pillow is the second opinion: pip install pillow"
    )


def photograph(mode="RGB", height=61, width=83):
    """Returns a smooth image, as photographs are, in a mode of Pillow."""
    image = pillow().fromarray(random_pixels(7, 9, 3, seed=3))
    return image.resize((width, height), pillow().BICUBIC).convert(mode)


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def seen_by_pillow(content, mode):
    pixels = np.asarray(pillow().open(io.BytesIO(content)).convert(mode), int)
    return pixels if mode == "RGB" else pixels[..., np.newaxis]


JPEGS = {
    "colour": ("RGB", {"quality": 90}),
    "all colours stored": ("RGB", {"subsampling": 0}),
    "progressive": ("RGB", {"progressive": True, "quality": 60}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}
OTHERS = {
    "PNG": ("PNG", "RGB"),
    "grey PNG": ("PNG", "L"),
    "PNG with a palette": ("PNG", "P"),
    "black and white PNG": ("PNG", "1"),
    "WebP": ("WEBP", "RGB"),
    "GIF": ("GIF", "P"),
    "BMP": ("BMP", "RGB"),
}


def file_of(kind):
    if kind in JPEGS:
        mode, options = JPEGS[kind]
        return encoded(photograph(mode), "JPEG", **options)
    file_format, mode = OTHERS[kind]
    return encoded(photograph(mode), file_format)


@pytest.mark.parametrize("kind", [*JPEGS, *OTHERS])
@pytest.mark.parametrize("shape, mode", [(RGB, "RGB"), (GREY, "L")])
def test_pixels_are_those_of_pillow(kind, shape, mode):
    content = file_of(kind)
    received = decoding.decode(content, shape).numpy().astype(int)
    expected = seen_by_pillow(content, mode)
    assert received.shape == expected.shape
    assert np.abs(received - expected).max() <= 1


@pytest.mark.parametrize("kind", JPEGS)
def test_a_part_has_the_pixels_of_pillow_too(kind):
    content = file_of(kind)
    part = decoding.decode_part(content, 3, lambda size: tf.constant([8, 16, 40, 50]))
    expected = seen_by_pillow(content, "RGB")[8:48, 16:66]
    inside = np.abs(part.numpy().astype(int) - expected)[2:-2, 2:-2]
    assert inside.max() <= 1


def test_luminance_weighs_the_colours():
    primaries = np.uint8([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]])
    grey = decoding.decode(tf.io.encode_png(primaries), GREY).numpy()
    assert grey[0, :, 0].tolist() == [76, 150, 29, 255]


@pytest.mark.parametrize("stored, asked", [(1, 1), (2, 1), (3, 3), (4, 3), (4, 4)])
def test_channels_that_are_asked_for_are_kept(stored, asked):
    """Of grey and transparency, or RGB and transparency, the last is dropped."""
    pixels = random_pixels(5, 4, stored)
    decoded = decoding.decode(tf.io.encode_png(pixels), (5, 4, asked))
    np.testing.assert_array_equal(decoded, pixels[..., :asked])


@pytest.mark.parametrize("stored", [1, 2])
def test_grey_is_repeated(stored):
    pixels = random_pixels(5, 4, stored)
    decoded = decoding.decode(tf.io.encode_png(pixels), RGB)
    np.testing.assert_array_equal(decoded, np.repeat(pixels[..., :1], 3, axis=-1))


def test_transparent_colours_become_the_luminance_of_the_colours():
    pixels = random_pixels(5, 4, 4)
    grey = decoding.decode(tf.io.encode_png(pixels), GREY)
    opaque = decoding.decode(tf.io.encode_png(pixels[..., :3]), GREY)
    np.testing.assert_array_equal(grey, opaque)


@pytest.mark.parametrize("stored", [1, 3])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_within_a_pipeline(stored, orientation, channels):
    """Where the number of channels and the kind of file are not known beforehand."""
    jpeg = tf.io.encode_jpeg(random_pixels(12, 10, stored)).numpy()
    png = tf.io.encode_png(random_pixels(12, 10, stored)).numpy()
    contents = [with_orientation(jpeg, orientation), png]
    shape = (None, None, channels)
    dataset = tf.data.Dataset.from_tensor_slices(contents)
    decoded = dataset.map(lambda content: decoding.decode(content, shape))
    assert decoded.element_spec.shape.as_list() == [*shape]
    for content, image in zip(contents, decoded, strict=True):
        np.testing.assert_array_equal(image, decoding.decode(content, shape))


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "Input is empty"),
        (b"MM\0*, a TIFF", "Unknown image file format"),
        (b"\xff\xd8\xff", "Invalid JPEG data"),
        (tf.io.encode_png(random_pixels(30, 30, 3)).numpy()[:300], "Invalid PNG data"),
        (tf.io.encode_jpeg(random_pixels(30, 30, 3)).numpy()[:700], "Invalid JPEG"),
    ],
    ids=["empty", "other kind", "no JPEG", "half a PNG", "half a JPEG"],
)
@pytest.mark.parametrize("shape", [RGB, GREY])
def test_what_cannot_be_decoded_says_why(content, reason, shape):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        decoding.decode(tf.constant(content), shape)
    assert reason in decoding.error_reason(caught.value)
