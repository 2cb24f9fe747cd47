"""HTML and SVG made of nested calls, in which all text is escaped."""

import html

VOID = ("img", "br")  # Elements without an end.


class Markup(str):
    """Text that is HTML already and is not escaped again."""


def tag(name, *children, **attributes):
    """Returns an element.

    Args:
        name: String, e.g. `"td"`.
        *children: What it contains: `Markup` as it is, lists of children, and
            anything else as escaped text. None is left out.
        **attributes: Underscores become hyphens, one at the end is dropped
            (`class_`), floats are rounded to what a picture needs, and None is
            left out.

    Example:

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            key = key.rstrip("_").replace("_", "-")
            words.append(f'{key}="{html.escape(attribute_text(value))}"')
    start = f"<{' '.join(words)}>"
    if name in VOID:
        return Markup(start)
    return Markup(f"{start}{join(children)}</{name}>")


def join(children):
    """Returns children, see `tag`, one after another."""
    return Markup("".join(map(escape, children)))


def escape(child):
    """Returns one child as `Markup`."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, (list, tuple)):
        return join(child)
    return Markup(html.escape(str(child)))


def attribute_text(value):
    """Returns the value of an attribute as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(header, rows, **attributes):
    """Returns a table that scrolls by itself where it is too wide.

    Args:
        header: List of the names of the columns, or None.
        rows: List of lists of cells. The first of each row heads it.
        **attributes: Of the table.
    """
    head = header and tag(
        "thead", tag("tr", [tag("th", name, scope="col") for name in header])
    )
    body = [
        tag(
            "tr",
            tag("th", first, scope="row"),
            [tag("td", cell) for cell in others],
        )
        for first, *others in rows
    ]
    return tag(
        "div", tag("table", head, tag("tbody", body), **attributes), class_="scroll"
    )
