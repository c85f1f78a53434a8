"""Whether a completion's final answer is the reference answer, and whether several completions of a prompt agree."""

import re
import string
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from qdcbench.errors import DataError

__all__ = ["Matches", "Rule", "gold_column", "majority_column", "marked_answer", "match", "matches", "normalised"]

Rule = Literal["exact", "numeric", "normalised"]
"""How an answer equals another: the same text, the same value, or the same text without case, articles and marks."""

_MARKS = (
    re.compile(r"####"),
    re.compile(r"\\boxed\s*(?=\{)|\\fbox\s*(?=\{)"),
    re.compile(r"\banswers?\b[*_`]*\s*(?:(?:is|are)\b(?!['’]|\s+not\b)|[:=])[*_`:]*", re.IGNORECASE),
)
"""What stands before a final answer, the surest mark first; of several marks of one kind the last counts."""

_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?<![\w.])(?<!\d:)(?>[-+]?[ ]?[$€£]?[ ]?[-+]?(?:\d+[ ](?=\d+/\d))?(?:{_UNSIGNED})(?:e[-+]?\d+)?"
    r"(?:/\d+(?![\d/.]))?[ ]?%?)(?!:\d)",
    re.IGNORECASE,
)
"""A number in a text; the two of a time or a ratio, 10:30, are none."""

