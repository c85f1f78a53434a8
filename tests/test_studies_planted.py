"""Planted editions have the effects, the spread and the datasets that they say they have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qdcbench.errors import ConfigError
from qdcbench.stages.analysis.table import table_of
from qdcbench.studies.nature import COLUMNS, LEVELS, nature_of, resized
from qdcbench.studies.planted import Planted, plant, table_of_truth, units_of_truth
from qdcbench.studies.trials import Source, source_of

EDITION = Path(__file__).resolve().parent.parent / "results" / "methods"
EFFECTS = np.array([[0.4, 0.1], [0.1, 0.4], [0.2, 0.2], [0.2, 0.0], [0.0, 0.1]])


@pytest.fixture(scope="module")
def source() -> Source:
    return source_of(EDITION)


def within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    means = np.array([values[groups == group].mean(axis=0) for group in np.unique(groups)])
    return values - means[np.unique(groups, return_inverse=True)[1]]


def test_the_columns_stay_where_they_lie_in_the_edition(source):
    truth = plant(source.nature, Planted(effects=EFFECTS), None, np.random.default_rng(0))
    assert truth.x is source.nature.x and len(truth.y) == len(source.units)
    share = [unit.measures["verified_share"] for unit in source.units]
    assert np.corrcoef(within(np.array(share)[:, None], truth.layout.group_codes)[:, 0], truth.x[:, 0])[0, 1] > 0.999


@pytest.mark.parametrize("n_methods", [None, 40])
def test_least_squares_finds_the_planted_effects(source, n_methods):
    rng, found = np.random.default_rng(1), []
    for _ in range(60):
        truth = plant(source.nature, Planted(effects=EFFECTS), n_methods, rng)
        groups = truth.layout.group_codes
        x, y = within(truth.x, groups), within(truth.y, groups)
        found.append(np.linalg.lstsq(x, y, rcond=None)[0] - EFFECTS)
    errors = np.array(found)
    assert np.abs(errors.mean(axis=0) / (errors.std(axis=0) / np.sqrt(len(errors)))).max() < 4


def test_a_score_has_the_variance_that_effects_are_measured_in(source):
    rng = np.random.default_rng(2)
    truths = [plant(source.nature, Planted(effects=EFFECTS), 40, rng) for _ in range(40)]
    spreads = [within(t.y, t.layout.group_codes).std(axis=0) for t in truths]
    assert np.mean(spreads) == pytest.approx(1.0, abs=0.05)
    ratios = [t.realised[EFFECTS != 0] / EFFECTS[EFFECTS != 0] for t in truths]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


def test_the_spread_of_a_large_planted_edition_is_the_spread_it_was_planted_with(source):
    planted = Planted(effects=np.zeros((len(COLUMNS), 2)), between=0.5)
    truth = plant(source.nature, planted, 400, np.random.default_rng(3))
    again = nature_of(units_of_truth(truth, source.units, source.suite), source.suite)
    for level in range(len(LEVELS)):
        assert again.columns[level] == pytest.approx(source.nature.columns[level], abs=0.08)
    assert again.errors[0] == pytest.approx(0.5 * source.nature.errors.sum(axis=0), abs=0.08)
    assert np.einsum("lkk->k", again.errors) == pytest.approx(1.0)


def test_heavy_tails_keep_the_variance(source):
    nothing = np.zeros((len(COLUMNS), 2))
    drawn = {}
    for tails in (0, 5):
        rng = np.random.default_rng(4)
        truth = plant(source.nature, Planted(effects=nothing, between=0.95, tails=tails), 1500, rng)
        drawn[tails] = within(truth.y, truth.layout.group_codes)[:, 0]
    assert drawn[5].std() == pytest.approx(drawn[0].std(), rel=0.1)
    assert stats.kurtosis(drawn[5]) > stats.kurtosis(drawn[0]) + 1


def test_own_slopes_make_methods_differ_in_what_an_axis_does(source):
    planted = Planted(effects=np.zeros((len(COLUMNS), 2)), own_slopes=0.5)
    truth = plant(source.nature, planted, 30, np.random.default_rng(5))
    plain = plant(source.nature, replace(planted, own_slopes=0.0), 30, np.random.default_rng(5))
    assert truth.y.var() != plain.y.var() and np.array_equal(truth.x, plain.x)


def test_table_and_units_of_a_planted_edition_say_the_same(source):
    truth = plant(source.nature, Planted(effects=EFFECTS), 7, np.random.default_rng(6))
    table = table_of_truth(truth, source.suite)
    units = units_of_truth(truth, source.units, source.suite)
    again = table_of("simulated", units, tuple(table.measures), tuple(table.scores))
    assert (again.groups, again.clusters) == (table.groups, table.clusters)
    for name in (*table.measures, *table.scores, "training words", "length"):
        assert np.array_equal(again.column(name), table.column(name))
    assert len(set(table.clusters)) == 7 and {u.record.spec.method for u in units} == set(table.clusters)


def test_another_number_of_methods_keeps_each_methods_settings(source):
    layout = source.nature.layout
    new = resized(layout, 50, np.random.default_rng(7))

    def shapes(of):
        methods = np.array(of.methods)
        return {tuple(sorted(np.array(of.groups)[methods == m])) for m in np.unique(methods)}

    assert len(set(new.methods)) == 50 and shapes(new) <= shapes(layout)
    assert all(new.groups[i] == layout.groups[s] for i, s in enumerate(new.sources))


def test_what_cannot_be_planted_is_refused_in_a_sentence(source):
    with pytest.raises(ConfigError, match="smaller"):
        plant(source.nature, Planted(effects=np.full((len(COLUMNS), 2), 0.9)), None, np.random.default_rng(0))
    unit = replace(source.units[0], measures={**source.units[0].measures, "verified_share": None})
    with pytest.raises(ConfigError, match="quality has no value"):
        nature_of([unit, *source.units[1:]], source.suite)
