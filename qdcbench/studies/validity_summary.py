"""The validity study in words and small tables, all of it made from the study's record: nothing here is typed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from qdcbench.measures.behaviour import Behaviour, DialTruth, Response, Study
from qdcbench.studies.dials import AXIS_DIALS
from qdcbench.studies.response import at_one_n_only, refusals

__all__ = ["summary"]

_FACTS = {
    "rows": "rows",
    "right": "right answers",
    "operations": "kinds of edit",
    "pairs": "pairs of edits",
    "different": "different rows",
    "depth": "edits a row",
    "prompt_words": "words of a prompt",
    "filler_words": "of these filler",
    "completion_words": "words of an answer",
}
"""What is known to be true of a dataset, as the heading of a column says it."""


def summary(study: Study) -> str:
    """Return the page ``summary.md``: dials, recommendation, refusals, complexity twice, measures without a value."""
    return "\n".join([*_head(study), *_dials(study), *_recommended(study), *_refused(study), *_complexity(study),
                      *_without(study)])  # fmt: skip


def _head(study: Study) -> list[str]:
    clauses = [f"- {clause};" for clause in study.rule]
    return [
        "# The validity study in short",
        "",
        f"*Simulated.* {study.task}, {study.n} rows a dataset where the dial n does not say otherwise, "
        f"{study.repetitions} repetitions, root seed {study.root_seed}. `qdcbench study validity` writes this page.",
        "",
        "A measure is recommended where",
        "",
        *clauses[:-1],
        f"{clauses[-1].removesuffix(';')}.",
        "",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table whose first column is text and whose others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def _dials(study: Study) -> list[str]:
    facts = [fact for fact in _FACTS if all(fact in dial.truth[0] for dial in study.dials)]
    rows = [[f"`{dial.name}`: {dial.summary}", *(_held(dial, fact) for fact in facts)] for dial in study.dials]
    return [
        "## What each dial turns and what it holds",
        "",
        "Means of the first and the last setting; one number where they are equal.",
        "",
        *_table(["dial", *(_FACTS[fact] for fact in facts)], rows),
    ]


def _held(dial: DialTruth, fact: str) -> str:
    first, last = (_number(dial.truth[place][fact]) for place in (0, -1))
    return first if first == last else f"{first} to {last}"


def _recommended(study: Study) -> list[str]:
    done = {found.measure: found for found in study.measures}
    own = {**AXIS_DIALS, **{found.axis: found.own for found in study.measures}}
    lines = ["## Recommended as primaries", ""]
    lines += [
        "Changes over the other dials are shares of that over the own dial, in brackets where they are within the "
        "noise. *Upper half*: the share of the own dial's change that falls into its upper half; near 0 the measure "
        "is near its end. *At a shared length*: the change over filler of the value moved to a shared length.",
        "",
    ]
    for axis in AXIS_DIALS:
        names = study.recommended[axis]
        lines += [f"**{axis.capitalize()}**", ""]
        if not names:
            lines += ["No measure passes the rule.", ""]
            continue
        dials = [*(own[other] for other in AXIS_DIALS if other != axis), "filler", "lists", "n"]
        head = ["measure", "compared", f"value over {own[axis]}", "upper half", "rank", *dials]
        rows = [
            [f"`{name}`", _compared(done[name], study.n), *_own(done[name]), *_shares(done[name], dials),
             _share(done[name].twins["filler"])]
            for name in names
        ]  # fmt: skip
        lines += _table([*head, "filler, at a shared length"], rows)
    return lines


def _compared(measure: Behaviour, n: int) -> str:
    return f"at one n only (here {n})" if at_one_n_only(measure) else "at any n"


def _own(measure: Behaviour) -> list[str]:
    own = measure.responses[measure.own]
    return [_values(own), _upper_half(own), "" if own.rank is None else f"{own.rank:+.2f}"]


def _values(response: Response) -> str:
    first, last = response.means[0], response.means[-1]
    return "no value" if first is None or last is None else f"{_number(first)} to {_number(last)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _upper_half(response: Response) -> str:
    first, middle, last = response.means[0], response.means[len(response.means) // 2], response.means[-1]
    if first is None or middle is None or last is None or first == last:
        return ""
    return f"{(last - middle) / (last - first):.2f}"


def _shares(measure: Behaviour, dials: Sequence[str]) -> list[str]:
    return [_share(measure.responses[name]) for name in dials]


def _share(response: Response) -> str:
    if response.share is None:
        return "no value" if response.change is None else ""
    return f"{response.share:+.2f}" if response.moved else f"({response.share:+.2f})"


def _refused(study: Study) -> list[str]:
    """Return the measures that follow their own dial and are refused for something else, and those that do not."""
    passed = {name for names in study.recommended.values() for name in names}
    others = [found for found in study.measures if not found.reason and found.measure not in passed]
    following = [found for found in others if found.responses[found.own].moved]
    still = [f"`{found.measure}`" for found in others if not found.responses[found.own].moved]
    rows = [[f"`{m.measure}`", m.axis, *_own(m), _share(m.responses["n"]), ", ".join(refusals(m))] for m in following]
    return [
        "## Refused, and why",
        "",
        "These move with the dial of their own axis. The last column has what the rule has against them; a share "
        "beyond the limit stands after its dial.",
        "",
        *_table(["measure", "axis", "value over its dial", "upper half", "rank", "n", "refused for"], rows),
        f"These do not move with it beyond the noise: {', '.join(still) or 'none'}.",
        "",
    ]


def _complexity(study: Study) -> list[str]:
    dials = [dial for dial in study.dials if dial.axis == "complexity"]
    head = ["measure"]
    for dial in dials:
        head += [f"over {dial.name}", "rank"]
    rows = []
    for found in study.measures:
        if found.axis == "complexity" and not found.reason:
            pairs = [(_values(response), response.rank) for response in (found.responses[dial.name] for dial in dials)]
            cells = [cell for text, rank in pairs for cell in (text, "" if rank is None else f"{rank:+.2f}")]
            rows.append([f"`{found.measure}`", *cells])
    return [
        "## Complexity on both of its dials",
        "",
        "A measure of the edits moves on both. One that moves on one alone follows words or filler, or is at its end "
        "on the other: its values tell which.",
        "",
        *_table(head, rows),
    ]


def _without(study: Study) -> list[str]:
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for found in study.measures:
        if found.reason:
            reasons[found.reason].append(f"`{found.measure}`")
    lines = [f"- {reason}: {', '.join(names)}" for reason, names in sorted(reasons.items())]
    return [
        "## Measures without a value in the study",
        "",
        *(lines or ["Every measure has one."]),
        "",
    ]
