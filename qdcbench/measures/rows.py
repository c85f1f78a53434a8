"""What a measure gets: the two texts of every row, what is known about each, and shared costly parts."""

from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from qdcbench.errors import DataError
from qdcbench.measures.encoders import encode
from qdcbench.measures.text import Tokens, tokenise
from qdcbench.records import Structure

__all__ = ["FloatArray", "IntArray", "Rows", "Side", "Unmeasurable"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Side = Literal["prompt", "completion"]
T = TypeVar("T")


class Unmeasurable(DataError):
    """A measure cannot be taken of these rows; the sentence becomes the reason of an empty measurement."""


class Rows:
    """Rows of one dataset as columns of equal length n.

    Tokens and embeddings are computed when first asked for and kept. Rows taken from others by `take` slice
    what those had computed by then instead of computing it again.
    """

    def __init__(
        self,
        *,
        prompts: tuple[str, ...],
        completions: tuple[str, ...],
        structures: tuple[Structure | None, ...] | None = None,
        correct: tuple[bool | None, ...] | None = None,
        judge_scores: tuple[float, ...] | None = None,
        answer_nll: tuple[float, ...] | None = None,
        pair_universe: int | None = None,
    ) -> None:
        """Check the lengths and keep the columns.

        Args:
            prompts: n texts.
            completions: n texts.
            structures: what the task knows about each prompt, None where there is no task.
            correct: the verifier's answers, None where there is no verifier.
            judge_scores: n numbers from a judge, None where there was none.
            answer_nll: n mean negative log-likelihoods of the completion, nats a token.
            pair_universe: number of ordered pairs of operations that exist.

        Raises:
            DataError: a column has another length than ``prompts``.
        """
        n = len(prompts)
        self.prompts = prompts
        self.completions = completions
        self.structures = structures
        self.correct = correct
        self.judge_scores = judge_scores
        self.answer_nll = answer_nll
        self.pair_universe = pair_universe
        self._cache: dict[Hashable, Any] = {}
        self._parent: tuple[Rows, IntArray] | None = None
        columns: dict[str, tuple[Any, ...] | None] = {
            "completions": completions, "structures": structures, "correct": correct,
            "judge_scores": judge_scores, "answer_nll": answer_nll,
        }  # fmt: skip
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise DataError(f"{name} has {len(column)} values for {n} prompts; give one for each row")

    def __len__(self) -> int:
        """Return n."""
        return len(self.prompts)

    def texts(self, side: Side) -> tuple[str, ...]:
        """Return the prompts or the completions."""
        return self.prompts if side == "prompt" else self.completions

    def take(self, indices: IntArray) -> "Rows":
        """Return the rows at ``indices``, in that order."""
        chosen = indices.tolist()

        def of(column: tuple[T, ...]) -> tuple[T, ...]:
            return tuple(column[i] for i in chosen)

        rows = Rows(
            prompts=of(self.prompts),
            completions=of(self.completions),
            structures=None if self.structures is None else of(self.structures),
            correct=None if self.correct is None else of(self.correct),
            judge_scores=None if self.judge_scores is None else of(self.judge_scores),
            answer_nll=None if self.answer_nll is None else of(self.answer_nll),
            pair_universe=self.pair_universe,
        )
        rows._parent = (self, indices)
        return rows

    def canonical(self) -> "Rows":
        """Return the same rows in the one order that any shuffle of them has: by prompt, then completion."""
        empty = (0.0,) * len(self)
        scores, losses = self.judge_scores or empty, self.answer_nll or empty
        keys = list(zip(self.prompts, self.completions, scores, losses, strict=True))
        return self.take(np.asarray(sorted(range(len(self)), key=keys.__getitem__), dtype=np.int64))

    def shared(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what is kept under ``key``, computing it at the first call."""
        if key not in self._cache:
            self._cache[key] = compute()
        kept: T = self._cache[key]
        return kept

    def embeddings(self, encoder: str, side: Side = "prompt") -> npt.NDArray[np.float32]:
        """Return unit vectors (n, d) of one side by the named encoder; equal texts are encoded once."""
        key = ("embeddings", encoder, side)

        def compute() -> npt.NDArray[np.float32]:
            if self._parent is not None and key in self._parent[0]._cache:
                sliced: npt.NDArray[np.float32] = self._parent[0]._cache[key][self._parent[1]]
                return sliced
            return encode(encoder, self.texts(side))

        return self.shared(key, compute)

    def ngrams(self, order: int, side: Side = "prompt") -> Tokens:
        """Return the n-grams of one side; order 1 is the tokens themselves."""
        key = ("ngrams", order, side)

        def compute() -> Tokens:
            if self._parent is not None and key in self._parent[0]._cache:
                parent, indices = self._parent
                tokens: Tokens = parent._cache[key]
                return tokens.take(indices, len(parent))
            if order == 1:
                return tokenise(self.texts(side))
            return self.ngrams(order - 1, side).ngrams(order, self.ngrams(1, side))

        return self.shared(key, compute)
