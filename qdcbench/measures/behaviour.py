"""How measures behaved where the truth is known: the records of the validity study, and its table as shipped."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Behaviour", "DialTruth", "Response", "Study", "behaviour_table", "measured_behaviour"]

_SHIPPED = "behaviour.csv"
_PERCENT_DIALS = ("filler", "lists", "n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What a measure did while one dial was turned from its first setting to its last.

    ``means`` are of the repetitions at each setting. ``change`` is the last less the first, in the measure's own
    direction (above 0: what the measure calls more). ``noise`` is the standard deviation between repetitions at one
    setting; ``effect`` is the change in these, None where there is no noise. ``rank`` is Spearman's correlation of
    value and setting, in the measure's direction. ``share`` is the change as a share of that over the dial of the
    measure's own axis, None where it does not follow that.
    """

    means: tuple[float | None, ...]
    change: float | None
    noise: float | None
    effect: float | None
    rank: float | None
    share: float | None
    moved: bool
    """Whether the change is beyond the noise, see `studies.response`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One measure on all dials; ``twins`` is the same of its value at a shared length.

    ``own`` is the dial of its axis. ``needs`` says what texts alone lack for it, empty where they are enough.
    ``reason`` says why it has no value at all.
    """

    measure: str
    axis: str
    own: str
    needs: str = ""
    reason: str = ""
    responses: Mapping[str, Response]
    twins: Mapping[str, Response]


@dataclass(frozen=True, kw_only=True, slots=True)
class DialTruth:
    """A dial with what is known to be true of its datasets, one mapping a setting, means over repetitions."""

    name: str
    axis: str
    summary: str
    labels: tuple[str, ...]
    truth: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The whole study.

    ``recommended`` maps an axis to the measures that pass the rule, best first; of these, those of ``one_n`` compare
    datasets of one number of rows only.
    """

    task: str
    n: int
    repetitions: int
    root_seed: int
    rule: tuple[str, ...]
    dials: tuple[DialTruth, ...]
    measures: tuple[Behaviour, ...]
    recommended: Mapping[str, tuple[str, ...]]
    one_n: tuple[str, ...] = ()


def behaviour_table(study: Study) -> str:
    """Return the study's table as CSV: one row a measure, short texts.

    Of each dial the change as a share of that over the own dial (``+1.00`` for the own dial itself); of filler, lists
    and n also the change in per cent of the value. What is not beyond the noise stands in brackets.
    """
    recommended = {name for names in study.recommended.values() for name in names}
    rows = []
    for found in study.measures:
        own = found.responses.get(found.own)
        row = {
            "measure": found.measure,
            "axis": found.axis,
            "recommended": _how(found.measure, study) if found.measure in recommended else "",
            "follows": _number(own.rank if own else None, "+.2f"),
            "effect_sd": _number(own.effect if own else None, "+.1f"),
        }
        for dial in study.dials:
            row[dial.name] = _share(found.responses.get(dial.name))
        for name in _PERCENT_DIALS:
            row[f"{name}_percent"] = _percent(found.responses.get(name))
        for name in ("filler", "depth"):
            row[f"{name}_twin"] = _share(found.twins.get(name))
        rows.append(row | {"needs": found.needs, "reason": found.reason})
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _how(name: str, study: Study) -> str:
    return "at one n only" if name in study.one_n else "at any n"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _share(response: Response | None) -> str:
    text = _number(response.share if response else None, "+.2f")
    return _within_noise(text, response)


def _within_noise(text: str, response: Response | None) -> str:
    """Return the text, in brackets where the response is not beyond the noise."""
    return f"({text})" if text and response and not response.moved else text


def _percent(response: Response | None) -> str:
    means: Sequence[float | None] = response.means if response else ()
    if not means or means[0] is None or means[-1] is None or not means[0] > 0:
        return ""
    return _within_noise(format(100 * (means[-1] / means[0] - 1), "+.1f"), response)


@cache
def measured_behaviour() -> Mapping[str, Mapping[str, str]]:
    """Return the table that ships with the package, by measure; empty for a measure that came after the study."""
    text = (resources.files("qdcbench.measures") / _SHIPPED).read_text(encoding="utf-8")
    return {row["measure"]: row for row in csv.DictReader(text.splitlines())}
