"""General dominance against all orders by least squares."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.stats.bootstrap import Bootstrap, FloatArray
from qdcbench.stats.dominance import dominance, dominance_intervals
from qdcbench.stats.panel import ClusterSums, Panel, centre


def r_squared(x: FloatArray, y: FloatArray) -> float:
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0] if x.shape[1] else y
    return 1 - float(rest @ rest / (y @ y))


def over_all_orders(x: FloatArray, y: FloatArray) -> list[float]:
    k = x.shape[1]
    shares = np.zeros(k)
    orders = list(permutations(range(k)))
    for order in orders:
        for place, j in enumerate(order):
            shares[j] += r_squared(x[:, order[: place + 1]], y) - r_squared(x[:, order[:place]], y)
    return list(shares / len(orders))


def draw(seed: int, k: int = 4) -> tuple[Panel, FloatArray]:
    rng = np.random.default_rng(seed)
    clusters, groups = np.repeat(np.arange(9), 8), np.tile(np.repeat([0, 1], 4), 9)
    x = rng.standard_normal((9, k))[clusters] + rng.standard_normal((72, k)) @ rng.standard_normal((k, k))
    y = x @ rng.standard_normal((k, 2)) + 2 * rng.standard_normal((72, 2)) + groups[:, None] * 5
    return Panel(x=centre(x, groups), groups=groups, clusters=clusters), centre(y, groups)


def shares_of(panel: Panel, y: FloatArray) -> FloatArray:
    sums = ClusterSums.of(np.column_stack([panel.x, y]), panel.groups, panel.clusters)
    shares = dominance(sums.within(np.ones((1, sums.sizes.shape[0]))), panel.x.shape[1])
    return shares[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(("seed", "k"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
def test_shares_are_those_over_all_orders(seed: int, k: int) -> None:
    panel, y = draw(seed, k)
    found = shares_of(panel, y)
    for j in range(2):
        assert list(found[:, j]) == pytest.approx(over_all_orders(panel.x, y[:, j]), abs=1e-10)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_shares_add_to_r_squared_whatever_the_order_and_the_units(seed: int) -> None:
    panel, y = draw(seed)
    found = shares_of(panel, y)
    assert found.sum(axis=0) == pytest.approx([r_squared(panel.x, y[:, j]) for j in range(2)])
    assert (found >= -1e-12).all()
    order = np.random.default_rng(seed).permutation(4)
    turned = Panel(x=panel.x[:, order] * [-3.0, 0.01, 1.0, 50.0], groups=panel.groups, clusters=panel.clusters)
    np.testing.assert_allclose(shares_of(turned, -7 * y), found[order], atol=1e-9)


def test_regressors_that_are_one_column_share_it_evenly() -> None:
    panel, y = draw(7, 2)
    twice = Panel(x=np.column_stack([panel.x, panel.x[:, 1]]), groups=panel.groups, clusters=panel.clusters)
    found = shares_of(twice, y)
    assert found[1] == pytest.approx(found[2])
    assert found.sum(axis=0) == pytest.approx(shares_of(panel, y).sum(axis=0))
    flat = dominance(np.zeros((1, 3, 3)), 2)
    assert np.isnan(flat).all()


def test_intervals_resample_whole_clusters() -> None:
    panel, y = draw(8, 3)
    found = dominance_intervals(panel, y, np.random.default_rng(0), Bootstrap(resamples=150))
    direct = []
    for counts in np.random.default_rng(0).multinomial(9, np.full(9, 1 / 9), size=150):
        rows = np.repeat(np.arange(72), counts[panel.clusters])
        groups = panel.groups[rows]
        direct.append(over_all_orders(centre(panel.x[rows], groups), centre(y[rows], groups)[:, 1]))
    for j, interval in enumerate(found[1]):
        low, high = np.quantile(np.array(direct)[:, j], [0.025, 0.975])
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-10)
        assert interval.n == 9 and interval.point == pytest.approx(shares_of(panel, y)[j, 1])


def test_the_regressor_that_drives_a_score_gets_its_share() -> None:
    rng = np.random.default_rng(9)
    clusters, groups = np.repeat(np.arange(12), 20), np.tile(np.repeat([0, 1], 10), 12)
    x = centre(rng.standard_normal((240, 3)), groups)
    y = centre((2 * x[:, 1] + rng.standard_normal(240))[:, None], groups)
    found = shares_of(Panel(x=x, groups=groups, clusters=clusters), y)[:, 0]
    assert found[1] == pytest.approx(0.8, abs=0.05) and max(found[0], found[2]) < 0.03
