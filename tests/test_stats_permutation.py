"""Permutation of whole clusters keeps the level where free permutation does not."""

import numpy as np
import pytest

from qdcbench.stats.bootstrap import FloatArray
from qdcbench.stats.panel import Panel, standardise
from qdcbench.stats.permutation import permutation_p_values
from qdcbench.stats.relations import effects


def draw(rng: np.random.Generator, *, clusters: int = 10, k: int = 3, slope: float = 0.0, lost: float = 0.0,
         between: float = 1.0) -> tuple[Panel, FloatArray]:  # fmt: skip
    """Measures and errors that a cluster keeps over both its groups; ``lost`` is the share of datasets missing."""
    ids, at = np.repeat(np.arange(clusters), 8), np.tile(np.repeat([0, 1], 4), clusters)
    there = rng.random(ids.size) >= lost
    ids, at = ids[there], at[there]
    x = between * rng.standard_normal((clusters, k))[ids] + 0.4 * rng.standard_normal((ids.size, k))
    y = rng.standard_normal(clusters)[ids] + 0.4 * rng.standard_normal((clusters, 2))[ids, at]
    y = y + 0.4 * rng.standard_normal(ids.size) + slope * x[:, 0] + x[:, 1:].sum(axis=1)
    columns = np.column_stack([standardise(column, at) for column in x.T])  # type: ignore[list-item]
    outcome = standardise(y, at)
    assert outcome is not None
    return Panel(x=columns, groups=at, clusters=ids), outcome[:, None]


def p_of(panel: Panel, y: FloatArray, draws: int = 199) -> float:
    (p,) = permutation_p_values(panel, y, np.random.default_rng(0), draws)
    assert p is not None
    return p


@pytest.mark.parametrize(("clusters", "k", "lost"), [(8, 3, 0.0), (12, 5, 0.0), (12, 3, 0.15)])
def test_level_with_errors_that_clusters_share(clusters: int, k: int, lost: float) -> None:
    rng, trials = np.random.default_rng(clusters), 600
    p = np.array([p_of(*draw(rng, clusters=clusters, k=k, lost=lost)) for _ in range(trials)])
    assert np.mean(p <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_free_permutation_would_not_hold_its_level() -> None:
    """The same data with every dataset as a cluster of its own: the trap that moving whole clusters avoids."""
    rng, p = np.random.default_rng(1), []
    for _ in range(60):
        panel, y = draw(rng)
        p.append(p_of(Panel(x=panel.x, groups=panel.groups, clusters=np.arange(len(y))), y))
    assert np.mean(np.array(p) <= 0.05) > 0.2


def test_real_effects_are_found_between_and_within_clusters() -> None:
    rng = np.random.default_rng(2)
    for between in (1.0, 0.0):
        found = [p_of(*draw(rng, clusters=16, slope=2.0, between=between)) for _ in range(30)]
        assert np.mean(np.array(found) <= 0.05) > 0.9


def test_agrees_with_student_where_both_hold() -> None:
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(40):
        panel, y = draw(rng, clusters=24, slope=0.3)
        pairs.append((p_of(panel, y, 999), effects(panel, y)[0].p_value))
    mine, theirs = np.array(pairs, dtype=float).T
    assert np.corrcoef(mine, theirs)[0, 1] > 0.97 and np.abs(mine - theirs).mean() < 0.06


def test_moved_by_hand() -> None:
    """Orders and signs drawn by the test, each outcome refitted in full."""
    rng = np.random.default_rng(4)
    panel, y = draw(rng, clusters=4, k=1)
    centred = y[:, 0] - np.array([y[panel.groups == g, 0].mean() for g in (0, 1)])[panel.groups]
    means = np.array([[centred[(panel.clusters == c) & (panel.groups == g)].mean() for g in (0, 1)] for c in range(4)])
    rest = centred - means[panel.clusters, panel.groups]

    def t(values: FloatArray) -> float:
        (effect,) = effects(panel, values[:, None])
        assert effect.estimate is not None and effect.stderr is not None
        return abs(effect.estimate / effect.stderr)

    seen, larger = t(centred), []
    for _ in range(600):
        order, signs = rng.permutation(4), rng.choice([-1.0, 1.0], size=4)
        moved = means[order][panel.clusters, panel.groups] + signs[panel.clusters] * rest
        larger.append(t(moved) >= seen * (1 - 1e-9))
    assert p_of(panel, y, 20_000) == pytest.approx(np.mean(larger), abs=3.5 * np.sqrt(0.25 / 600))


def test_the_unit_and_the_order_of_outcomes_do_not_matter_and_no_p_value_is_zero() -> None:
    panel, y = draw(np.random.default_rng(5), slope=5.0)
    three = permutation_p_values(panel, np.column_stack([y, -3 * y, y[::-1]]), np.random.default_rng(0), 99)
    assert three[0] == three[1] == p_of(panel, y, 99) and three[0] >= 0.01  # type: ignore[operator]


def test_too_few_orders_and_impossible_fits_have_none() -> None:
    panel, y = draw(np.random.default_rng(6), clusters=3, k=1)
    assert permutation_p_values(panel, y, np.random.default_rng(0), 99) == (None,)
    # Four clusters of which no two have the same groups cannot be exchanged.
    rows = np.array([0, 1, 9, 10, 20, 21, 30, 31])
    ids = np.repeat(np.arange(4), 2)
    groups = np.array([0, 1, 1, 2, 2, 3, 3, 0])
    alone = Panel(x=panel.x[: rows.size], groups=groups, clusters=ids)
    assert permutation_p_values(alone, y[: rows.size], np.random.default_rng(0), 99) == (None,)
    twins = Panel(x=np.column_stack([panel.x, panel.x]), groups=panel.groups, clusters=panel.clusters)
    assert permutation_p_values(twins, y, np.random.default_rng(0), 99) == (None,)
