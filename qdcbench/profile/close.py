"""Columns that cost too much for every row: the same number of rows of each column is looked at closely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qdcbench.api import Check, Example
from qdcbench.measures.rows import IntArray, Rows
from qdcbench.profile.parts import Part, ends
from qdcbench.profile.request import Request, Watch
from qdcbench.profile.scoring import loaded
from qdcbench.scorers.gold import match
from qdcbench.seeds import array_stream

if TYPE_CHECKING:
    from qdcbench.profile.judging import Answers

__all__ = ["CLOSE_MEASURES", "looked_closely"]

CLOSE_MEASURES = frozenset({
    "judge_score", "judged_complexity", "win_share", "rank_strength", "tag_count", "tags_seen", "tag_coverage",
    "taxonomy_coverage_assigned", "taxonomy_leaves_assigned", "taxonomy_drift", "fail_rate", "g_vendi",
})  # fmt: skip
"""Measures that are taken of the rows looked at closely, where some were."""

_SHOWN = ("failed", "rank", "judged_complexity")
"""Columns that the hardest rows of a page are found by, so they stand beside all drawn rows too."""

_ANCHORS = 20
"""Prompts of a reference that a ranking stands on: each stands in a few batches of every column (assumed)."""

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Look:
    """The rows of one part that are looked at, where they stand among those drawn, and their reference answers."""

    part: Part
    places: IntArray
    rows: Rows
    golds: tuple[str | None, ...]


def _look(part: Part, request: Request) -> _Look:
    stream = array_stream(request.seed, "measure_close", {"n": request.close.rows})
    places = np.sort(stream.permutation(len(part.rows))[: request.close.rows]).astype(np.int64)
    golds = tuple(part.golds[place] for place in places.tolist()) if part.golds else (None,) * len(places)
    return _Look(part, places, part.rows.take(places), golds)


def looked_closely(
    parts: Sequence[Part], request: Request, reference: Rows | None, measures: Sequence[str], watch: Watch
) -> tuple[tuple[Part, ...], list[str]]:
    """Return the parts with their closely looked at rows, and sentences that hold for all of them.

    Args:
        parts: all columns of the profile; equal rows of several are looked at once.
        request: who looks, at how many rows.
        reference: what was named as the corpus that all are compared with, whose rows anchor a judge's ranking.
        measures: names of those that shall be taken; the judge is asked nothing else.
        watch: is told how far it is.

    Raises:
        ConfigError: a judge's options are wrong.
        DataError: a model's scores are no numbers.
        TeacherError: the judge gave no usable answer after all retries.
    """
    if not request.close.wanted:
        return tuple(parts), []
    looks = [_look(part, request) for part in parts]
    columns: list[dict[str, Any]] = [{} for _ in looks]
    said: list[str] = []
    if request.close.judge is not None or request.close.tagger is not None:
        from qdcbench.profile.judging import Asked, answers_of  # a client and a solver: not for every profile

        asked = Asked(
            pairs=tuple(_pairs(looks)),
            aimed=frozenset(p for look in looks for p in _aimed(look.rows)),
            nodes=tuple(sorted({node for look in looks for node in look.part.source.nodes})),
            anchors=_anchors(reference, request),
            columns=len(ends(parts)),
        )
        answers, said = answers_of(asked, request, frozenset(measures), watch)
        for look, filled in zip(looks, columns, strict=True):
            filled.update(_answered(look, answers))
    if request.close.gradients or request.close.samples:
        said += _by_model(looks, columns, request, watch)
    return tuple(_with(look, filled) for look, filled in zip(looks, columns, strict=True)), said


def _pairs(looks: Sequence[_Look]) -> list[tuple[str, str, str | None]]:
    """Return every different prompt, completion and reference answer, in sorted order."""
    found = {row for look in looks for row in zip(look.rows.prompts, look.rows.completions, look.golds, strict=True)}
    return sorted(found, key=lambda row: (row[0], row[1], row[2] or ""))


def _aimed(rows: Rows) -> list[str]:
    """Return the prompts of rows that were aimed at a node."""
    column = rows.known.aimed or (None,) * len(rows)
    return [prompt for prompt, node in zip(rows.prompts, column, strict=True) if node]


def _anchors(reference: Rows | None, request: Request) -> tuple[str, ...]:
    """Return a few prompts of the reference, the same for all files that are ever compared with it by this seed."""
    if reference is None:
        return ()
    prompts = sorted(set(reference.prompts))
    chosen = array_stream(request.seed, "measure_anchors", {"prompts": len(prompts)}).permutation(len(prompts))
    return tuple(prompts[place] for place in np.sort(chosen[:_ANCHORS]).tolist())


def _answered(look: _Look, answers: "Answers") -> Mapping[str, Any]:
    rows = look.rows
    columns: dict[str, Any] = {
        name: tuple(found.get(prompt) for prompt in rows.prompts) for name, found in answers.of_prompts.items()
    }
    columns |= {
        name: tuple(found.get(row[:2]) for row in zip(rows.prompts, rows.completions, strict=True))
        for name, found in answers.of_rows.items()
    }
    if answers.wins:
        triples = zip(rows.prompts, rows.completions, look.golds, strict=True)
        columns["win"] = tuple(map(answers.wins.get, triples))
    return columns


def _by_model(looks: Sequence[_Look], columns: Sequence[dict[str, Any]], request: Request, watch: Watch) -> list[str]:
    from qdcbench.scorers.failing import Drawing

    model = loaded(request.scorers["model"])
    said = []
    if request.close.gradients:
        from qdcbench.scorers.gradients import score_gradients

        cut = 0
        for look, filled in zip(looks, columns, strict=True):
            watch.step(f"{look.part.label}: gradients of {len(look.rows)} rows")
            pairs = list(zip(look.rows.prompts, look.rows.completions, strict=True))
            found = []
            for start in range(0, len(pairs), _AT_ONCE):
                found.append(score_gradients(model, pairs[start : start + _AT_ONCE]))
                watch.at(min(start + _AT_ONCE, len(pairs)), len(pairs), "rows")
            cut += sum(part.cut for part in found)
            filled["gradient"] = np.concatenate([part.gradient for part in found])
        said.append(f"gradients by {model.identity}" + (f"; {cut} rows were longer than it reads" if cut else ""))
    if request.close.samples:
        drawing = Drawing(samples=request.close.samples, seed=request.seed)
        for look, filled in zip(looks, columns, strict=True):
            watch.step(f"{look.part.label}: {drawing.samples} answers to each prompt")
            filled["failed"] = _failed(look, drawing, model, watch)
        said.append(
            f"fail rates by {drawing.samples} answers of {model.identity} at temperature {drawing.temperature}, "
            f"{drawing.most_tokens} tokens at most, compared with --gold"
        )
    return said


def _failed(look: _Look, drawing: Any, model: Any, watch: Watch) -> tuple[float | None, ...]:
    from qdcbench.scorers.failing import fail_rates, model_writer

    golds = {prompt: gold for prompt, gold in zip(look.rows.prompts, look.golds, strict=True) if gold and gold.strip()}
    different = sorted(golds)
    write = model_writer(model)
    rates: dict[str, float | None] = {}

    def verify(example: Example) -> Check:
        return Check(correct=match(example.completion, golds[example.prompt]) is not None)

    for start in range(0, len(different), _AT_ONCE):
        asked = different[start : start + _AT_ONCE]
        rates |= zip(asked, fail_rates(write, asked, verify, drawing), strict=True)
        watch.at(len(rates), len(different), "prompts")
    return tuple(rates.get(prompt) for prompt in look.rows.prompts)


def _with(look: _Look, columns: Mapping[str, Any]) -> Part:
    """Return the part with its rows looked at; what a page shows of single rows stands beside all drawn too."""
    look.rows.known = replace(look.rows.known, **columns)
    whole: dict[str, Any] = {}
    for name in _SHOWN:
        if name in columns:
            values: list[float | None] = [None] * len(look.part.rows)
            for place, value in zip(look.places.tolist(), columns[name], strict=True):
                values[place] = value
            whole[name] = tuple(values)
    look.part.rows.known = replace(look.part.rows.known, **whole)
    return replace(look.part, close=look.rows)
