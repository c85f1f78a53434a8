"""What a judge and a tagger say about rows of all columns: each different row once, with what it cost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from qdcbench.api import Example, Task
from qdcbench.profile.request import Request, Watch
from qdcbench.records import Budget, TeacherSpec
from qdcbench.scorers.judge import COMPLEXITY, judge_prompts, rate
from qdcbench.scorers.pairwise import compare
from qdcbench.scorers.ranking import rank
from qdcbench.scorers.tagging import place, tag
from qdcbench.seeds import array_stream, seed_for
from qdcbench.teachers.account import Access
from qdcbench.teachers.build import build_teacher, prices_of
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole

__all__ = ["Answers", "Asked", "answers_of"]

_CALLS_A_ROW = 8
"""Questions about one row at most, the levels of a taxonomy apart: two ratings, two verdicts, its batches, tags."""

_MOST_NODES = 200
"""Nodes of a taxonomy that a judge may be asked to choose among: a field with more is hardly a taxonomy (assumed)."""

_PLACED = frozenset({"taxonomy_coverage_assigned", "taxonomy_leaves_assigned", "taxonomy_drift"})
_TAGGED = frozenset({"tag_count", "tags_seen", "tag_coverage"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is asked about: different (prompt, completion, reference answer), sorted; the answer None where none is.

    ``aimed`` are the prompts that were aimed at a node and ``nodes`` the taxonomy; ``anchors`` are prompts that a
    ranking stands on, and ``columns`` is how many files or groups are ranked against each other.
    """

    pairs: tuple[tuple[str, str, str | None], ...]
    aimed: frozenset[str]
    nodes: tuple[str, ...]
    anchors: tuple[str, ...]
    columns: int

    @property
    def rows(self) -> list[Example]:
        """The different rows."""
        return [Example(prompt=p, completion=c) for p, c in dict.fromkeys(pair[:2] for pair in self.pairs)]

    @property
    def prompts(self) -> list[Example]:
        """The different prompts, without a completion."""
        return [Example(prompt=prompt, completion="") for prompt in dict.fromkeys(pair[0] for pair in self.pairs)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Columns of `Known` by name: of a prompt, of a (prompt, completion), and the verdicts with a reference answer."""

    of_prompts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    of_rows: dict[str, Mapping[tuple[str, str], Any]] = field(default_factory=dict)
    wins: dict[tuple[str, str, str | None], float | None] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


class _Watched(MeteredRole):
    """A role whose many questions tell how many of them are answered."""

    watch: Watch
    what: str = ""

    def ask_many(self, intent: str, materials: Sequence[Mapping[str, Any]], **asked: Any) -> list[str]:
        """Ask all at once; the texts come back in order."""
        texts: list[str] = []
        self.watch.step(f"{self.what}: {len(materials):,} questions")
        for text in self.ask_each(intent, materials, **asked):
            texts.append(text)
            self.watch.at(len(texts), len(materials), "answers")
        return texts


@contextmanager
def _role(spec: TeacherSpec, asked: Asked, request: Request, watch: Watch, said: list[str]) -> Iterator[_Watched]:
    """Yield a judge that says in the end what it cost."""
    # Only a scripted teacher reads the task it is built with, and none of those judges here.
    teacher = build_teacher(spec, cast(Task, None), Access(ledger=request.close.answers))
    levels = max((node.count("/") + 1 for node in asked.nodes), default=0)
    calls = (_CALLS_A_ROW + levels) * len(asked.pairs)
    budget = Budget(name="judging", examples=len(asked.pairs), teacher_tokens=None, teacher_calls=calls)
    desk = Desk(teacher, Meter(budget, prices=prices_of(spec)), spec.name)
    role = _Watched(desk, judge_prompts(), seed=seed_for(request.seed, "measure_judge", {}), name="judge")
    role.watch, role.what = watch, f"asking {spec.name}"
    try:
        yield role
    finally:
        desk.close()
    tokens = sum(call.prompt_tokens + call.completion_tokens for call in desk.calls)
    costs = [call.cost for call in desk.calls if call.cost is not None]
    recorded = sum(call.cached for call in desk.calls)
    said.append(
        f"{spec.name} answered {len(desk.calls):,} questions with {tokens:,} tokens"
        + (f", {recorded:,} of them recorded before" if recorded else "")
        + (f", for {sum(costs):.4f} USD" if costs else "")
    )


def answers_of(asked: Asked, request: Request, measures: frozenset[str], watch: Watch) -> tuple[Answers, list[str]]:
    """Return what judge and tagger say as far as ``measures`` need it, and sentences about it.

    Raises:
        ConfigError: an address or option of the judge is wrong.
        TeacherError: no usable answer after all retries.
    """
    answers, said = Answers(), list[str]()
    close = request.close
    tagger = close.tagger or close.judge
    if close.judge is not None:
        with _role(close.judge, asked, request, watch, said) as judge:
            said += _judged(judge, asked, request, measures, answers)
            if tagger == close.judge and measures & _TAGGED:
                said += _tagged(judge, asked, answers)
    if tagger is not None and tagger != close.judge and measures & _TAGGED:
        with _role(tagger, asked, request, watch, said) as role:
            said += _tagged(role, asked, answers)
    return answers, said


def _judged(
    judge: _Watched, asked: Asked, request: Request, measures: frozenset[str], answers: Answers
) -> Iterator[str]:
    rows, prompts = asked.rows, asked.prompts
    unread: Counter[str] = Counter()
    if "judge_score" in measures:
        rated = rate(judge, rows)
        answers.of_rows["judge_score"] = dict(zip(((r.prompt, r.completion) for r in rows), rated.column, strict=True))
        unread["rating"] += rated.unread
    if "judged_complexity" in measures:
        demanding = rate(judge, prompts, COMPLEXITY)
        answers.of_prompts["judged_complexity"] = _by_prompt(prompts, demanding.column)
        unread["complexity"] += demanding.unread
    if "rank_strength" in measures:
        yield from _ranked(judge, asked, request, answers)
    if "win_share" in measures and any(gold and gold.strip() for _, _, gold in asked.pairs):
        yield from _compared(judge, asked, answers)
    if measures & _PLACED and asked.aimed:
        yield from _placed(judge, asked, answers)
    for kind, count in unread.items():
        if count:
            yield f"{count} replies with a {kind} could not be read"


def _by_prompt(prompts: Sequence[Example], column: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((row.prompt for row in prompts), column, strict=True))


def _ranked(judge: _Watched, asked: Asked, request: Request, answers: Answers) -> Iterator[str]:
    prompts = asked.prompts
    anchors = [Example(prompt=text, completion="") for text in asked.anchors]
    if not anchors and asked.columns < 2:
        yield "not ranked: of one file alone the mean rank is 0 whatever its prompts are; add --reference or a file"
        return
    found = rank(judge, prompts, anchors, array_stream(request.seed, "measure_rank", {"prompts": len(prompts)}))
    answers.of_prompts["rank"] = _by_prompt(prompts, found.column)
    zero = f"{len(anchors)} prompts of the reference" if anchors else "all prompts ranked, those of every column"
    yield f"rank_strength: 0 is the mean of {zero}; {found.unread} of {found.batches} replies could not be read"


def _compared(judge: _Watched, asked: Asked, answers: Answers) -> Iterator[str]:
    pairs = [pair for pair in asked.pairs if pair[2] and pair[2].strip()]
    rows = [Example(prompt=prompt, completion=completion) for prompt, completion, _ in pairs]
    found = compare(judge, rows, [str(gold) for _, _, gold in pairs])
    answers.wins.update(zip(pairs, found.column, strict=True))
    shares = [
        f"{share:.0%} {what}"
        for share, what in (
            (found.consistency, "of the verdicts were the same in both orders"),
            (found.first_share, "of the choices were for what stood first"),
        )
        if share is not None
    ]
    yield "; ".join(
        [f"win_share: {len(pairs)} completions against their reference answers", *shares]
        + ([f"{found.unread} could not be read"] if found.unread else [])
    )


def _placed(judge: _Watched, asked: Asked, answers: Answers) -> Iterator[str]:
    if len(asked.nodes) > _MOST_NODES:
        yield f"not placed: the taxonomy has {len(asked.nodes)} nodes and a judge may get {_MOST_NODES}"
        return
    rows = [row for row in asked.prompts if row.prompt in asked.aimed]
    found = place(judge, rows, asked.nodes)
    answers.of_prompts["assigned"] = _by_prompt(rows, found.column)
    yield f"placed {len(rows)} prompts in a taxonomy of {len(asked.nodes)} nodes; {found.unread} replies named none"


def _tagged(role: _Watched, asked: Asked, answers: Answers) -> Iterator[str]:
    prompts = asked.prompts
    found = tag(role, prompts)
    answers.of_prompts["tags"] = _by_prompt(prompts, found.column)
    yield f"tags: {found.universe} different ones of {len(prompts)} prompts; {found.unread} replies could not be read"
