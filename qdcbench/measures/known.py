"""What is known about every row beyond its two texts, and about the dataset beyond its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qdcbench.errors import DataError
from qdcbench.records import Structure

if TYPE_CHECKING:
    from qdcbench.measures.rows import Rows

__all__ = ["WHY_ABSENT", "Around", "Known"]

Numbers = tuple[float | None, ...]
"""One number a row; None where the scorer could not tell about that row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Columns of n values; a column is None where nobody looked.

    Texts alone give none of these: a task, a verifier, a judge or a model filled each.
    """

    structure: tuple[Structure | None, ...] | None = None
    """What the task knows of each prompt."""
    correct: tuple[bool | None, ...] | None = None
    """The verifier's answer; None where it cannot tell."""
    gold: tuple[bool | None, ...] | None = None
    """Whether the completion matches a reference answer; None where there is none."""
    majority: tuple[bool | None, ...] | None = None
    """Whether the completion agrees with most answers given to the same prompt."""
    judge_score: Numbers | None = None
    """One judge's rating by itself."""
    win: Numbers | None = None
    """Judged against another answer in both orders: 1 won, 0.5 tied or contradicted itself, 0 lost."""
    reward: Numbers | None = None
    """Scalar of a reward model."""
    rated_quality: Numbers | None = None
    """Expected rating 1 to 6 of a quality rater."""
    rated_complexity: Numbers | None = None
    """Expected rating 1 to 6 of a complexity rater."""
    judged_complexity: Numbers | None = None
    """One judge's rating of the prompt's complexity by itself."""
    answer_nll: Numbers | None = None
    """Mean negative log-likelihood of the completion given the prompt, nats a token."""
    blank_nll: Numbers | None = None
    """The same without the prompt."""
    whole_nll: Numbers | None = None
    """The same of prompt and completion as one text."""
    failed: Numbers | None = None
    """Share of a reference model's samples that the verifier does not confirm."""
    rank: Numbers | None = None
    """Bradley-Terry strength from rankings of small batches, nats, 0 = the anchors' mean."""
    tags: tuple[tuple[str, ...] | None, ...] | None = None
    """What the row is about, as a tagger says."""
    aimed: tuple[str | None, ...] | None = None
    """Node of a taxonomy (``a/b/c``) that the generator aimed at."""
    assigned: tuple[str | None, ...] | None = None
    """Node that a classifier, which did not see the aim, gives the row."""
    meaning: tuple[str | None, ...] | None = None
    """Text that is equal for rows which mean the same, however they are worded."""
    parse_depth: Numbers | None = None
    """Height of the prompt's dependency tree in words, of its deepest sentence."""
    verb_noun: tuple[str | None, ...] | None = None
    """Main verb of the prompt and the noun it acts on, ``"write story"``; None where there is no such pair."""
    generator: tuple[str, ...] | None = None
    """Who wrote the row, where several did."""
    stratum: tuple[str | None, ...] | None = None
    """The row's group by a field the user named."""
    gradient: npt.NDArray[np.float32] | None = None
    """(n, w) unit vectors: gradient of the row's answer loss in a reference model, projected."""

    def checked(self, n: int) -> Known:
        """Return itself.

        Raises:
            DataError: a column has another length than ``n``.
        """
        for name, column in self.columns().items():
            if len(column) != n:
                raise DataError(f"{name} has {len(column)} values for {n} rows; give one for each row")
        return self

    def columns(self) -> Mapping[str, Any]:
        """Return the columns that somebody filled, by name."""
        return {f.name: column for f in fields(self) if (column := getattr(self, f.name)) is not None}

    def take(self, indices: npt.NDArray[np.int64]) -> Known:
        """Return the values of the rows at ``indices``, in that order."""
        chosen = indices.tolist()
        taken: dict[str, Any] = {
            name: column[indices] if isinstance(column, np.ndarray) else tuple(column[i] for i in chosen)
            for name, column in self.columns().items()
        }
        return replace(self, **taken)


WHY_ABSENT: Mapping[str, str] = {
    "structure": "the task knows no structure of any prompt",
    "correct": "no row was checked by a verifier",
    "gold": "no row has a reference answer",
    "majority": "no prompt was answered several times",
    "judge_score": "no judge scored the rows",
    "win": "no judge compared the completions with others",
    "reward": "no reward model scored the rows",
    "rated_quality": "no rater of quality scored the rows",
    "rated_complexity": "no rater of complexity scored the rows",
    "judged_complexity": "no judge rated the complexity of the prompts",
    "answer_nll": "no reference model scored the completions",
    "blank_nll": "no reference model scored the completions without their prompts",
    "whole_nll": "no reference model scored the texts",
    "failed": "no reference model answered the prompts",
    "rank": "no judge ranked the rows in batches",
    "tags": "nobody tagged the rows",
    "aimed": "the rows do not say what node of a taxonomy they were aimed at",
    "assigned": "nobody placed the rows in a taxonomy",
    "meaning": "nothing says which rows mean the same",
    "parse_depth": "no parser read the prompts",
    "verb_noun": "no parser read the prompts",
    "generator": "the rows do not say who wrote them",
    "stratum": "no field splits the rows into groups",
    "gradient": "no reference model's gradients were taken",
}
"""The sentence that stands in place of a value when a column is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What is known of the dataset beyond its rows; taking rows leaves it as it is."""

    pair_universe: int | None = None
    """Ordered pairs of operations that exist."""
    attempted: int | None = None
    """Attempts that a method made."""
    accepted: int | None = None
    """Attempts of these that were accepted."""
    taxonomy: tuple[str, ...] = ()
    """Every node of the taxonomy, as paths ``a/b/c``."""
    tag_universe: int | None = None
    """Tags that exist in the pool that the rows are compared with."""
    epiplexity: float | None = None
    """Bits that a model learned from the rows, see `scorers.epiplexity`."""
    base: Rows | None = None
    """The set that the rows are added to, for what they add to it."""
    reference: Rows | None = None
    """A corpus shared by all datasets that are compared: its clusters, its density."""
    words: Mapping[str, float] = field(default_factory=dict)
    """Reference mean of log(1 + words) by side, where length-residualised twins are read; empty gives none."""
