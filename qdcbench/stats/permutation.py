"""Permutation tests of a partial effect whose errors are shared within clusters."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.panel import IntArray, Panel
from qdcbench.stats.sandwich import Fit, Scores

__all__ = ["permutation_p_values"]

FEWEST_ORDERS = 20
"""Orders of the clusters below which no p-value can reach 5 %."""

DRAWN_AT_ONCE = 1_000


def permutation_p_values(
    panel: Panel, outcomes: FloatArray, rng: np.random.Generator, draws: int
) -> tuple[float | None, ...]:
    """Return the two-sided p-value of the first regressor's effect on each of ``outcomes`` (units, outcomes).

    Null: given the controls, the measure tells nothing about the outcome, and what is peculiar to a cluster could as
    well be another's, or the other way round. The residuals of the fit without the measure (Freedman and Lane 1983)
    are split into means of a cluster in a group and deviations from these. The means of a cluster move together, all
    groups at once, to another cluster that has the same groups; the deviations of a cluster change sign together. So
    errors that a method's datasets share, over groups, within one, or by arm, stay shared. The statistic is the
    effect over its CR2 standard error, taken anew each time: the plain effect would be judged by residuals that the
    controls have made too small. The order as it is counts as one draw, so no p-value is zero. None where clusters
    could be put in fewer than 20 orders, or the fit is impossible.
    """
    fit = Fit.of(panel)
    if fit is None or panel.x.shape[0] - fit.n_parameters < 1:
        return tuple(None for _ in outcomes.T)
    sizes = fit.by_cell(np.ones((fit.cell.size, 1)))[:, :, 0]
    exchangeable = _same_groups(sizes)
    if math.prod(math.factorial(len(members)) for members in exchangeable) < FEWEST_ORDERS:
        return tuple(None for _ in outcomes.T)
    effects = [_LinearEffect.of(fit, sizes, outcome) for outcome in outcomes.T]
    places = np.arange(fit.n_clusters)
    seen = [float(effect.statistic(places[None, :], np.ones((1, places.size)))[0]) for effect in effects]
    extreme = np.zeros(len(effects))
    for start in range(0, draws, DRAWN_AT_ONCE):
        orders = np.tile(places, (min(DRAWN_AT_ONCE, draws - start), 1))
        for members in exchangeable:
            orders[:, members] = rng.permuted(orders[:, members], axis=1)
        signs = rng.choice(np.array([-1.0, 1.0]), size=orders.shape)
        for j, effect in enumerate(effects):
            # Equal up to rounding counts as equal, and so as no smaller.
            extreme[j] += np.sum(~(effect.statistic(orders, signs) < seen[j] * (1 - 1e-9)))
    return tuple(float((1 + count) / (1 + draws)) for count in extreme)


def _same_groups(sizes: FloatArray) -> tuple[IntArray, ...]:
    """Return the clusters that have units in the same groups, together; ``sizes`` has shape (clusters, groups)."""
    sets: dict[bytes, list[int]] = defaultdict(list)
    for cluster, row in enumerate(sizes > 0):
        sets[row.tobytes()].append(cluster)
    return tuple(np.array(members) for members in sets.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _LinearEffect:
    """CR2 scores of all clusters and then the estimate, as sums over what is moved: both are linear in the residuals.

    ``means`` (clusters, clusters, clusters + 1) is what the means of the second cluster add in the place of the first,
    ``deviations`` (clusters, clusters + 1) what the deviations of a cluster add.
    """

    means: FloatArray
    deviations: FloatArray

    @classmethod
    def of(cls, fit: Fit, sizes: FloatArray, outcome: FloatArray) -> "_LinearEffect":
        """Split the residuals of ``outcome`` (units,) without the focal regressor into means and deviations."""
        scores = Scores.of(fit)
        residuals = _without_focal(fit, outcome)
        means = fit.by_cell(residuals[:, None])[:, :, 0] / np.maximum(sizes, 1.0)
        deviations = residuals - means.ravel()[fit.cell]
        intercepts = (sizes / np.sqrt(fit.group_sizes))[:, None, :] * means[None, :, :]
        slopes = np.einsum("isk,js->ijk", fit.by_cell(fit.basis), means)
        return cls(
            means=_linear(
                (fit, scores),
                np.concatenate([intercepts, slopes], axis=2),
                fit.by_cell(scores.weights[:, None])[:, :, 0] @ means.T,
            ),
            deviations=_linear(
                (fit, scores),
                fit.loadings(deviations[:, None])[:, None, :, 0],
                fit.by_cluster((scores.weights * deviations)[:, None]),
            )[:, 0, :],
        )

    def statistic(self, orders: IntArray, signs: FloatArray) -> FloatArray:
        """Return studentised effects, shape (draws,).

        ``orders`` (draws, clusters) says whose means each cluster gets, ``signs`` the sign of its own deviations.
        """
        sums = signs @ self.deviations
        for place, means in enumerate(self.means):
            sums = sums + means[orders[:, place]]
        error = np.sqrt(np.sum(sums[:, :-1] ** 2, axis=1))
        found = np.full(error.shape, np.inf)
        np.divide(np.abs(sums[:, -1]), error, out=found, where=error > 0)
        return found


def _without_focal(fit: Fit, outcome: FloatArray) -> FloatArray:
    """Return residuals on groups and controls, shape (units,) as given."""
    means = fit.by_cell(outcome[:, None]).sum(axis=0)[:, 0] / fit.group_sizes
    centred = outcome - means[fit.group]
    controls = fit.basis[:, :-1]
    residuals: FloatArray = centred - controls @ (controls.T @ centred)
    return residuals


def _linear(design: tuple[Fit, Scores], loadings: FloatArray, own: FloatArray) -> FloatArray:
    """Return what each of several outcomes in the place of a cluster adds, (clusters, outcomes, clusters + 1).

    ``loadings`` (clusters, outcomes, parameters) are their products with the orthonormal design, ``own`` (clusters,
    outcomes) with the weights. A score is the product with the weights less what the fit explains of it.
    """
    fit, scores = design
    added = -loadings @ scores.loaded.T
    at = np.arange(fit.n_clusters)
    added[at, :, at] += own
    return np.concatenate([added, loadings[:, :, -1:] / fit.focal_rest], axis=2)
