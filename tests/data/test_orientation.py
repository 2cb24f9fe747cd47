"""The eight ways to hold a camera, and what files say of them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from sample_data import segment
from sample_data import with_orientation

from keras_atdarts.data import decoding
from keras_atdarts.data import orientation as orientations

# An upright image of two rows and three columns, and how each orientation stores it:
# written down from the table of the standard, in which 1, for example, is "the 0th row
# at the visual top, the 0th column at the visual left-hand side".
SEEN = ("abc", "def")
STORED = {
    1: ("abc", "def"),
    2: ("cba", "fed"),
    3: ("fed", "cba"),
    4: ("def", "abc"),
    5: ("ad", "be", "cf"),
    6: ("cf", "be", "ad"),
    7: ("fc", "eb", "da"),
    8: ("da", "eb", "fc"),
}
ALL = pytest.mark.parametrize("orientation", STORED)


def pixels(rows, scale=1):
    """Returns an image of one grey level for each letter, `scale` pixels wide."""
    levels = [[20 * "abcdef".index(letter) for letter in row] for row in rows]
    return np.kron(levels, np.ones((scale, scale)))[..., np.newaxis].astype(np.uint8)


def jpeg(orientation, **options):
    """Returns a JPEG of `SEEN` in blocks of 16 pixels, which it keeps exactly."""
    stored = tf.io.encode_jpeg(pixels(STORED[orientation], 16), quality=100).numpy()
    return with_orientation(stored, orientation, **options)


@ALL
def test_upright(orientation):
    image = orientations.upright(pixels(STORED[orientation]), tf.constant(orientation))
    np.testing.assert_array_equal(image, pixels(SEEN))


@ALL
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_files_are_decoded_upright(orientation, byte_order):
    content = jpeg(orientation, byte_order=byte_order)
    decoded = decoding.decode(content, (None, None, 1))
    np.testing.assert_allclose(decoded, pixels(SEEN, 16), atol=1)


@ALL
def test_parts_are_those_of_the_upright_image(orientation):
    """One letter of the upright image, with its place in it."""
    sizes = []

    def box_of_f(size):
        sizes.append(size.numpy().tolist())
        return tf.constant([16, 32, 10, 12])

    part = decoding.decode_part(jpeg(orientation), 3, box_of_f)
    assert sizes == [[32, 48]]
    expected = np.full((10, 12, 3), pixels("f").item())
    np.testing.assert_allclose(part, expected, atol=1)


@ALL
def test_the_same_as_pillow(orientation):
    pillow = pytest.importorskip(
        "PIL.Image", reason="Pillow is the second opinion: pip install pillow"
    )
    from PIL import ImageOps

    noise = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    image = pillow.fromarray(noise).resize((33, 50), pillow.BICUBIC)
    exif = pillow.Exif()
    exif[orientations.ORIENTATION_TAG] = orientation
    content = io.BytesIO()
    image.save(content, "JPEG", exif=exif)
    expected = ImageOps.exif_transpose(pillow.open(content))
    received = decoding.decode(content.getvalue(), (None, None, 3))
    np.testing.assert_allclose(received, np.asarray(expected), atol=1)


def read(content):
    return orientations.read_orientation(tf.constant(content)).numpy()


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0Exif\0\0")
LONG = segment(0xE2, bytes(40000))


@pytest.mark.parametrize(
    "before",
    [JFIF, XMP, JFIF + XMP + LONG + LONG, b"\xff\xff\xff", segment(0xDB, bytes(65))],
    ids=["JFIF", "XMP", "longer than 64 KiB", "filled up", "a table"],
)
def test_exif_is_found_behind_other_segments(before):
    assert read(jpeg(6, before=before)) == 6


PLAIN = tf.io.encode_jpeg(pixels(SEEN, 16)).numpy()
WHOLE = with_orientation(PLAIN, 6)
EXIF = WHOLE.index(b"Exif")
# Two bytes are its number of entries, of which the second is the orientation.
DIRECTORY = EXIF + 6 + 8


def changed(start, replacement):
    return WHOLE[:start] + replacement + WHOLE[start + len(replacement) :]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        with_orientation(PLAIN, 0),
        with_orientation(PLAIN, 9),
        PLAIN + b"Exif\0\0",
        PLAIN + WHOLE[2:],
        changed(EXIF, b"Eqif"),
        changed(EXIF + 6, b"XX"),
        changed(EXIF + 10, b"\xff\xff\xff\xff"),
        changed(EXIF + 10, b"\x40\x00\x00\x00"),
        changed(DIRECTORY, b"\x01"),
        changed(EXIF - 2, b"\x00\x00"),
        changed(EXIF - 2, b"\x00\x10"),
        WHOLE[: DIRECTORY + 16],
        WHOLE[: EXIF + 8],
        b"\xff\xd8\xff",
        b"\xff\xd8" + JFIF[:-5],
        b"",
    ],
    ids=[
        "none",
        "number 0",
        "number 9",
        "name behind the image",
        "Exif behind the image",
        "no Exif",
        "unknown byte order",
        "directory far outside",
        "directory outside",
        "entry behind the directory",
        "empty segment",
        "short segment",
        "ends in an entry",
        "ends in the header",
        "ends in a marker",
        "ends in another segment",
        "empty file",
    ],
)
def test_files_that_do_not_say_are_upright(content):
    assert read(content) == 1


def test_a_damaged_directory_is_read_as_far_as_it_goes():
    assert read(changed(DIRECTORY, b"\xff\xff")) == 6
