"""HTML and SVG made of nested calls, in which all text is escaped."""

import html

VOID = ("img", "br")  # Elements without an end.


class Markup(str):
    """Text that is HTML already and is not escaped again."""


def tag(name, *children, **attributes):
    """Returns an element.

    Args:
        name: String, e.g. `"td"`.
        *children: What it contains. `Markup` stays as it is, None is left out, a
            list holds more children, and all else becomes escaped text.
        **attributes: Underscores become hyphens, and one at the end is dropped
            (`class_`). Floats are rounded to four digits. None is left out.

    Example:

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            key = key.rstrip("_").replace("_", "-")
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            words.append(f'{key}="{html.escape(text)}"')
    start = f"<{' '.join(words)}>"
    if name in VOID:
        return Markup(start)
    return Markup(f"{start}{join(children)}</{name}>")


def join(children):
    """Returns children, see `tag`, one after another."""
    return Markup("".join(map(as_markup, children)))


def as_markup(child):
    """Returns one child as `Markup`."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, (list, tuple)):
        return join(child)
    return Markup(html.escape(str(child)))


def table(header, rows, **attributes):
    """Returns a table that scrolls by itself where it is too wide.

    Args:
        header: List of the names of the columns, or None.
        rows: List of lists of cells. The first cell names its row.
        **attributes: Of the table.
    """
    names = [tag("th", name, scope="col") for name in header or ()]
    head = tag("thead", tag("tr", names)) if names else None
    body = [
        tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in others])
        for first, *others in rows
    ]
    whole = tag("table", head, tag("tbody", body), **attributes)
    return tag("div", whole, class_="scroll")
