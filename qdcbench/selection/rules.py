"""Selection rules as pure functions from attempts to rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from qdcbench.errors import ConfigError, did_you_mean
from qdcbench.records import Attempt, Check, Example, SelectionSpec
from qdcbench.selection.common import common_reasons
from qdcbench.selection.normal import normal_prompt

__all__ = ["RULES", "Selected", "select"]

RULES = {
    "none": "every attempt that has a completion, the method's rejects included",
    "native": "what the method's own filter kept",
    "common": "what the common filter, the same for every method, keeps of all attempts, the method's rejects included",
    "native+common": "what the method's own filter kept and the common filter keeps too",
    "verified": "what the method kept and the task's verifier does not call wrong",
    "thinned": "a seeded random subset of what the method kept (n is required)",
}
"""The first four cross the method's own filter with the common one (`qdcbench.selection.common`)."""

_OF_ALL_ATTEMPTS = frozenset({"none", "common"})
_COMMON = frozenset({"common", "native+common"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """Training rows in the order they were made, and how many were dropped for standing in a held-out set."""

    rows: tuple[Example, ...]
    contaminated: int


def select(
    attempts: Sequence[Attempt],
    spec: SelectionSpec,
    held_out: frozenset[str],
    verify: Callable[[Example], Check],
    rng: Random,
) -> Selected:
    """Apply a rule, drop rows whose prompt is in ``held_out`` (normal prompts), thin to ``spec.n``.

    The common filter comes after the held-out prompts are gone, so that no row falls for being near one of them.

    Raises:
        ConfigError: unknown rule, or ``thinned`` without n.
    """
    if spec.rule not in RULES:
        raise ConfigError(f"there is no selection rule {spec.rule!r}; {did_you_mean(spec.rule, RULES)}")
    if spec.rule == "thinned" and spec.n is None:
        raise ConfigError("the selection rule 'thinned' needs n, the number of rows to keep")
    kept = [a for a in attempts if a.prompt and a.completion and (a.accepted or spec.rule in _OF_ALL_ATTEMPTS)]
    rows = [Example(prompt=a.prompt, completion=a.completion, parents=a.parents, lineage=a.lineage) for a in kept]
    if spec.rule == "verified":
        rows = [row for row in rows if verify(row).correct is not False]
    clean = [row for row in rows if normal_prompt(row.prompt) not in held_out]
    contaminated = len(rows) - len(clean)
    if spec.rule in _COMMON:
        clean = [row for row, reason in zip(clean, common_reasons(clean), strict=True) if not reason]
    if spec.n is not None and len(clean) > spec.n:
        keep = sorted(rng.sample(range(len(clean)), spec.n))
        clean = [clean[i] for i in keep]
    return Selected(rows=tuple(clean), contaminated=contaminated)
