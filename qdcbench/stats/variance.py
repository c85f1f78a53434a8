"""Variance components of scores: arms, repetitions, datasets and probes as random effects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdcbench.stats.bootstrap import FloatArray

__all__ = ["Components", "Labels", "components"]

Codes = NDArray[np.int64]

NEGLIGIBLE = 1e-9
"""A coefficient or singular value below this is zero but for rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Where each measurement comes from: integer codes, each array of shape (measurements,)."""

    arm: Codes
    repetition: Codes
    probe: Codes


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Variance of one measurement by source, not cut off at zero; None where the design cannot tell.

    ``arm`` is of the arms' true means, ``repetition`` of what all arms of a repetition share, ``dataset`` of what one
    dataset has alone, ``probe`` of a new probe on the same dataset. Where the probe's is None it is inside
    ``repetition`` (the part that all arms share) and ``dataset`` (the rest).
    """

    arm: float | None
    repetition: float | None
    dataset: float | None
    probe: float | None


def components(values: FloatArray, labels: Labels) -> Components:
    """Estimate variance components by the method of moments; ``values`` has shape (measurements,) and no NaN.

    score = mean + arm + repetition + arm x repetition + repetition x probe + residual, all random: the seed examples
    and the probe's seed are the same for all arms of a repetition. The reduction in the sum of squares by each source
    is set equal to its expectation (Henderson's method 3; the analysis of variance where the design is balanced), so
    nothing has to be normal and cells may be missing.
    """
    dataset = _crossed(labels.arm, labels.repetition)
    found = _moments(values, _probed(labels, dataset))
    if found["residual"] is not None and found["repetition x probe"] is not None:
        probe = found["residual"] + found["repetition x probe"]
        return Components(arm=found["arm"], repetition=found["repetition"], dataset=found["dataset"], probe=probe)
    first = np.unique(dataset, return_index=True)[1]
    means = np.bincount(dataset, values) / np.bincount(dataset)
    found = _moments(means, _unprobed(labels.arm[first], labels.repetition[first]))
    return Components(arm=found["arm"], repetition=found["repetition"], dataset=found["dataset"], probe=None)


@dataclass(frozen=True, slots=True)
class _Space:
    """A column space: the means of ``cells``, and an orthonormal ``basis`` of what is added to them."""

    cells: Codes
    basis: FloatArray

    def of(self, vector: FloatArray) -> float:
        """Return the squared length of a vector's projection."""
        means = np.bincount(self.cells, vector) ** 2 / np.bincount(self.cells)
        return float(means.sum() + np.sum((self.basis.T @ vector) ** 2))

    def of_effect(self, codes: Codes) -> float:
        """Return the summed squared lengths of the projections of an effect's indicator columns."""
        levels = int(codes.max()) + 1
        joint, counts = np.unique(self.cells * levels + codes, return_counts=True)
        shared = float(np.sum(counts**2 / np.bincount(self.cells)[joint // levels]))
        return shared + float(np.sum(_sums(self.basis, codes) ** 2))


@dataclass(frozen=True, slots=True)
class _Source:
    """A random effect: its codes, and the spaces between which its reduction in the sum of squares lies."""

    name: str
    codes: Codes
    smaller: _Space
    larger: _Space


def _probed(labels: Labels, dataset: Codes) -> tuple[_Source, ...]:
    """Return the sources of single probes' scores; each reduction holds its own source and later ones alone."""
    each = np.arange(dataset.size)
    shared = _crossed(labels.repetition, labels.probe)
    datasets, probes = _cells(dataset), _cells(dataset, shared)
    both = _cells(labels.arm, labels.repetition)
    return (
        _Source("arm", labels.arm, _cells(labels.repetition), both),
        _Source("repetition", labels.repetition, _cells(labels.arm), both),
        _Source("dataset", dataset, both, datasets),
        _Source("repetition x probe", shared, datasets, probes),
        _Source("residual", each, probes, _cells(each)),
    )


def _unprobed(arm: Codes, repetition: Codes) -> tuple[_Source, ...]:
    """Return the sources of datasets' scores, one a dataset."""
    each = np.arange(arm.size)
    both = _cells(arm, repetition)
    return (
        _Source("arm", arm, _cells(repetition), both),
        _Source("repetition", repetition, _cells(arm), both),
        _Source("dataset", each, both, _cells(each)),
    )


def _moments(values: FloatArray, sources: Sequence[_Source]) -> dict[str, float | None]:
    """Solve for one source after another, the last first; one that its reduction does not hold stays None."""
    centred = values - values.mean()
    found: dict[str, float | None] = {}
    for place in reversed(range(len(sources))):
        source = sources[place]
        own, *rest = [_expected(source, effect) for effect in sources[place:]]
        left = source.larger.of(centred) - source.smaller.of(centred)
        known = True
        for weight, later in zip(rest, sources[place + 1 :], strict=True):
            variance = found[later.name]
            if weight > NEGLIGIBLE and variance is None:
                known = False
            left -= weight * (variance or 0.0)
        found[source.name] = left / own if known and own > NEGLIGIBLE * values.size else None
    return found


def _expected(source: _Source, effect: _Source) -> float:
    """Return how often an effect's variance is in the expectation of a source's reduction."""
    return source.larger.of_effect(effect.codes) - source.smaller.of_effect(effect.codes)


def _cells(first: Codes, second: Codes | None = None) -> _Space:
    """Return the space of one effect, or of two together."""
    first = _packed(first)
    if second is None:
        return _Space(first, np.empty((first.size, 0)))
    second = _packed(second)
    columns = np.zeros((first.size, int(second.max()) + 1))
    columns[np.arange(first.size), second] = 1.0
    centred = columns - (_sums(columns, first) / np.bincount(first)[:, None])[first]
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    return _Space(first, left[:, singular > NEGLIGIBLE * first.size])


def _sums(columns: FloatArray, codes: Codes) -> FloatArray:
    """Add up the rows of each code, shape (codes, columns)."""
    sums: FloatArray = np.empty((int(codes.max()) + 1, columns.shape[1]))
    for place, column in enumerate(columns.T):
        sums[:, place] = np.bincount(codes, column)
    return sums


def _packed(codes: Codes) -> Codes:
    """Number the values of an effect 0, 1, 2, ... without holes."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _crossed(first: Codes, second: Codes) -> Codes:
    """Return a code for each pair of values that occurs."""
    return _packed(_packed(first) * (int(_packed(second).max()) + 1) + _packed(second))
