"""A teacher of any kind, member by member, its price, and the caps it would spend under."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

from qdcbench.api import Reply, Request, Task, Teacher
from qdcbench.doctor.chat import check_endpoint
from qdcbench.doctor.line import Examined, Line, fail, looked_at, note, ok
from qdcbench.errors import ConfigError, QdcError
from qdcbench.records import Caps, TeacherSpec
from qdcbench.suite import Suite
from qdcbench.teachers.account import Access
from qdcbench.teachers.build import build_teacher, prices_of
from qdcbench.teachers.prices import Price

__all__ = ["check_caps", "check_teacher"]

OLD_DAYS = 180
"""Age of a price in days above which somebody should look at it again."""


def _question(task: Task) -> Request:
    """Return a question of the task's own, which its scripted teachers can answer."""
    prompt = task.seed_examples(Random(1))[0].prompt
    return Request(
        intent="answer",
        material={"prompt": prompt},
        messages=(("system", "You answer briefly."), ("user", prompt)),
        temperature=1.0,
        max_tokens=12,
    )


def check_teacher(spec: TeacherSpec, task: Task, base: Path = Path()) -> list[Examined]:
    """Return what was found about a teacher, for an ensemble about each of its members.

    Relative paths start from ``base``. What it asks is charged to no cap and recorded nowhere.
    """
    members = [member for member, _ in spec.members] if spec.kind == "ensemble" else [spec]
    return [_examined(member, task, base) for member in members]


def _examined(spec: TeacherSpec, task: Task, base: Path) -> Examined:
    found = check_endpoint(spec) if spec.kind == "openai" else _in_this_process(spec, task, base)
    return replace(found, lines=(*found.lines, *_prices(spec)))


def _in_this_process(spec: TeacherSpec, task: Task, base: Path) -> Examined:
    """Ask a scripted or local teacher twice, each time without a memory of the time before."""
    calls = 0

    def asked() -> Reply:
        nonlocal calls
        calls += 1
        teacher = build_teacher(spec, task, Access(), base)
        try:
            return teacher.complete([_question(task)], 1)[0]
        finally:
            _close(teacher)

    lines = []
    try:
        first = asked()
        lines.append(ok("answer", f"{first.text[:40]!r} for {first.prompt_tokens} + {first.completion_tokens} tokens"))
        lines.append(looked_at("seed", lambda: _repeated(first, asked())))
    except QdcError as error:
        lines.append(fail("answer", str(error)))
    return Examined(teacher=spec.name, lines=tuple(lines), calls=calls)


def _close(teacher: Teacher) -> None:
    close = getattr(teacher, "close", None)
    if close is not None:
        close()


def _repeated(first: Reply, again: Reply) -> Line:
    if first.text == again.text:
        return ok("seed", "respected, equal seeds gave equal texts")
    return note("seed", "not respected; recorded answers, not the seed, are how runs are repeated")


def _prices(spec: TeacherSpec) -> list[Line]:
    try:
        prices = prices_of(spec)
    except ConfigError as error:
        return [fail("price", str(error))]
    return [_price(price) for price in prices.values()]


def _price(price: Price | None) -> Line:
    if price is None:
        return note("price", "not known, so no money is counted or capped; add the option price to count it")
    told = f"{price.input:g} + {price.output:g} USD a million tokens, read on {price.dated} at {price.source}"
    try:
        age = (datetime.now(UTC).date() - date.fromisoformat(price.dated)).days
    except ValueError:
        return note("price", f"{told}; the day is not written as 2026-11-23, so its age is not known")
    if age > OLD_DAYS:
        return note("price", f"{told}, {age} days ago: compare it, and set the option price where it changed")
    return ok("price", told)


def check_caps(suite: Suite, teachers: Sequence[TeacherSpec]) -> list[Line]:
    """Return lines on whether a suite's caps can hold with its teachers."""
    paid = [teacher for teacher in teachers if not teacher.simulated]
    if not paid:
        return [ok("caps", "not needed: scripted teachers cost nothing")]
    if suite.caps == Caps() and suite.cell_caps == Caps():
        return [note("caps", "none: only the budgets limit what is spent; write [caps] with calls, tokens or money")]
    lines = []
    unpriced = sorted(
        {name or teacher.name for teacher in paid for name, price in prices_of(teacher).items() if not price}
    )
    for table, caps in (("caps", suite.caps), ("cell_caps", suite.cell_caps)):
        set_ = {name: getattr(caps, name) for name in ("calls", "tokens", "money", "seconds")}
        shown = ", ".join(f"{name} {value:g}" for name, value in set_.items() if value is not None)
        if caps.money is not None and unpriced:
            advice = "add the option price, or cap tokens instead"
            lines.append(fail(table, f"money is capped, but there is no price of {', '.join(unpriced)}; {advice}"))
        elif shown:
            lines.append(ok(table, shown))
    return lines
