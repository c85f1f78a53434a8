"""Effects are those of least squares; their errors hold for few clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qdcbench.stats.bootstrap import Bootstrap, FloatArray
from qdcbench.stats.relations import Panel, bootstrap_effects, effects, leave_one_out, standardise
from qdcbench.stats.sandwich import Fit, Scores


def draw(rng: np.random.Generator, *, clusters: int = 8, groups: int = 2, repetitions: int = 3, k: int = 4,
         slope: float = 0.0) -> tuple[Panel, FloatArray]:  # fmt: skip
    """Regressors mostly between clusters, an outcome with shared cluster errors."""
    ids = np.repeat(np.arange(clusters), groups * repetitions)
    at = np.tile(np.repeat(np.arange(groups), repetitions), clusters)
    x = rng.standard_normal((clusters, k))[ids] + 0.45 * rng.standard_normal((clusters, groups, k))[ids, at]
    x += 0.15 * rng.standard_normal(x.shape)
    y = rng.standard_normal(clusters)[ids] + 0.5 * rng.standard_normal((clusters, groups))[ids, at]
    y += 0.3 * rng.standard_normal(ids.size) + slope * x[:, 0] + x[:, 1:] @ np.linspace(0.3, 0.9, k - 1)
    columns = [standardise(x[:, j], at) for j in range(k)]
    outcome = standardise(y + 3.0 * at, at)
    assert outcome is not None
    return Panel(x=np.column_stack(columns), groups=at, clusters=ids), outcome  # type: ignore[arg-type]


def keep(panel: Panel, rows: np.ndarray) -> Panel:
    return Panel(x=panel.x[rows], groups=panel.groups[rows], clusters=panel.clusters[rows])


def design_of(panel: Panel) -> FloatArray:
    return np.column_stack([panel.x, panel.groups[:, None] == np.unique(panel.groups)]).astype(float)


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_those_of_statsmodels(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api")
    panel, y = draw(np.random.default_rng(seed))
    model = api.OLS(y, design_of(panel)).fit(cov_type="cluster", cov_kwds={"groups": panel.clusters})
    (found,) = effects(panel, y[:, None])
    assert found.estimate == pytest.approx(model.params[0])
    # The usual sandwich is too small with few clusters; ours corrects upwards.
    assert found.stderr is not None and found.stderr > 0.8 * model.bse[0]
    assert found.correlation == pytest.approx(np.corrcoef(panel.x[:, 0], y)[0, 1])


@pytest.mark.parametrize("seed", range(3))
def test_mixed_model_with_an_intercept_per_method_finds_the_same_slope(seed: int) -> None:
    """Another model of the same data: methods as random intercepts in place of a sandwich."""
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(seed)
    clusters, groups = np.repeat(np.arange(40), 8), np.tile(np.repeat([0, 1], 4), 40)
    x = rng.standard_normal((40, 3))[clusters] + rng.standard_normal((320, 3))
    y = x @ [1.0, 0.5, -0.5] + 0.7 * rng.standard_normal(40)[clusters] + 0.7 * rng.standard_normal(320) + 3 * groups
    columns = np.column_stack([standardise(column, groups) for column in x.T])  # type: ignore[list-item]
    outcome = standardise(y, groups)
    assert outcome is not None
    panel = Panel(x=columns, groups=groups, clusters=clusters)
    (found,) = effects(panel, outcome[:, None])
    mixed = api.MixedLM(outcome, design_of(panel), groups=clusters).fit(reml=True)
    planted = np.sqrt(2) / np.sqrt(2 * 1.5 + 2 * 0.49)
    assert found.estimate == pytest.approx(planted, abs=0.12) and mixed.params[0] == pytest.approx(planted, abs=0.12)
    assert found.estimate == pytest.approx(mixed.params[0], abs=0.08)


def test_single_units_as_clusters_give_hc2_of_statsmodels() -> None:
    api = pytest.importorskip("statsmodels.api")
    panel, y = draw(np.random.default_rng(5))
    alone = Panel(x=panel.x, groups=panel.groups, clusters=np.arange(y.size))
    (found,) = effects(alone, y[:, None])
    assert found.stderr == pytest.approx(api.OLS(y, design_of(panel)).fit(cov_type="HC2").bse[0])


@pytest.mark.parametrize("seed", range(3))
def test_second_implementation_with_full_matrices(seed: int) -> None:
    panel, y = draw(np.random.default_rng(seed), clusters=6, k=3)
    z, n = design_of(panel), y.size
    annihilator = np.eye(n) - z @ np.linalg.pinv(z)
    residuals, influence = annihilator @ y, np.linalg.pinv(z)[0]
    scores = []
    for cluster in np.unique(panel.clusters):
        pick = np.diag((panel.clusters == cluster).astype(float))
        values, vectors = np.linalg.eigh(pick @ annihilator @ pick)
        root = vectors @ np.diag([v**-0.5 if v > 1e-8 else 0.0 for v in values]) @ vectors.T
        scores.append(influence @ pick @ root @ pick @ annihilator)
    rows = np.array(scores)
    same = (panel.clusters[:, None] == panel.clusters).astype(float)
    apart = same - np.eye(n)
    shared = min(max((residuals @ apart @ residuals / apart.sum()) / (residuals @ residuals / n), 0), 0.99)
    covariance = rows @ ((1 - shared) * np.eye(n) + shared * same) @ rows.T
    (found,) = effects(panel, y[:, None])
    assert found.stderr == pytest.approx(np.sqrt(np.sum((rows @ y) ** 2)))
    assert found.df == pytest.approx(np.trace(covariance) ** 2 / np.trace(covariance @ covariance))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.estimate / found.stderr), found.df))  # type: ignore[operator]


@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_small_matrices_give_what_dense_ones_give(seed: int, clusters: int, k: int, groups: int) -> None:
    """I - H_gg in full against identity minus something of low rank; ragged clusters, missing cells."""
    rng = np.random.default_rng(seed)
    panel, y = draw(rng, clusters=clusters, k=k, groups=groups, repetitions=4)
    rows = np.flatnonzero(rng.random(y.size) < 0.8)
    panel, y = keep(panel, rows), y[rows]
    z = design_of(panel)
    n_clusters = np.unique(panel.clusters).size
    if n_clusters < 3 or y.size <= z.shape[1] + 1 or np.linalg.matrix_rank(z) < z.shape[1]:
        return
    inverse = np.linalg.inv(z.T @ z)
    annihilator, influence = np.eye(y.size) - z @ inverse @ z.T, inverse[0] @ z.T
    lines = []
    for cluster in np.unique(panel.clusters):
        own = np.flatnonzero(panel.clusters == cluster)
        values, vectors = np.linalg.eigh(annihilator[np.ix_(own, own)])
        root = (vectors * np.where(values > 1e-8, np.maximum(values, 1e-8) ** -0.5, 0.0)) @ vectors.T
        lines.append(influence[own] @ root @ annihilator[own])
    fit = Fit.of(panel)
    assert fit is not None
    scores = Scores.of(fit)
    residuals = annihilator @ y
    mine = fit.by_cluster((scores.weights * residuals)[:, None])[:, 0]
    np.testing.assert_allclose(mine, np.array(lines) @ y, atol=1e-10)
    independent = np.diag(scores.own) - scores.loaded @ scores.loaded.T
    np.testing.assert_allclose(independent, np.array(lines) @ np.array(lines).T, atol=1e-10)
    ones = (panel.clusters[:, None] == np.unique(panel.clusters)).astype(float)
    np.testing.assert_allclose(
        np.diag(scores.total) - scores.loaded @ scores.ones.T, np.array(lines) @ ones, atol=1e-10
    )


def test_balanced_cluster_treatment_has_the_degrees_of_freedom_of_a_two_sample_t_test() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(8), 5)
    groups = np.zeros(40, dtype=np.int64)
    treated = standardise((clusters % 2).astype(float), groups)
    y = standardise(rng.standard_normal(8)[clusters] + rng.standard_normal(40), groups)
    assert treated is not None and y is not None
    (found,) = effects(Panel(x=treated[:, None], groups=groups, clusters=clusters), y[:, None])
    means = np.array([y[clusters == c].mean() for c in range(8)])
    theirs = stats.ttest_ind(means[1::2], means[::2])
    assert found.df == pytest.approx(6)
    assert found.p_value == pytest.approx(theirs.pvalue)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_order_names_and_units_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    panel, y = draw(rng, clusters=6, k=3)
    rows, names = rng.permutation(y.size), rng.permutation(6)
    other = keep(Panel(x=panel.x, groups=1 - panel.groups, clusters=names[panel.clusters]), rows)
    (left,), (right,) = effects(panel, y[:, None]), effects(other, y[rows][:, None])
    for name in ("estimate", "stderr", "df", "p_value", "detectable", "n_effective"):
        assert getattr(left, name) == pytest.approx(getattr(right, name), rel=1e-6)
    scaled = standardise(17.0 - 3.0 * panel.x[:, 0] + 5.0 * panel.groups, panel.groups)
    np.testing.assert_allclose(scaled, -standardise(panel.x[:, 0], panel.groups), atol=1e-9)  # type: ignore[operator]


def test_partial_effect_is_that_of_residuals_on_residuals() -> None:
    panel, y = draw(np.random.default_rng(7))
    rest = np.delete(design_of(panel), 0, axis=1)
    swept = [v - rest @ np.linalg.lstsq(rest, v, rcond=None)[0] for v in (panel.x[:, 0], y)]
    assert effects(panel, y[:, None])[0].estimate == pytest.approx(swept[0] @ swept[1] / (swept[0] @ swept[0]))


def test_leaving_out_a_cluster_is_fitting_without_it() -> None:
    panel, y = draw(np.random.default_rng(8))
    direct = []
    for cluster in range(8):
        rows = np.flatnonzero(panel.clusters != cluster)
        rest = keep(panel, rows)
        estimate = np.linalg.lstsq(design_of(rest), y[rows], rcond=None)[0][0]
        spreads = [np.std(v - [v[rest.groups == g].mean() for g in rest.groups]) for v in (rest.x[:, 0], y[rows])]
        direct.append(estimate * spreads[0] / spreads[1])
    assert leave_one_out(panel, y) == pytest.approx((min(direct), max(direct)))


def test_leaving_out_a_cluster_of_a_difference_standardises_both_terms_anew() -> None:
    rng = np.random.default_rng(8)
    panel, y = draw(rng)
    other = standardise(0.9 * y + 0.1 * rng.standard_normal(y.size), panel.groups)
    assert other is not None
    direct = []
    for cluster in range(8):
        rest, rows = keep(panel, panel.clusters != cluster), panel.clusters != cluster
        x = np.column_stack([standardise(column, rest.groups) for column in rest.x.T])  # type: ignore[list-item]
        both = np.column_stack([standardise(v[rows], rest.groups) for v in (y, other)])  # type: ignore[list-item]
        slopes = np.linalg.lstsq(x, both, rcond=None)[0][0]
        direct.append(slopes[0] - slopes[1])
    found = leave_one_out(panel, y, other)
    assert found == pytest.approx((min(direct), max(direct)))
    (whole,) = effects(panel, (y - other)[:, None])
    assert found is not None and found[0] <= whole.estimate <= found[1]  # type: ignore[operator]


def test_bootstrap_refits_repeated_clusters() -> None:
    panel, y = draw(np.random.default_rng(9), clusters=12, slope=1.0)
    found = bootstrap_effects(panel, np.column_stack([y, -y]), np.random.default_rng(0), Bootstrap(resamples=400))
    rng, direct = np.random.default_rng(0), []
    for counts in rng.multinomial(12, np.full(12, 1 / 12), size=400):
        rows = np.repeat(np.arange(y.size), counts[panel.clusters])
        direct.append(np.linalg.lstsq(design_of(keep(panel, rows)), y[rows], rcond=None)[0][0])
    assert (found[0].low, found[0].high) == pytest.approx(tuple(np.quantile(direct, [0.025, 0.975])))
    assert found[1].low == pytest.approx(-found[0].high)  # type: ignore[operator]


@pytest.mark.parametrize(("clusters", "k"), [(4, 2), (5, 3), (6, 4), (8, 4), (8, 5)])
def test_null_effects_are_found_at_no_more_than_the_level(clusters: int, k: int) -> None:
    rng = np.random.default_rng(clusters)
    p = []
    for _ in range(500):
        panel, y = draw(rng, clusters=clusters, k=k)
        p.append(effects(panel, y[:, None])[0].p_value)
    assert np.mean(np.array(p) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_intervals_cover_and_real_effects_are_found() -> None:
    rng, covered, seen = np.random.default_rng(1), 0, 0
    for _ in range(300):
        panel, y = draw(rng, clusters=10)
        (found,) = effects(panel, (y + 1.5 * panel.x[:, 0])[:, None])
        interval, (nothing,) = found.interval(), effects(panel, y[:, None])
        assert interval.low is not None and interval.high is not None
        seen += interval.low > 0
        covered += interval.low < 1.5 < interval.high
        assert found.estimate - nothing.estimate == pytest.approx(1.5)  # type: ignore[operator]
    assert seen > 0.8 * 300
    assert covered > 0.92 * 300


def test_a_control_that_others_make_up_changes_nothing() -> None:
    panel, y = draw(np.random.default_rng(3))
    again = panel.x[:, 1] - 2 * panel.x[:, 3]
    more = Panel(x=np.column_stack([panel.x, again]), groups=panel.groups, clusters=panel.clusters)
    (left,), (right,) = effects(panel, y[:, None]), effects(more, y[:, None])
    for name in ("estimate", "stderr", "df", "p_value", "n_effective"):
        assert getattr(left, name) == pytest.approx(getattr(right, name), rel=1e-8)
    assert leave_one_out(more, y) == pytest.approx(leave_one_out(panel, y))
    how = Bootstrap(resamples=200)
    (mine,), (theirs,) = (bootstrap_effects(p, y[:, None], np.random.default_rng(0), how) for p in (panel, more))
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high))


def test_many_outcomes_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(4)
    panel, y = draw(rng)
    outcomes = np.column_stack([y, rng.standard_normal(y.size), panel.x[:, 0]])
    together = effects(panel, outcomes)
    for j, one in enumerate(together):
        (alone,) = effects(panel, outcomes[:, j : j + 1])
        assert one.estimate == pytest.approx(alone.estimate) and one.reason == alone.reason
        assert one.stderr == pytest.approx(alone.stderr) and one.df == pytest.approx(alone.df)


def test_what_cannot_be_fitted_says_why() -> None:
    panel, y = draw(np.random.default_rng(2))
    twins = Panel(x=np.column_stack([panel.x, panel.x[:, 0]]), groups=panel.groups, clusters=panel.clusters)
    assert "collinear" in effects(twins, y[:, None])[0].reason
    spent = np.repeat(np.arange(4), 6)
    between = np.column_stack([standardise(v[spent], np.zeros(24, dtype=np.int64)) for v in np.eye(4)[:3]])  # type: ignore[list-item]
    (unknown,) = effects(Panel(x=between, groups=spent * 0, clusters=spent), y[:24, None])
    assert unknown.estimate is not None and unknown.p_value is None and "4 methods are too few" in unknown.reason
    two = keep(panel, np.flatnonzero(panel.clusters < 2))
    assert "2 methods" in effects(two, y[panel.clusters < 2][:, None])[0].reason
    small = keep(panel, np.array([0, 6, 12, 18, 24, 30]))
    found = effects(small, y[[0, 6, 12, 18, 24, 30]][:, None])[0]
    assert found.reason == "" or "too few" in found.reason
    (exact,) = effects(panel, panel.x[:, :1])
    assert exact.estimate == pytest.approx(1.0) and exact.p_value is None and "exact" in exact.reason
    assert standardise(np.full(6, 3.0), np.array([0, 0, 0, 1, 1, 1])) is None
    assert standardise(np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 1, 1])) is None