_OR = re.compile(r"\bor\b\s*", re.IGNORECASE)
_WHOLE = re.compile(
    rf"(?P<sign>[-+]?)[ ]?[$€£]?[ ]?(?P<inner>[-+]?)(?:(?P<units>\d+)[ ](?=\d+/))?"
    rf"(?P<value>{_UNSIGNED})(?:e(?P<power>[-+]?\d{{1,3}}))?(?:/(?P<below>{_UNSIGNED}))?[ ]?(?P<percent>%?)",
    re.IGNORECASE,
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}")
_LATEX_NOISE = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\[!,;:()\[\]]|(?<=\d)\{,\}(?=\d)")
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_PLAIN = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "⁄": "/"})
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SIGNS = re.compile(r"[+*=<>^\\#%&|~@]|(?<![^\W\d_])[-/]|[-/](?![^\W\d_])|(?<=\d)[.,](?=\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

_LONGEST_NUMBER = 300
"""Characters of a text that may still be one number; a longer one is a text like any other."""

_CLOSE = Fraction(1, 10**6)
"""Relative difference of equal values unless both are whole numbers, as of 2/3 and 0.6666667 (assumed)."""


@dataclass(frozen=True, slots=True)
class _Value:
    number: Fraction
    percent: bool

    def equals(self, other: "_Value") -> bool:
        """Say whether both mean the same; a % that only one has is a unit or a hundredth."""
        if self.percent == other.percent:
            return _close(self.number, other.number)
        plain, share = (other.number, self.number) if self.percent else (self.number, other.number)
        return _close(plain, share) or _close(plain, share / 100)


def _close(first: Fraction, second: Fraction) -> bool:
    if first == second or (first.denominator == 1 and second.denominator == 1):
        return first == second
    return abs(first - second) <= _CLOSE * max(abs(first), abs(second))


def _cleaned(text: str) -> str:
    text = text.translate(_PLAIN)
    for sign, fraction in _VULGAR.items():
        if sign in text:
            text = re.sub(rf"(?<=\d)\s*{sign}", f" {fraction}", text).replace(sign, fraction)
    if "\\" in text or "{" in text:
        text = _LATEX_TEXT.sub(r"\1", _LATEX_FRACTION.sub(r"\1/\2", text))
        text = _LATEX_NOISE.sub("", text).replace("\\$", "$").replace("\\%", "%")
    return text


def _value(text: str) -> _Value | None:
    """Return the number that a cleaned text is, None where it is anything else."""
    bare = text.strip(" \t\r\n*_`'\"").removesuffix(".").strip()
    if len(bare) > 2 and bare[0] == bare[-1] == "$":
        bare = bare[1:-1].strip()
    found = _WHOLE.fullmatch(bare) if 0 < len(bare) <= _LONGEST_NUMBER else None
    if found is None or (found["sign"] and found["inner"]):
        return None
    below = Fraction((found["below"] or "1").replace(",", ""))
    if not below:
        return None
    size = Fraction(found["value"].replace(",", "")) * Fraction(10) ** int(found["power"] or 0) / below
    size += int(found["units"] or 0)
    negative = "-" in (found["sign"], found["inner"])
    return _Value(-size if negative else size, bool(found["percent"]))


def _braced(text: str) -> str:
    """Return what stands in the braces that a text opens with; all of it where they are never closed."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:place]
    return text[1:]


def marked_answer(text: str) -> str | None:
    r"""Return what a text itself marks as its answer, None where it marks nothing.

    The marks are ``#### 42``, ``\boxed{42}`` and "the answer is 42" (or "Answer: 42"), in this order; the last of
    the first kind that occurs counts. An answer ends with its line, in a box with the box.
    """
    for mark in _MARKS:
        ends = [found.end() for found in mark.finditer(text)]
        if ends:
            rest = text[ends[-1] :]
            answer = _braced(rest) if rest.startswith("{") and "box" in mark.pattern else _first_line(rest)
            return answer.strip(" \t\r*_`")
    return None


def _first_line(text: str) -> str:
    lines = text.lstrip().split("\n", 1)
    return lines[0].strip()


def _first_number(text: str) -> _Value | None:
    return next(filter(None, (_value(found[0]) for found in _NUMBER.finditer(text))), None)


def _last_number(text: str) -> _Value | None:
    # Only the last few are read as values: a text may hold hundreds of thousands.
    tail = deque((found[0] for found in _NUMBER.finditer(text)), maxlen=8)
    return next(filter(None, map(_value, reversed(tail))), None)


def _hedged(answer: str, number: _Value) -> bool:
    """Say whether a marked answer offers another number: "3 or 4"."""
    sentence = answer.split(". ", 1)[0]
    others = [_NUMBER.match(sentence, found.end()) for found in _OR.finditer(sentence)]
    values = [_value(other[0]) for other in others if other]
    return any(value is not None and not value.equals(number) for value in values)


def _said(completion: str) -> _Value | None:
    """Return the number a completion ends up with: in its marked answer, else the last one of all.

    None where the marked answer offers two.
    """
    marked = marked_answer(completion)
    if marked is not None:
        answer = _cleaned(marked)
        whole = _value(answer)
        within = whole or _first_number(answer.rpartition("=")[2])
        if within is not None:
            return None if _hedged(answer, within) else within
    return _last_number(_cleaned(completion))


def normalised(text: str) -> str:
    """Return a text as SQuAD's evaluation does: lower case, no ASCII punctuation, no articles, single spaces.

    A text of nothing else, such as the choice "A", keeps its letters.
    """
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split()) or " ".join(bare.split()) or " ".join(text.split())


def _alike(first: str, second: str) -> bool:
    """Say whether two texts have one normal form and, beyond that form, the same signs, so that x-1 is not x+1."""
    if normalised(first) != normalised(second):
        return False
    one, other = (_SIGNS.findall(_THOUSANDS.sub("", text.strip().rstrip("."))) for text in (first, second))
    return one == other


def match(completion: str, gold: str) -> Rule | None:
    """Return the rule by which a completion's final answer is the reference answer, None where it is not.

    The reference is a bare answer, or a whole solution that marks its own. A reference that is a number is met by
    value alone: thousands separators, currencies, fractions and % do not matter, a completion that marks no answer is
    taken at its last number, and one whose marked answer is "3 or 4" has none. Any other reference must be the whole
    completion, or its marked answer up to the end of the line or sentence.
    """
    said, marked = completion.strip(), marked_answer(gold)
    wanted = (gold if marked is None else marked).strip()
    if said in (gold.strip(), wanted):
        return "exact"
    answer = marked_answer(completion)
    number = _value(_cleaned(wanted))
    if number is not None:
        value = _said(completion)
        return "numeric" if value is not None and value.equals(number) else None
    candidates = [said] if answer is None else [answer, answer.split(". ", 1)[0], said]
    if wanted in candidates:
        return "exact"
    return "normalised" if any(_alike(_cleaned(text), _cleaned(wanted)) for text in candidates) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """The column ``gold`` of n rows, and how many rows each rule matched."""

    column: tuple[bool | None, ...]
    exact: int
    numeric: int
    normalised: int

    @property
    def sentence(self) -> str:
        """What to print beside the share."""
        known = sum(value is not None for value in self.column)
        return (
            f"{known} of {len(self.column)} rows have a reference answer; {self.exact} match it exactly, "
            f"{self.numeric} by value, {self.normalised} after normalising"
        )


def matches(completions: Sequence[str], golds: Sequence[str | None]) -> Matches:
    """Compare n completions with n reference answers, of which an absent or blank one is none.

    Raises:
        DataError: there are not as many references as completions.
    """
    if len(completions) != len(golds):
        raise DataError(f"there are {len(golds)} reference answers for {len(completions)} rows; give one for each row")
    column: list[bool | None] = []
    rules: Counter[str] = Counter()
    for completion, gold in zip(completions, golds, strict=True):
        rule = match(completion, gold) if gold and gold.strip() else None
        rules[rule or ""] += 1
        column.append(rule is not None if gold and gold.strip() else None)
    return Matches(column=tuple(column), exact=rules["exact"], numeric=rules["numeric"], normalised=rules["normalised"])


def gold_column(completions: Sequence[str], golds: Sequence[str | None]) -> tuple[bool | None, ...]:
    """Return for each completion whether its final answer is the reference answer, None where there is none."""
    return matches(completions, golds).column


def _vote(completion: str) -> str:
    """Return what equal answers have in common."""
    marked = marked_answer(completion)
    text = _cleaned(completion if marked is None else marked)
    value = _value(text)
    return normalised(text) if value is None else f"{value.number}{'%' * value.percent}"


def majority_column(prompts: Sequence[str], completions: Sequence[str]) -> tuple[bool | None, ...]:
    """Return for each row whether its answer is the most frequent one given to the same prompt.

    Answers are equal by value, else by normal form; an answer is what the completion marks as one, else all of it.
    Equal completions of a prompt that mark their answer vote once, since equal words before it make a copy and no
    second opinion; of bare answers, which are equal whenever they agree, each votes. None where a prompt has one vote
    only, and where two answers are equally frequent.

    Raises:
        DataError: there are not as many prompts as completions.
    """
    if len(prompts) != len(completions):
        raise DataError(f"there are {len(completions)} completions for {len(prompts)} prompts; give one for each")
    rows = list(zip(prompts, completions, strict=True))
    votes = {row: _vote(row[1]) for row in rows}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    times = Counter(rows)
    for row, vote in votes.items():
        counts[row[0]][vote] += 1 if marked_answer(row[1]) is not None else times[row]
    winners = {prompt: _winner(found) for prompt, found in counts.items()}
    return tuple(None if winners[row[0]] is None else winners[row[0]] == votes[row] for row in rows)


def _winner(counts: Counter[str]) -> str | None:
    first, *others = counts.most_common(2)
    alone = counts.total() == 1
    return None if alone or (others and others[0][1] == first[1]) else first[0]
