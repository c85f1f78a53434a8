"""HTML from Python: every text is escaped, only what this module made is not."""

import html
from collections.abc import Iterable

__all__ = ["Html", "join", "tag"]


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
"""What may stand inside an element: text, HTML, several of them, nothing."""


def join(*children: Child) -> Html:
    """Return children one after the other; plain text is escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(html.escape(child))
        elif child is not None:
            parts.append(join(*child))
    return Html("".join(parts))


def tag(name: str, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """Return an element. ``class_`` is written class, other underscores hyphens; None and False are left out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{written}>{join(*children)}</{name}>")
