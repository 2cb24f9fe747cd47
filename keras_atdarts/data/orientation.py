"""How a camera was held: what a JPEG says of it, and images turned upright.

A telephone stores the pixels as its sensor lies, and in the metadata how to turn
them. All of this is TensorFlow operations, so that it also runs inside a
`tf.data.Dataset` and a SavedModel.

Reference:
    [Exif 2.32](https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf),
    sections 4.5 (TIFF and its directories), 4.6.4 (tag 274) and 4.7.2 (the place of
    Exif in a JPEG)
"""

import tensorflow as tf

# The numbers of Exif, 1 to 8: which way rows and columns are stored.
UPRIGHT, LAST = 1, 8
ROWS_RUN_BACK = (3, 4, 6, 7)
COLUMNS_RUN_BACK = (2, 3, 7, 8)
ROWS_ARE_COLUMNS = (5, 6, 7, 8)

# The segments of a JPEG begin with a marker and their length, of two bytes each.
FIRST_MARKER = 0xFF00
EXIF_MARKER = 0xFFE1
START_OF_SCAN = 0xFFDA
FILLER = 0xFFFF
EXIF_NAME = b"Exif\0\0"
NAME_ANYWHERE = rb"\C*Exif\x00\x00\C*"  # \C is any byte.
# Behind the name comes TIFF: a header with the byte order and the offset of the first
# directory, which is a list of entries of 12 bytes.
TIFF_HEADER = 8
ENTRY = 12
ORIENTATION_TAG = 274

SMALL = 2**16  # Bytes of a file.


# Traced once, for all pipelines that decode images.
@tf.function(autograph=False, input_signature=[tf.TensorSpec((), tf.string)])
def read_orientation(content):
    """Returns which way a JPEG stores its rows and columns, by its Exif metadata.

    Args:
        content: Scalar string tensor, the bytes of a JPEG file.

    Returns:
        Scalar `int32` tensor from 1 to 8; 1 where the file does not say.
    """
    # To walk the segments of a small image takes longer than to decode it.
    beginning = tf.strings.substr(content, 0, SMALL)
    may_have_exif = (tf.strings.length(content) > SMALL) | tf.strings.regex_full_match(
        beginning, NAME_ANYWHERE
    )
    return tf.cond(
        may_have_exif,
        lambda: orientation_in_tiff(find_exif(content)),
        lambda: tf.constant(UPRIGHT),
    )


def find_exif(content):
    """Returns the Exif metadata of a JPEG, a string tensor: empty if it has none."""
    size = tf.strings.length(content)

    def part(position, length):
        """Returns at most so many bytes, as many as there are."""
        return tf.strings.substr(content, tf.minimum(position, size), length)

    def head(position):
        """Returns marker and length of a segment; zeros behind the end of the file."""
        octets = part(position, 4)
        words = tf.io.decode_raw(octets, tf.uint16, little_endian=False, fixed_length=4)
        return tf.unstack(tf.cast(words, tf.int32), 2)

    def goes_on(position, marker, _):
        name = part(position + 4, len(EXIF_NAME))
        is_exif = (marker == EXIF_MARKER) & (name == EXIF_NAME)
        return (marker >= FIRST_MARKER) & (marker != START_OF_SCAN) & ~is_exif

    def step(position, marker, length):
        position += tf.where(marker == FILLER, 1, 2 + length)
        return position, *head(position)

    start = tf.constant(2)  # Behind the first marker of all, which has no length.
    position, marker, length = tf.while_loop(goes_on, step, (start, *head(start)))
    start = position + 4 + len(EXIF_NAME)
    end = position + 2 + length
    end = tf.where(marker == EXIF_MARKER, end, start)
    return part(start, tf.maximum(end - start, 0))


def orientation_in_tiff(exif):
    """Returns the orientation in the first directory of Exif metadata.

    Args:
        exif: Scalar string tensor, from `find_exif`.

    Returns:
        As `read_orientation`.
    """
    # A header is there, if need be of zeros, which are no TIFF.
    tiff = exif + bytes(TIFF_HEADER)
    order = tf.strings.substr(tiff, 0, 4)
    big_endian, little_endian = order == b"MM\0*", order == b"II*\0"
    octets = tf.cast(tf.io.decode_raw(tiff, tf.uint8), tf.int64)

    def number(digits, count):
        """Joins `count` bytes along the last axis."""
        digits = tf.where(big_endian, digits, tf.reverse(digits, [-1]))
        powers = [256**power for power in reversed(range(count))]
        return tf.reduce_sum(digits * tf.constant(powers, tf.int64), axis=-1)

    start = tf.minimum(number(octets[4:8], 4), tf.size(octets, tf.int64) - 2)
    entries = octets[start + 2 :]
    count = number(octets[start : start + 2], 2)
    count = tf.minimum(count, tf.size(entries, tf.int64) // ENTRY)
    entries = tf.reshape(entries[: count * ENTRY], [-1, ENTRY])
    tags, values = number(entries[:, :2], 2), number(entries[:, 8:10], 2)
    found = tf.concat([values[tags == ORIENTATION_TAG], [UPRIGHT]], axis=0)[0]
    is_known = (big_endian | little_endian) & (found >= UPRIGHT) & (found <= LAST)
    return tf.where(is_known, tf.cast(found, tf.int32), UPRIGHT)


def upright(image, orientation):
    """Returns a stored image as it was seen.

    Args:
        image: Tensor of shape `(height, width, channels)`.
        orientation: Scalar `int32` tensor, from `read_orientation`.

    Returns:
        A tensor of the same type, of that shape or of `(width, height, channels)`.
    """

    def turned():
        run_back = tf.stack([*_run_back(orientation), False])
        forwards = tf.raw_ops.Reverse(tensor=image, dims=run_back)
        axes = tf.where(_rows_are_columns(orientation), [1, 0, 2], [0, 1, 2])
        return tf.transpose(forwards, axes)

    # Most images need nothing, which is faster than to turn them by nothing.
    return tf.cond(tf.equal(orientation, UPRIGHT), lambda: image, turned)


def upright_size(size, orientation):
    """Returns height and width of the upright image, from those of the stored one."""
    return tf.where(_rows_are_columns(orientation), size[::-1], size)


def stored_box(box, size, orientation):
    """Returns where a part of the upright image lies in the stored one.

    Args:
        box: Integer tensor of shape `(4,)`: top, left, height and width of the part.
        size: Integer tensor of shape `(2,)`: height and width of the stored image.
        orientation: As in `upright`.

    Returns:
        A tensor like `box`. What is stored there, made `upright`, is the part.
    """
    place = upright_size(box[:2], orientation)
    part = upright_size(box[2:], orientation)
    place = tf.where(_run_back(orientation), size - part - place, place)
    return tf.concat([place, part], axis=0)


def _run_back(orientation):
    axes = ROWS_RUN_BACK, COLUMNS_RUN_BACK
    return [_is_among(orientation, numbers) for numbers in axes]


def _rows_are_columns(orientation):
    return _is_among(orientation, ROWS_ARE_COLUMNS)


def _is_among(orientation, numbers):
    return tf.reduce_any(orientation == tf.constant(numbers))
