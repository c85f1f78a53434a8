"""Diversity of what is asked for: the main verbs of the prompts and the nouns they act on."""

from collections import Counter

import numpy as np

from qdcbench.measures.rows import Rows, Unmeasurable

__all__ = ["top_verbs_share", "verb_noun_entropy"]

_TOP = 20


def _pairs(rows: Rows) -> list[str]:
    found = [pair for pair in rows.column("verb_noun") if pair is not None]
    if not found:
        raise Unmeasurable("no prompt has a main verb with an object")
    return found


def verb_noun_entropy(rows: Rows) -> float:
    """Return the Shannon entropy, in nats, of the (verb, noun) pairs of the prompts that have one.

    Raises:
        Unmeasurable: nobody parsed the prompts, or none has such a pair.
    """
    counts = np.asarray(sorted(Counter(_pairs(rows)).values()), dtype=np.float64)
    shares = counts / counts.sum()
    return max(0.0, -float(shares @ np.log(shares)))


def top_verbs_share(rows: Rows) -> float:
    """Return the share of those prompts whose verb is one of the 20 most frequent, in (0, 1]; high means concentrated.

    Raises:
        Unmeasurable: nobody parsed the prompts, or none has such a pair.
    """
    verbs = Counter(pair.split(" ", 1)[0] for pair in _pairs(rows))
    return sum(count for _, count in verbs.most_common(_TOP)) / verbs.total()
