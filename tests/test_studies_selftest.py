"""The self-test counts rightly, in any batches and with any number of workers, and sees an engine that is wrong."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qdcbench.cli import main
from qdcbench.records import from_json
from qdcbench.report.selftest import data, rates_table
from qdcbench.stats.operating import Rate, SelfTest, holds, rate
from qdcbench.studies.planted import Planted, plant
from qdcbench.studies.selftest import selftest, write_selftest
from qdcbench.studies.selftest_batches import EFFECTS, NULL, POWER, Plan, batches
from qdcbench.studies.selftest_findings import broken, findings
from qdcbench.studies.tally import Batch, Tally
from qdcbench.studies.tested import both_looks, first_looks
from qdcbench.studies.trials import relations_trial, second_looks_trial, source_of, verdicts_trial
from qdcbench.studies.trials_dials import MARGIN, TurnedDial, dials_trial
from qdcbench.studies.trials_rankings import EqualArms, rankings_trial

EDITION = Path(__file__).resolve().parent.parent / "results" / "methods"
FILES = ("selftest.json", "selftest.csv", "selftest.png", "selftest.pdf")


def counted(hits: int, of: int, **where: object) -> Rate:
    named = {"part": "relations", "design": "drawn", "size": 6, "scenario": NULL, "test": "quality on ID"}
    return rate(hits, of, **{**named, "what": "rejected at 5 %", "effect": 0.0, **where})


def batch(plan: Plan, part: str, design: str, size: int, scenario: str) -> Batch:
    return next(b for b in batches(plan) if (b.part, b.design, b.size, b.scenario) == (part, design, size, scenario))


def shares(tally: Tally) -> dict[tuple[str, str, float], float]:
    return {key: tally.hits[key] / of for key, of in tally.of.items()}


@pytest.mark.parametrize(("hits", "of"), [(0, 40), (1, 40), (97, 2000), (40, 40)])
def test_monte_carlo_intervals_are_exact(hits, of):
    found, known = counted(hits, of), stats.binomtest(hits, of).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert found.value == hits / of and 0 < found.stderr < 0.1
    assert holds(found, most=found.value) and not holds(found, least=found.high + 0.01)


def test_a_share_of_no_editions_is_none():
    found = counted(0, 0)
    assert found.value is None and found.stderr is None and (found.low, found.high) == (0.0, 1.0)


def test_broken_promises_are_seen():
    assert not broken(counted(100, 2000)) and broken(counted(200, 2000)) == "above 5%"
    assert not broken(counted(300, 2000, effect=0.3))
    assert broken(counted(1800, 2000, what="covered")) == "below 93%"
    assert broken(counted(2000, 2000, what="covered")) == "above 97%"
    assert not broken(counted(1900, 2000, what="covered"))
    small = "called too small to matter"
    assert broken(counted(400, 2000, what=small, effect=MARGIN)) and not broken(counted(400, 2000, what=small))


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    return Plan(source=EDITION, store=tmp_path_factory.mktemp("store"), editions=40, sizes=(8,))


def test_batches_do_not_change_what_is_counted(plan):
    for part, design, size, trial in (
        ("relations", "drawn", 8, relations_trial),
        ("verdicts", "committed", 20, verdicts_trial),
    ):
        whole = replace(batch(plan, part, design, size, NULL), n=5)
        cut = Tally()
        for first, n in ((0, 2), (2, 3)):
            cut.add(trial(replace(whole, first=first, n=n)))
        assert cut == trial(whole)


def test_first_looks_are_those_of_the_analysis(plan):
    """What the trial puts together without second looks is what the relations of the analysis say."""
    source = source_of(EDITION)
    suite = replace(source.suite, resamples=1)
    rng = np.random.default_rng(0)
    for n_methods in (None, 4, 6, 9):
        truth = plant(source.nature, Planted(effects=np.full((5, 2), 0.1)), n_methods, rng)
        alone = {one.name: one for tests in first_looks(truth, suite).values() for one in tests}
        for one, _ in both_looks(truth, suite):
            mine = alone.pop(one.name)
            assert (mine.effect, mine.realised) == (one.effect, one.realised)
            assert mine.p_value == pytest.approx(one.p_value, rel=1e-9)
            assert mine.p_adjusted == pytest.approx(one.p_adjusted, rel=1e-9)
            for left, right in ((mine.interval, one.interval), (mine.adjusted, one.adjusted)):
                assert (left.low, left.high, left.level) == pytest.approx((right.low, right.high, right.level))
        assert not alone


def test_every_kind_is_planted_as_often_as_it_says(plan):
    counts: dict[tuple[str, str, int, str], list[int]] = {}
    for one in batches(plan):
        numbers = counts.setdefault((one.part, one.design, one.size, one.scenario), [])
        numbers.extend(one.editions)
    assert all(numbers == list(range(len(numbers))) for numbers in counts.values())
    assert {len(numbers) for key, numbers in counts.items() if key[0] in ("interventions", "rankings")} == {40}
    assert {len(numbers) for key, numbers in counts.items() if key[3].startswith(POWER)} == {2}


def test_a_null_is_rejected_rarely_and_a_large_effect_often(plan):
    null = shares(relations_trial(replace(batch(plan, "relations", "committed", 20, NULL), n=40)))
    assert null["primaries", "any wrong after Holm", 0.0] <= 0.15
    assert null["quality on ID", "covered", 0.0] >= 0.85
    large = relations_trial(replace(batch(plan, "relations", "committed", 20, f"{POWER}, quality 0.8"), n=20))
    assert shares(large)["quality on ID", "rejected at 5 %", 0.8] >= 0.8


def test_planted_effects_are_the_truth_that_intervals_are_held_to(plan):
    found = shares(relations_trial(replace(batch(plan, "relations", "committed", 20, EFFECTS), n=30)))
    assert found["quality on ID", "covered", 0.4] >= 0.8
    assert ("diversity on ID - OOD", "covered", -0.3) in found


def test_second_looks_count_permutations_and_bootstraps(plan):
    found = shares(second_looks_trial(replace(batch(plan, "second looks", "drawn", 8, NULL), n=4)))
    assert {what for _, what, _ in found} == {
        "answered by permutation", "rejected by permutation", "covered by bootstrap",
    }  # fmt: skip


def dial(planted: TurnedDial, n: int = 400) -> dict[tuple[str, str, float], float]:
    size = planted.settings * planted.repetitions
    where = {"part": "interventions", "design": "factorial", "size": size, "scenario": "test"}
    return shares(dials_trial(Batch(**where, planted=planted, source=EDITION, root_seed=1, first=0, n=n)))


def test_dials_keep_their_level_and_find_what_moves():
    null = dial(TurnedDial(settings=2, repetitions=3))
    assert null["first dial", "rejected at 5 %", 0.0] < 0.09 and null["first dial", "covered", 0.0] > 0.91
    strong = dial(TurnedDial(settings=2, repetitions=5, effect=2.0))
    assert strong["first dial", "rejected at 5 %", 2.0] > 0.99 and strong["first dial", "covered", 2.0] > 0.91
    assert dial(TurnedDial(settings=2, repetitions=3, effect=MARGIN))[
        "first dial", "called too small to matter", MARGIN
    ] < 0.09  # fmt: skip
    assert dial(TurnedDial(settings=1, repetitions=1), n=3)["first dial", "answered", 0.0] == 0


def test_equal_arms_are_seldom_told_apart():
    where = {"part": "rankings", "design": "equal arms", "size": 6, "scenario": "test"}
    planted = EqualArms(repetitions=5)
    found = shares(rankings_trial(Batch(**where, planted=planted, source=EDITION, root_seed=1, first=0, n=400)))
    assert found["tie groups", "any wrong after Holm", 0.0] < 0.09


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, Path]:
    """The same small self-test with one worker and with two."""
    folders = []
    for workers in (1, 2):
        folder = tmp_path_factory.mktemp(f"workers{workers}")
        small = Plan(
            source=EDITION, store=folder / "store", editions=20, sizes=(), parts=("verdicts", "interventions"),
            workers=workers,
        )  # fmt: skip
        write_selftest(selftest(small), folder)
        folders.append(folder)
    return folders[0], folders[1]


def test_the_same_bytes_with_another_number_of_workers(written):
    for name in FILES:
        assert (written[0] / name).read_bytes() == (written[1] / name).read_bytes()


def test_an_interrupted_run_goes_on_from_the_store(written):
    """With the counts of all batches kept, nothing is tried again."""
    folder = written[0]
    small = Plan(source=EDITION, store=folder / "store", editions=20, sizes=(), parts=("verdicts", "interventions"))
    kept = sorted((folder / "store" / "selftest").glob("*/*"))
    assert len(kept) == len(batches(small))
    changed = {path: path.stat().st_mtime_ns for path in kept}
    write_selftest(selftest(small), folder / "again")
    assert {path: path.stat().st_mtime_ns for path in sorted((folder / "store" / "selftest").glob("*/*"))} == changed
    for name in FILES:
        assert (folder / name).read_bytes() == (folder / "again" / name).read_bytes()


def test_the_table_has_every_share(written):
    found = from_json(SelfTest, json.loads((written[0] / "selftest.json").read_text()), "selftest.json")
    rows = list(csv.DictReader(io.StringIO((written[0] / "selftest.csv").read_text())))
    assert len(rows) == len(found.rates) and rates_table(found) == (written[0] / "selftest.csv").read_text()
    assert {row["part"] for row in rows} == {"verdicts", "interventions"}
    assert found.datasets == 174 and set(found.spread) >= {"quality", "length", "rest of OOD"}
    assert all(sum(levels.values()) == pytest.approx(1, abs=1e-5) for levels in found.spread.values())


def invented() -> SelfTest:
    """Shares of every panel, two designs each."""
    rates = []
    for design, size in (("committed", 20), ("drawn", 6)):
        where = {"design": design, "size": size}
        rates.append(counted(120, 2000, **where))
        rates.append(counted(40, 2000, **where, test="primaries", what="any wrong after Holm"))
        rates.append(counted(1880, 2000, **where, scenario=EFFECTS, what="covered", effect=0.4))
        rates += [
            counted(hits, 500, **where, scenario=f"{POWER}, quality {effect:g}", effect=effect)
            for hits, effect in ((100, 0.2), (400, 0.5))
        ]
    return SelfTest(edition="e", editions=2000, root_seed=0, datasets=9, spread={}, rates=tuple(rates))


def test_the_figure_draws_each_share_once():
    rows = data(invented()).rows
    assert [row["panel"] for row in rows].count("power") == 4 and len(rows) == len(invented().rates)
    assert {row["value"] for row in rows if row["panel"] == "coverage"} == {0.94}


def test_the_figure_has_the_same_bytes_twice(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_selftest(invented(), tmp_path / name)
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_findings_name_what_is_broken():
    lines = findings(replace(invented(), rates=(counted(200, 2000), counted(90, 2000, test="quality on OOD"))))
    assert lines == [f"relations, drawn 6, {NULL}: rejected at 5 % 4.5–10.0 % (quality on ID above 5%)"]


@pytest.mark.parametrize(
    "words",
    [("--editions", "3"), ("--workers", "0"), ("--part", "ranking"), ("--source", "no/such/edition")],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(tmp_path, capsys, words):
    assert main(["study", "selftest", "--source", str(EDITION), "--out", str(tmp_path), *words]) == 1
    assert capsys.readouterr().err.startswith("qdcbench: ") and not list(tmp_path.iterdir())


def test_the_command_writes_and_says_what_it_found(tmp_path, capsys):
    words = ["--editions", "20", "--part", "rankings", "--workers", "1", "--source", str(EDITION)]
    assert main(["study", "selftest", *words, "--store", str(tmp_path), "--out", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert "selftest.csv" in out and "rankings, equal arms 28" in out
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(FILES)
    kept = json.loads((tmp_path / "new" / "selftest.json").read_text())["rates"]
    assert kept and all(one["low"] <= one["value"] <= one["high"] for one in kept)
