"""Which files of a folder are images, and what is left out."""

import collections

from keras_atdarts.data.decoding import IMAGE_SUFFIXES

READABLE = f"{', '.join(IMAGE_SUFFIXES)} files"


def list_images(folder):
    """Finds the images that lie in a folder itself.

    Args:
        folder: `pathlib.Path` of a folder.

    Returns:
        The paths of its images, sorted, and a `collections.Counter` of what else it
        has, by kind: the end of a file's name, or `"folder"`. Names that begin with
        a dot are hidden, and not counted.
    """
    paths, left_out = [], collections.Counter()
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            continue
        if path.is_dir():
            left_out["folder"] += 1
        elif suffix in IMAGE_SUFFIXES:
            paths.append(path)
        else:
            left_out[f"{suffix} file" if suffix else "file without an ending"] += 1
    return paths, left_out


def describe_left_out(left_out):
    """Returns words for what `list_images` left out, the most frequent kind first.

    Example:

    >>> describe_left_out(collections.Counter({".heic file": 12, "folder": 1}))
    '12 .heic files, 1 folder'
    """
    return ", ".join(
        f"{count} {kind if count == 1 else _plural(kind)}"
        for kind, count in left_out.most_common()
    )


def _plural(kind):
    noun = "folder" if kind == "folder" else "file"
    return kind.replace(noun, f"{noun}s")
