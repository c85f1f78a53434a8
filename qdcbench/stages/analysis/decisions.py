"""The rule that answers a study, the same for all and fixed before the data."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from qdcbench.records import Interval, LevelMean, Study, StudyTest
from qdcbench.records.study import Answer
from qdcbench.stats.equivalence import equivalence_p

__all__ = [
    "FEWEST_CLUSTERS",
    "FEWEST_DATASETS",
    "FEWEST_REPETITIONS",
    "Estimate",
    "combined",
    "decided",
    "rule_of",
]

FEWEST_CLUSTERS = 6
FEWEST_DATASETS = 12
FEWEST_REPETITIONS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What the data say of one test, before the rule: a number with Student's error, or the ``reason`` for none.

    ``left_out`` says in a sentence what had to be left out. ``leave_one_out`` holds the least and the greatest estimate
    without one method, None where that cannot be fitted or is not asked (interventions).
    """

    unit: str
    point: float | None = None
    stderr: float | None = None
    df: float | None = None
    p_value: float | None = None
    n_units: int = 0
    n_clusters: int = 0
    reason: str = ""
    left_out: str = ""
    p_permutation: float | None = None
    detectable: float | None = None
    leave_one_out: tuple[float, float] | None = None
    curve: tuple[LevelMean, ...] = ()
    by_group: tuple[tuple[str, Interval], ...] = ()

    def interval(self, level: float = 0.95) -> Interval:
        """Return the estimate with Student's interval at that level."""
        low = high = None
        if self.point is not None and self.stderr is not None and self.df is not None:
            half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.stderr
            low, high = self.point - half, self.point + half
        return Interval(point=self.point, low=low, high=high, level=level, kind="t", n=self.n_units, reason=self.reason)

    def p_equivalence(self, margin: float) -> float | None:
        """Return the p-value of an effect as large as the margin; None where no error is known."""
        if self.point is None or not self.stderr or self.df is None:
            return None
        return equivalence_p(self.point, self.stderr, self.df, margin)

    def p_claimed(self, test: StudyTest) -> float | None:
        """Return the p-value that decides a test: of no effect, or of one too large where none is claimed."""
        return self.p_equivalence(test.smallest_effect) if test.expect == "stays" else self.p_value


def decided(
    study: Study, test: StudyTest, estimate: Estimate, adjusted: Interval, widest: Interval
) -> tuple[Answer, str]:
    """Apply the rule to one test; the second item is the reason where the answer is undetermined.

    ``adjusted`` is the interval at the level that Holm gives the test, ``widest`` the one at the level of Bonferroni:
    that a claimed effect is too small to matter is another hypothesis than the one that Holm's steps are about.
    """
    few = _too_few(study, estimate)
    if few:
        return "undetermined", few
    if adjusted.point is None or adjusted.low is None or adjusted.high is None:
        return "undetermined", estimate.reason or "there is no interval"
    apart = _groups_apart(estimate)
    if apart:
        return "undetermined", apart
    sign, margin = (-1.0 if test.expect == "falls" else 1.0), test.smallest_effect
    low, high = sorted(sign * bound for bound in (adjusted.low, adjusted.high))
    small = _within(adjusted if test.expect == "stays" else widest, margin)
    if test.expect == "stays":
        far = low >= margin or high <= -margin
        answer: Answer = "supported" if small else "contradicted"
        if not small and not far:
            return "undetermined", "the interval holds effects that matter and effects that do not"
    elif small or high < 0:
        answer = "contradicted"
    elif low <= 0:
        return "undetermined", "the interval holds zero and effects that matter"
    elif _within(adjusted, margin):
        return "undetermined", "it lies on that side of zero, but perhaps too near to matter"
    else:
        answer = "supported"
    if study.design == "observational":
        hangs = _hangs_on_one(estimate, margin, small=small)
        if hangs:
            return "undetermined", hangs
    return answer, ""


