"""What one cell will need: from earlier runs, else from what the method declares, else from the budget's caps."""

from dataclasses import replace

from qdcbench.api import MethodPlugin
from qdcbench.forecast.amount import NOTHING, Amount
from qdcbench.forecast.history import History, Rate, rate_of
from qdcbench.records import RunRecord, RunSpec
from qdcbench.stages.measure import JUDGED_ROWS
from qdcbench.teachers.build import prices_of

__all__ = ["generation", "judging", "timed"]

JUDGED_TOKENS = (180, 4)
"""Tokens of a mean question to the judge (its template and a short row) and of its answer; assumed, not measured."""


def _money_of(
    spec: RunSpec, prompt_tokens: float | None, completion_tokens: float | None, tokens: float
) -> float | None:
    """Return the dollars for that many tokens, at the dearest price of those who may answer; None without a price.

    Teachers that nobody bills by the token, scripted or in this process, cost nothing. Where only the sum of tokens is
    known, all of them are taken to cost what the dearer kind costs.
    """
    prices = list(prices_of(spec.teacher).values())
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None
    if not prices:
        return 0.0
    if prompt_tokens is None or completion_tokens is None:
        return max(max(price.input, price.output) for price in known) * tokens / 1e6
    return max((price.input * prompt_tokens + price.output * completion_tokens) / 1e6 for price in known)


def generation(cell: RunSpec, plugin: MethodPlugin, history: History) -> tuple[Amount, str]:
    """Return what making a cell's data will need, time left out, and the source of the numbers."""
    if not plugin.intents:
        return NOTHING, "asks no teacher"
    same, other = history.like(cell)
    if same:
        return _clipped(cell, rate_of(same, cell.budget.examples), f"measured in {_runs(len(same))}")
    if other:
        rate = rate_of(other, cell.budget.examples)
        source = f"{_runs(len(other))}, other teacher or task"
        if plugin.cost is not None and not cell.teacher.simulated:
            # A scripted teacher counts words, so what a method declares is nearer to a language model's tokens.
            rate = replace(
                rate, prompt_tokens=plugin.cost.prompt_tokens, completion_tokens=plugin.cost.completion_tokens
            )
            source += ", tokens declared"
        return _clipped(cell, rate, source)
    if plugin.cost is not None:
        rate = Rate(
            calls=sum(plugin.cost.calls.values()),
            setup_calls=plugin.cost.setup_calls,
            prompt_tokens=plugin.cost.prompt_tokens,
            completion_tokens=plugin.cost.completion_tokens,
            rows=cell.budget.examples,
        )
        return _clipped(cell, rate, "declared")
    return _at_most(cell)


def _runs(n: int) -> str:
    return f"{n} run" + ("" if n == 1 else "s")


def _clipped(cell: RunSpec, rate: Rate, source: str) -> tuple[Amount, str]:
    """Scale a rate to the budget's rows and cut it where a cap of the budget would end the run."""
    calls = rate.setup_calls + rate.calls * rate.rows
    prompt, completion = calls * rate.prompt_tokens, calls * rate.completion_tokens
    money = _money_of(cell, prompt, completion, prompt + completion)
    budget = cell.budget
    caps = {
        "calls": (budget.teacher_calls, calls),
        "tokens": (budget.teacher_tokens, prompt + completion),
        "money": (budget.money, money),
    }
    shares = {name: cap / need for name, (cap, need) in caps.items() if cap is not None and need and need > cap}
    share = min(shares.values(), default=1.0)
    if shares:
        source += f", cut at the budget's {min(shares, key=lambda name: shares[name])}"
    amount = Amount(
        calls=calls * share,
        prompt_tokens=prompt * share,
        completion_tokens=completion * share,
        tokens=(prompt + completion) * share,
        money=None if money is None else money * share,
    )
    return amount, source


def _at_most(cell: RunSpec) -> tuple[Amount, str]:
    """Return the budget's caps: all that is known of a method that was never run and declares nothing."""
    tokens, money = cell.budget.teacher_tokens, cell.budget.money
    dearest = None if tokens is None else _money_of(cell, None, None, tokens)
    if dearest is not None:
        money = dearest if money is None else min(money, dearest)
    amount = Amount(
        calls=None if cell.budget.teacher_calls is None else float(cell.budget.teacher_calls),
        tokens=None if tokens is None else float(tokens),
        money=money,
    )
    return amount, "cap of the budget"


def judging(cell: RunSpec) -> Amount:
    """Return what judging a cell's data will need: the benchmark's cost, beside the method's."""
    calls = min(JUDGED_ROWS, cell.budget.examples)
    prompt, completion = (float(calls * tokens) for tokens in JUDGED_TOKENS)
    money = _money_of(cell, prompt, completion, prompt + completion)
    return Amount(
        calls=float(calls),
        prompt_tokens=prompt,
        completion_tokens=completion,
        tokens=prompt + completion,
        money=money,
        seconds=0.0,
    )


def timed(cell: RunSpec, amount: Amount, history: History) -> Amount:
    """Return the amount with the seconds of all stages, from medians over earlier runs; a part may stay unknown."""
    same, _ = history.like(cell)
    ids = {record.run_id for record in same}
    wanted = min(cell.budget.examples, rate_of(same, cell.budget.examples).rows) if same else cell.budget.examples
    rows = history.seconds("generate", lambda r: r.run_id in ids, lambda r: r.dataset.accepted if r.dataset else 0)
    generate = None if rows is None else rows * wanted
    if generate is None and cell.teacher.simulated:
        generate = history.seconds("generate", lambda r: r.spec.teacher.simulated, lambda r: 1.0)
    if generate is not None and cell.budget.seconds is not None:
        generate = min(generate, cell.budget.seconds)
    parts = [generate, _measuring(cell, history), _probing(cell, history)]
    known = [part for part in parts if part is not None]
    return replace(amount, seconds=sum(known) if len(known) == len(parts) else None, seconds_at_least=float(sum(known)))


def _measuring(cell: RunSpec, history: History) -> float | None:
    """Seconds of measuring and selecting; a judge that is a language model takes its own time."""

    def fits(record: RunRecord) -> bool:
        spec = record.spec
        simulated = spec.teacher.simulated and cell.teacher.simulated
        alike = simulated or spec.teacher.identity == cell.teacher.identity
        return bool(alike and spec.task == cell.task and spec.measure_n == cell.measure_n)

    measure = history.seconds("measure", fits, lambda r: 1.0)
    select = history.seconds("select", fits, lambda r: 1.0)
    return None if measure is None else measure + (select or 0.0)


def _probing(cell: RunSpec, history: History) -> float | None:
    """Seconds of training and evaluating the probes of one cell, from runs with the same recipe and task."""
    recipe = cell.hashes.get("probe")
    each = history.seconds(
        "probe",
        lambda r: r.spec.hashes.get("probe") == recipe and r.spec.task == cell.task,
        lambda r: float(r.spec.probe_repetitions),
    )
    return None if each is None else each * cell.probe_repetitions
