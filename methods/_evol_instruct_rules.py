"""The four rules by which Evol-Instruct eliminates a rewriting."""

import re

from ._replies import says_yes

__all__ = ["eliminated"]

_SCAFFOLD = re.compile(r"\b(given|rewritten|created)[ _]prompt\b|the new task:", re.IGNORECASE)
"""Words of the paper's prompts, and of our own."""
_SHORT = 80
"""Words below which an answer with a sorry in it is taken for a refusal."""
_STOPWORDS = frozenset(
    "a an and are as at be but by do for from have he here i if in is it me my no not of on or she so some such than "
    "that the their them then there these they this to us was we were what which who will with you your".split()
)


def eliminated(prompt: str, completion: str, equal: str) -> str:
    """Return the first rule that a rewriting fails by, or an empty text.

    ``equal`` is the reply to the question whether it is the same task as before; ``completion`` is its answer.
    """
    if says_yes(equal):
        return "no information gain"
    if "sorry" in completion.lower() and len(completion.split()) < _SHORT:
        return "answer says sorry"
    if all(word in _STOPWORDS for word in re.findall(r"\w+", completion.lower())):
        return "answer has no content"
    return "shows scaffold words" if _SCAFFOLD.search(prompt) else ""
