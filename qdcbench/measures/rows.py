"""What a measure gets: the two texts of every row, what is known about each, and shared costly parts."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from qdcbench.errors import DataError
from qdcbench.measures.encoders import encode
from qdcbench.measures.known import WHY_ABSENT, Around, Known
from qdcbench.measures.text import Tokens, count_words, tokenise

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
        known: Known | None = None,
        around: Around | None = None,
    ) -> None:
        """Check the lengths and keep the columns.

        Args:
            prompts: n texts.
            completions: n texts.
            known: columns of n values that somebody found out about the rows.
            around: what is known of the dataset as a whole.

        Raises:
            DataError: a column has another length than ``prompts``.
        """
        if len(completions) != len(prompts):
            raise DataError(f"completions has {len(completions)} values for {len(prompts)} rows; give one for each row")
        self.prompts = prompts
        self.completions = completions
        self.known = (known or Known()).checked(len(prompts))
        self.around = around or Around()
        self._cache: dict[Hashable, Any] = {}
        self._parent: tuple[Rows, IntArray] | None = None

    def __len__(self) -> int:
        """Return n."""
        return len(self.prompts)

    def texts(self, side: Side) -> tuple[str, ...]:
        """Return the prompts or the completions."""
        return self.prompts if side == "prompt" else self.completions

    def column(self, name: str) -> Sequence[Any]:
        """Return the column of `Known` by that name.

        Raises:
            Unmeasurable: nobody filled it, or it is empty.
        """
        column: Sequence[Any] | None = getattr(self.known, name)
        if column is None or not len(column):
            raise Unmeasurable(WHY_ABSENT[name])
        return column

    def numbers(self, name: str) -> FloatArray:
        """Return a column of numbers (n,), NaN where a row has none.

        Raises:
            Unmeasurable: nobody filled it, or no row has a number.
        """
        column = self.column(name)
        if all(value is None for value in column):
            raise Unmeasurable(f"{WHY_ABSENT[name]} to any use")
        return np.asarray([math.nan if value is None else value for value in column], dtype=np.float64)

    def take(self, indices: IntArray) -> "Rows":
        """Return the rows at ``indices``, in that order."""
        chosen = indices.tolist()
        rows = Rows(
            prompts=tuple(self.prompts[i] for i in chosen),
            completions=tuple(self.completions[i] for i in chosen),
            known=self.known.take(indices),
            around=self.around,
        )
        rows._parent = (self, indices)
        return rows

    def canonical(self) -> "Rows":
        """Return the same rows in the one order that any shuffle of them has: by prompt, completion, what is known."""
        texts = list(zip(self.prompts, self.completions, strict=True))
        order = sorted(range(len(self)), key=texts.__getitem__)
        # Only rows with equal texts need their columns compared, and few have.
        start = 0
        columns = list(self.known.columns().values())
        while columns and start < len(order):
            stop = start + 1
            while stop < len(order) and texts[order[stop]] == texts[order[start]]:
                stop += 1
            if stop - start > 1:
                order[start:stop] = sorted(order[start:stop], key=lambda i: [repr(column[i]) for column in columns])
            start = stop
        return self.take(np.asarray(order, dtype=np.int64))

    def shared(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what is kept under ``key``, computing it at the first call."""
        if key not in self._cache:
            self._cache[key] = compute()
        kept: T = self._cache[key]
        return kept

    def per_row(self, key: Hashable, compute: Callable[[], T], sliced: Callable[[T, IntArray, int], T]) -> T:
        """Return what is kept a row, sliced from the rows these were taken from where they have it."""

        def inherited(rows: Rows) -> T | None:
            if key in rows._cache:
                kept: T = rows._cache[key]
                return kept
            if rows._parent is None:
                return None
            parent, indices = rows._parent
            whole = inherited(parent)
            return None if whole is None else sliced(whole, indices, len(parent))

        def taken() -> T:
            found = inherited(self)
            return compute() if found is None else found

        return self.shared(key, taken)

    def embeddings(self, encoder: str, side: Side = "prompt") -> npt.NDArray[np.float32]:
        """Return unit vectors (n, d) of one side by the named encoder; equal texts are encoded once."""

        def sliced(whole: npt.NDArray[np.float32], indices: IntArray, _: int) -> npt.NDArray[np.float32]:
            return whole[indices]

        return self.per_row(("embeddings", encoder, side), lambda: encode(encoder, self.texts(side)), sliced)

    def words(self, side: Literal["prompt", "completion", "both"]) -> FloatArray:
        """Return log(1 + words) of each row's text, (n,); of both texts together for ``both``."""
        if side == "both":
            counts: FloatArray = np.expm1(self.words("prompt")) + np.expm1(self.words("completion"))
            return np.log1p(counts)

        def compute() -> FloatArray:
            return np.log1p(np.asarray([count_words(text) for text in self.texts(side)], dtype=np.float64))

        return self.per_row(("words", side), compute, lambda whole, indices, _: whole[indices])

    def ngrams(self, order: int, side: Side = "prompt") -> Tokens:
        """Return the n-grams of one side; order 1 is the tokens themselves."""

        def compute() -> Tokens:
            if order == 1:
                return tokenise(self.texts(side))
            return self.ngrams(order - 1, side).ngrams(order, self.ngrams(1, side))

        def sliced(whole: Tokens, indices: IntArray, _: int) -> Tokens:
            return whole.take(indices)

        return self.per_row(("ngrams", order, side), compute, sliced)
