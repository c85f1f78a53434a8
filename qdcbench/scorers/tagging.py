"""What rows are about, as a judge says: free tags of a prompt, and its node in a given taxonomy."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qdcbench.api import Asker, Example
from qdcbench.errors import ConfigError

__all__ = ["Placement", "Tagging", "normal_tag", "place", "tag", "tagged"]

Tags = tuple[str, ...] | None

_SPLIT = re.compile(r"[,;\n|\[\]]+")
_LEAD = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")
_NAMED = re.compile(r"^\s*tags?\s*:\s*", re.IGNORECASE)
_NOT_PLURAL = ("ss", "us", "is", "ics", "news", "series", "species")
_LONGEST_TAG = 40
"""Characters of what may still be a tag; longer pieces are sentences of a judge that did not follow the question."""


def normal_tag(text: str) -> str:
    """Return a tag in its normal form: lower case, words of letters and digits, the last word in the singular.

    The plural rules are a few endings and exceptions, no lemmas; InsTag normalises further, from 8,541 tags to 6,587.
    """
    words = re.findall(r"[^\W_]+(?:[+#]+)?", text.lower())
    if words:
        words[-1] = _singular(words[-1])
    return " ".join(words)


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zzes")) else word[:-1]


def _read_tags(reply: str) -> Tags:
    """Return the tags of a reply in normal form, each once, in order; None where there is none."""
    pieces = (_NAMED.sub("", _LEAD.sub("", piece)) for piece in _SPLIT.split(reply))
    found = dict.fromkeys(normal_tag(piece) for piece in pieces if len(piece.strip()) <= _LONGEST_TAG)
    return tuple(name for name in found if name) or None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagging:
    """Tags of n rows in normal form, None for a row without a readable reply.

    ``universe`` is how many different tags there are, ``rare`` how many were dropped for being on too few rows.
    """

    column: tuple[Tags, ...]
    universe: int
    rare: int
    unread: int


def tagged(column: Sequence[Iterable[str] | None], min_count: int = 1) -> Tagging:
    """Normalise tags that somebody gave to n rows and drop those on fewer than ``min_count`` rows.

    InsTag drops tags on fewer than 20 rows of 306,044; a small pool needs fewer. A row may keep no tag.

    Raises:
        ConfigError: ``min_count`` is below 1.
    """
    if min_count < 1:
        raise ConfigError(f"tags must be on at least 1 row to be kept, not on {min_count}")
    normal = [None if tags is None else tuple(dict.fromkeys(filter(None, map(normal_tag, tags)))) for tags in column]
    counts = Counter(name for tags in normal if tags is not None for name in tags)
    kept = {name for name, count in counts.items() if count >= min_count}
    return Tagging(
        column=tuple(None if tags is None else tuple(name for name in tags if name in kept) for tags in normal),
        universe=len(kept),
        rare=len(counts) - len(kept),
        unread=normal.count(None),
    )


def tag(judge: Asker, rows: Sequence[Example], min_count: int = 1) -> Tagging:
    """Ask for the tags of each row's prompt.

    Raises:
        BudgetExhausted: the judge's budget has no room for all rows.
        ConfigError: ``min_count`` is below 1.
        PluginError: the judge is scripted: it gives no tags.
        TeacherError: the judge gave no usable answer after all retries.
    """
    materials = [{"question": "tags", "prompt": row.prompt} for row in rows]
    replies = judge.ask_many("classify", materials, template="tags", temperature=0.0, max_tokens=128)
    return tagged([_read_tags(reply) for reply in replies], min_count)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """The node ``a/b/c`` of n rows: as deep as the judge went, None for a row that belongs to no top node."""

    column: tuple[str | None, ...]
    unread: int


def place(judge: Asker, rows: Sequence[Example], taxonomy: Sequence[str]) -> Placement:
    """Place each row's prompt in a taxonomy of paths ``a/b/c``, level by level, without a word of where it was aimed.

    At each level the judge chooses among the children of the node it chose before, or none, where the row stays. A
    reply that names no choice leaves the row where it is and is counted.

    Raises:
        BudgetExhausted: the judge's budget has no room for all rows.
        ConfigError: the taxonomy is empty.
        PluginError: the judge is scripted: it knows no such question.
        TeacherError: the judge gave no usable answer after all retries.
    """
    children = _children(taxonomy)
    if not children:
        raise ConfigError("the taxonomy has no node to place rows in; give its nodes as paths such as a/b/c")
    nodes = [""] * len(rows)
    going, unread = list(range(len(rows))), 0
    while going:
        options = [children[nodes[row]] for row in going]
        materials = [
            {"question": "place", "prompt": rows[row].prompt, "topics": [path.rpartition("/")[2] for path in paths]}
            for row, paths in zip(going, options, strict=True)
        ]
        replies = judge.ask_many("classify", materials, template="place", temperature=0.0, max_tokens=32)
        moved = []
        for row, paths, reply in zip(going, options, replies, strict=True):
            choice = _choice(reply, paths)
            unread += choice is None
            if choice:
                nodes[row] = choice
                moved.append(row)
        going = [row for row in moved if nodes[row] in children]
    return Placement(column=tuple(node or None for node in nodes), unread=unread)


def _children(taxonomy: Sequence[str]) -> Mapping[str, list[str]]:
    """Return the paths below each node in sorted order; the empty path is above the top nodes."""
    found: dict[str, set[str]] = {}
    for node in taxonomy:
        parts = node.strip("/").split("/")
        for depth in range(len(parts) if parts[0] else 0):
            found.setdefault("/".join(parts[:depth]), set()).add("/".join(parts[: depth + 1]))
    return {parent: sorted(paths) for parent, paths in found.items()}


def _choice(reply: str, paths: Sequence[str]) -> str | None:
    """Return the chosen path, an empty text for none of them, None where the reply cannot be read."""
    number = re.search(r"\d+", reply)
    if number is not None:
        return ["", *paths][int(number[0])] if int(number[0]) <= len(paths) else None
    said = normal_tag(reply)
    named = [path for path in paths if normal_tag(path.rpartition("/")[2]) == said]
    return named[0] if len(named) == 1 else None