def _within(interval: Interval, margin: float) -> bool:
    return interval.low is not None and interval.high is not None and max(-interval.low, interval.high) < margin


def _too_few(study: Study, estimate: Estimate) -> str:
    n, k = estimate.n_units, estimate.n_clusters
    if study.design == "observational" and (k < FEWEST_CLUSTERS or n < FEWEST_DATASETS):
        least = f"at least {FEWEST_DATASETS} of {FEWEST_CLUSTERS}"
        return estimate.reason * (n == 0) or f"{n} datasets of {k} methods are too few ({least})"
    if study.design == "interventional" and k < FEWEST_REPETITIONS:
        return (
            estimate.reason * (n == 0)
            or f"{k} {'repetition is' if k == 1 else 'repetitions are'} too few (at least {FEWEST_REPETITIONS})"
        )
    return ""


def _groups_apart(estimate: Estimate) -> str:
    """Return a sentence where two groups have opposite effects beyond error: their mean is true of neither."""
    up = [name for name, its in estimate.by_group if its.low is not None and its.low > 0]
    down = [name for name, its in estimate.by_group if its.high is not None and its.high < 0]
    return f"it rises in {', '.join(up)} and falls in {', '.join(down)}" if up and down else ""


def _hangs_on_one(estimate: Estimate, margin: float, *, small: bool) -> str:
    """Return a sentence where one method alone carries the answer."""
    if estimate.leave_one_out is None or estimate.point is None:
        return "the effect cannot be fitted without one of the methods"
    least, greatest = sorted(estimate.leave_one_out)
    if small:
        stays = -margin < least and greatest < margin
    else:
        stays = least >= estimate.point / 2 if estimate.point > 0 else greatest <= estimate.point / 2
    return "" if stays else "it hangs on one method"


def combined(answers: Sequence[Answer]) -> Answer:
    """Supported only if all are; contradicted as soon as one is."""
    if "contradicted" in answers:
        return "contradicted"
    return "supported" if answers and all(answer == "supported" for answer in answers) else "undetermined"


def rule_of(study: Study) -> str:
    """Return the rule of a study as people read it."""
    wanted = "; ".join(_wanted(test) for test in study.tests)
    among = f"the level that Holm gives it among all {study.design} tests of the scope (alpha {study.alpha:g})"
    return (
        f"{_estimated(study)} Interval at {among}. Supported if all hold: {wanted}. Contradicted if one interval lies "
        "on the other side of zero, or (at Bonferroni's level) within the margin where a change is claimed, or wholly "
        "beyond it where none is. "
        f"{_guard(study)}"
    )


def _wanted(test: StudyTest) -> str:
    margin = f"±{test.smallest_effect:g}"
    if test.expect == "stays":
        return f"{test.outcome} stays, interval within {margin}"
    side = "above" if test.expect == "rises" else "below"
    return f"{test.outcome} {test.expect}, interval {side} zero and not within {margin}"


def _estimated(study: Study) -> str:
    if study.design == "observational":
        return (
            f"Effect of {study.factor} in standard deviations, the other axes, training words and length held within "
            "settings, methods as clusters."
        )
    against = f", less that of {study.against} at the same level and repetition" if study.against else ""
    return (
        f"Change of the outcome from the lowest to the highest {study.factor} of {study.method}{against}: slope "
        "in each repetition and group with the other dials held, Student's t over repetitions, each the mean of its "
        "groups, which share seeds."
    )


def _guard(study: Study) -> str:
    if study.design == "observational":
        return (
            "Either answer must outlive leaving out any one method: half of the effect stays, or a small effect stays "
            f"small. Undetermined otherwise, and with fewer than {FEWEST_CLUSTERS} methods or {FEWEST_DATASETS} "
            "datasets."
        )
    return (
        f"Undetermined otherwise, with fewer than {FEWEST_REPETITIONS} repetitions, and where groups have opposite "
        "effects beyond error."
    )
