"""Planted variances are recovered, balanced designs give the textbook's and statsmodels' estimates."""

import numpy as np
import pytest

from qdcbench.stats.variance import Components, Labels, components

SOURCES = ("arm", "repetition", "dataset", "probe")
SPREAD = {"arm": 1.0, "repetition": 0.5, "dataset": 0.7, "shared probe": 0.3, "own probe": 0.4}
TRUTH = (1.0, 0.25, 0.49, 0.25)


def draw(rng: np.random.Generator, arms: int, repetitions: int, probes: int) -> tuple[np.ndarray, Labels]:
    a, r, p = (x.ravel() for x in np.indices((arms, repetitions, probes)))
    values = (
        SPREAD["arm"] * rng.normal(size=arms)[a]
        + SPREAD["repetition"] * rng.normal(size=repetitions)[r]
        + SPREAD["dataset"] * rng.normal(size=(arms, repetitions))[a, r]
        + SPREAD["shared probe"] * rng.normal(size=(repetitions, probes))[r, p]
        + SPREAD["own probe"] * rng.normal(size=a.size)
    )
    return values, Labels(arm=a, repetition=r, probe=p)


def some(labels: Labels, kept: np.ndarray) -> Labels:
    return Labels(arm=labels.arm[kept], repetition=labels.repetition[kept], probe=labels.probe[kept])


def numbers(found: Components) -> list[float]:
    return [getattr(found, source) for source in SOURCES]


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_planted_variances_are_recovered_on_average(missing: float) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        values, labels = draw(rng, 8, 5, 2)
        kept = rng.random(values.size) >= missing
        found.append(numbers(components(values[kept], some(labels, kept))))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - TRUTH) < 4 * error)
    assert np.all(error < 0.1)


def test_one_probe_leaves_its_variance_inside_the_others() -> None:
    rng = np.random.default_rng(1)
    found = [components(*draw(rng, 8, 5, 1)) for _ in range(300)]
    assert all(one.probe is None for one in found)
    means = np.mean([[one.arm, one.repetition, one.dataset] for one in found], axis=0)
    assert means == pytest.approx([1.0, 0.25 + 0.09, 0.49 + 0.16], rel=0.15)


def test_a_balanced_design_is_the_analysis_of_variance_by_hand() -> None:
    values, labels = draw(np.random.default_rng(2), 6, 4, 3)
    y = values.reshape(6, 4, 3)
    cell, arm, repetition = y.mean(2), y.mean((1, 2)), y.mean((0, 2))
    ms_arm = 12 * arm.var(ddof=1)
    ms_repetition = 18 * repetition.var(ddof=1)
    ms_dataset = 3 * np.sum((cell - arm[:, None] - repetition + y.mean()) ** 2) / 15
    shared = y.mean(0)
    ms_shared = 6 * np.sum((shared - repetition[:, None]) ** 2) / 8
    ms_own = np.sum((y - cell[:, :, None] - shared + repetition[:, None]) ** 2) / 40
    found = components(values, labels)
    assert found.probe == pytest.approx((ms_shared - ms_own) / 6 + ms_own)
    assert found.probe == pytest.approx(y.var(axis=2, ddof=1).mean())
    assert found.dataset == pytest.approx((ms_dataset - ms_own) / 3)
    assert found.arm == pytest.approx((ms_arm - ms_dataset) / 12)
    assert found.repetition == pytest.approx((ms_repetition - ms_dataset - ms_shared + ms_own) / 18)


def test_statsmodels_restricted_likelihood_agrees_where_the_design_is_balanced() -> None:
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    values, labels = draw(np.random.default_rng(3), 10, 6, 1)
    exog = np.ones((values.size, 1))
    columns = {"arm": labels.arm, "repetition": labels.repetition}
    names = tuple(columns)
    designs = [[(codes[:, None] == np.unique(codes)).astype(float)] for codes in columns.values()]
    spec = mixed.VCSpec(names, [[[str(i) for i in range(d[0].shape[1])]] for d in designs], designs)
    fit = mixed.MixedLM(values, exog, np.zeros(values.size), exog_re=None, exog_vc=spec).fit(reml=True)
    found = components(values, labels)
    assert found.dataset == pytest.approx(fit.scale, rel=1e-3)
    assert [found.arm, found.repetition] == pytest.approx(list(fit.vcomp), rel=1e-2)


def test_moving_and_scaling_scores_does_what_it_must() -> None:
    values, labels = draw(np.random.default_rng(4), 5, 4, 2)
    plain = np.array(numbers(components(values, labels)))
    assert numbers(components(3 * values + 50, labels)) == pytest.approx(9 * plain)
    shuffled = np.random.default_rng(5).permutation(values.size)
    assert numbers(components(values[shuffled], some(labels, shuffled))) == pytest.approx(plain)


def test_what_a_design_cannot_tell_is_none() -> None:
    values, labels = draw(np.random.default_rng(6), 5, 4, 2)
    one_arm = labels.arm == 0
    assert numbers(components(values[one_arm], some(labels, one_arm))) == [None] * 4
    once = labels.repetition == 0
    found = components(values[once], some(labels, once))
    assert (found.arm, found.repetition, found.dataset) == (None, None, None) and found.probe is not None
    apart = labels.arm == labels.repetition
    found = components(values[apart], some(labels, apart))
    assert (found.arm, found.repetition, found.dataset) == (None, None, None)
