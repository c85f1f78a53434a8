"""A server's own words in a sentence of ours: one line, not too long, without a key or a password."""

import json
import re
from collections.abc import Mapping

__all__ = ["quoted", "words_of"]

LONGEST_QUOTE = 300
"""Characters of a server's own words in an error sentence."""

_LOGIN = re.compile(r"//[^/@\s]*@")


def quoted(words: str, key: str) -> str:
    """Return foreign words in one line, not too long, without the key and without passwords in addresses."""
    words = words.replace(key, "[key]") if key else words
    line = " ".join(_LOGIN.sub("//", words).split())
    return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + "..."


def words_of(content: bytes, key: str) -> str:
    """Return what a server says in an error body, empty where it says nothing in words."""
    try:
        body = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return quoted(content.decode("utf-8", "replace"), key)
    for name in ("error", "detail", "message"):
        if isinstance(body, Mapping) and body.get(name):
            body = body[name]
    return quoted(body, key) if isinstance(body, str) else ""
