"""Parse trees of the prompts by any spaCy pipeline: their height, and what verb acts on what noun."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qdcbench.errors import ConfigError

__all__ = ["Parses", "parses"]

_OBJECTS = frozenset({"dobj", "obj"})
"""Labels of a direct object: spaCy's English scheme, Universal Dependencies."""

_NOUNS = frozenset({"NOUN", "PROPN", ""})
_VERBS = frozenset({"VERB", ""})
"""Parts of speech; "" where the pipeline names none, and then the labels of the tree decide alone."""

_READ = 10_000
"""Characters of a text that are parsed; a pipeline takes about a gigabyte for a million."""

_NOT_NEEDED = ("ner", "entity_linker", "textcat", "textcat_multilabel")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parses:
    """Columns of `qdcbench.measures.known.Known`, a value for each of n texts."""

    parse_depth: tuple[float | None, ...]
    """Words on the longest way from a root to a leaf, of the deepest sentence; None for a text without words."""
    verb_noun: tuple[str | None, ...]
    """Lemmas of a sentence's root verb and of its direct object, of the first sentence that has both."""
    cut: int
    """How many texts were longer than the 10,000 characters that are parsed."""


def parses(texts: Sequence[str], pipeline: str) -> Parses:
    """Parse n texts.

    Equal texts are parsed once. A value depends on the pipeline, so compare only those of one.

    Args:
        texts: n texts, as a rule prompts.
        pipeline: name of an installed spaCy pipeline, such as ``en_core_web_sm``, or the folder of one.

    Raises:
        ConfigError: spaCy or the pipeline is not there, or the pipeline does not parse.
    """
    read = _pipeline(pipeline)
    # Half a surrogate pair, which broken data may hold, is no text to spaCy.
    known = {text: text[:_READ].encode("utf-8", "replace").decode() for text in dict.fromkeys(texts)}
    found = {text: (_depth(doc), _pair(doc)) for text, doc in zip(known, read.pipe(known.values()), strict=True)}
    return Parses(
        parse_depth=tuple(found[text][0] for text in texts),
        verb_noun=tuple(found[text][1] for text in texts),
        cut=sum(len(text) > _READ for text in texts),
    )


def _pipeline(name: str) -> Any:
    try:
        spacy = importlib.import_module("spacy")
    except ImportError:
        raise ConfigError("parsing needs spaCy, which is not installed; run: pip install 'qdcbench[syntax]'") from None
    try:
        read = spacy.load(name, exclude=_NOT_NEEDED)
    except OSError:
        raise ConfigError(f"there is no spaCy pipeline {name!r}; install one or name the folder of one") from None
    if not read("a word").has_annotation("DEP"):
        raise ConfigError(f"the spaCy pipeline {name!r} has no parser; take one that has, such as en_core_web_sm")
    return read


def _depth(doc: Any) -> float | None:
    """Return the height of the tallest tree, without marks and spaces."""
    depths: dict[int, int] = {}
    for token in doc:
        way, known = [], token
        while known.i not in depths and known.head.i != known.i:
            way.append(known.i)
            known = known.head
        depth = depths.setdefault(known.i, 1)
        for place in reversed(way):
            depth += 1
            depths[place] = depth
    words = [depths[token.i] for token in doc if not (token.is_punct or token.is_space)]
    return float(max(words)) if words else None


def _pair(doc: Any) -> str | None:
    for sentence in doc.sents:
        root = sentence.root
        if root.pos_ not in _VERBS:
            continue
        for child in root.children:
            if child.dep_ in _OBJECTS and child.pos_ in _NOUNS:
                return f"{_lemma(root)} {_lemma(child)}"
    return None


def _lemma(token: Any) -> str:
    lemma: str = token.lemma_ or token.text
    return lemma.lower()
