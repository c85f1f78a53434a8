"""The answers of studies as a report prints them."""

from collections.abc import Sequence

from qdcbench.records import StudyResult, Verdict

__all__ = ["verdicts"]


def verdicts(results: Sequence[StudyResult]) -> tuple[Verdict, ...]:
    """Return one verdict per study and scope, in the order of the results."""
    return tuple(
        Verdict(
            claim=result.name,
            statement=result.claim,
            answer=result.answer,
            rule=result.rule,
            evidence=result.sentence,
            scope=result.scope,
            design=result.design,
            declared=result.declared,
        )
        for result in results
    )
