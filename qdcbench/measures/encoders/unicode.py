"""Texts that tokenisers accept: they refuse a half of a surrogate pair, which JSON may hold."""

from collections.abc import Sequence

__all__ = ["well_formed"]


def _mended(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def well_formed(texts: Sequence[str]) -> list[str]:
    """Return the texts with U+FFFD in the place of each half of a surrogate pair that stands alone."""
    return [_mended(text) for text in texts]
