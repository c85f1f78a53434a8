"""How a measure follows length, its twin at a shared length, caps, and scores that never change."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures import METRICS, MeasureRow, Rows, measure_rows
from qdcbench.measures.cards import Card, per_row, together
from qdcbench.measures.known import Around, Known
from qdcbench.measures.length import STRATA, at_length, slope_of_means, slope_of_strata, strata
from qdcbench.records import Measurement

CARD = Card(
    axis="complexity", summary="s", formula="f", variant="v", reference="none", unit="u", cost="O(n)", evidence="none"
)  # fmt: skip


def rows_of_lengths(lengths: list[int], around: Around | None = None, known: Known | None = None) -> Rows:
    rng = random.Random(7)
    words = [f"w{i}" for i in range(5000)]
    texts = tuple(" ".join(rng.choices(words, k=length)) for length in lengths)
    return Rows(prompts=texts, completions=("done",) * len(texts), around=around, known=known)


def one(row: MeasureRow, rows: Rows, n: int | None = None) -> Measurement:
    table = {row.name: row}
    stream = np.random.default_rng(0)
    return measure_rows(rows, n=n or len(rows), seed_stream=stream, table=table)[0]


@settings(deadline=None, max_examples=30)
@given(st.floats(-5, 5), st.floats(-3, 3))
def test_a_line_in_log_words_is_found_and_its_twin_is_the_line_at_the_reference(start: float, slope: float) -> None:
    lengths = [random.Random(i).randint(1, 60) for i in range(60)]
    line = per_row(CARD, "line", lambda rows: start + slope * rows.words("prompt"), side="prompt")
    found = one(line, rows_of_lengths(lengths, Around(words={"prompt": math.log(21)})))
    assert found.length_slope == pytest.approx(slope, abs=1e-9)
    assert found.at_length == pytest.approx(start + slope * math.log(21), abs=1e-8)


def test_a_power_of_length_is_found_on_the_parts_and_taken_out() -> None:
    card = Card(**{name: getattr(CARD, name) for name in Card.__slots__} | {"low": 0.0, "side": "prompt"})
    power = together(card, "power", lambda rows: float(np.exp(0.5 * rows.words("prompt").mean())))
    short, long = (
        one(power, rows_of_lengths([low + i % 30 for i in range(600)], Around(words={"prompt": math.log(30)})))
        for low in (3, 40)
    )
    assert (long.value or 0) / (short.value or 1) > 1.5
    assert short.length_slope == pytest.approx(0.5, abs=1e-6)
    assert short.at_length == pytest.approx(long.at_length, rel=1e-6) == pytest.approx(math.sqrt(30), rel=1e-6)


def test_the_twin_of_a_mean_starts_at_the_length_of_the_rows_behind_it() -> None:
    lengths = [3 + i // 2 for i in range(200)]
    rising = tuple(1.0 + 0.1 * i if i < 40 else None for i in range(200))
    short = float(np.log1p(lengths[:40]).mean())
    rows = rows_of_lengths(lengths, Around(words={"prompt": short, "both": 0.0}), Known(failed=rising))
    found = one(METRICS["fail_rate"], rows)
    assert found.value == pytest.approx(sum(rising[:40]) / 40) and found.length_slope  # type: ignore[arg-type]
    # The reference is these rows' own length, so nothing is to be moved; the range of a share cuts what passes 1.
    assert found.at_length == pytest.approx(min(1.0, found.value or 0))
    free = per_row(replace(CARD, side="prompt"), "free", lambda r: r.numbers("failed"))
    assert one(free, rows).at_length == pytest.approx(sum(rising[:40]) / 40)  # type: ignore[arg-type]


def test_a_measure_that_ignores_length_keeps_its_value() -> None:
    flat = together(CARD, "flat", lambda rows: 3.0, side="prompt")
    found = one(flat, rows_of_lengths([5 + i % 50 for i in range(400)], Around(words={"prompt": 9.0})))
    assert (found.length_slope, found.at_length, found.value) == (0.0, 3.0, 3.0)


def test_texts_of_one_length_or_few_rows_have_no_slope() -> None:
    row = METRICS["distinct_2"]
    assert one(row, rows_of_lengths([12] * 400)).length_slope is None
    assert one(row, rows_of_lengths([3 + i % 9 for i in range(50)])).length_slope is None
    assert one(row, rows_of_lengths([3 + i % 9 for i in range(400)])).length_slope is not None
    assert one(row, rows_of_lengths([3 + i % 9 for i in range(400)])).at_length is None, "no reference, no twin"


def test_parts_are_of_equal_size_and_rise_in_length() -> None:
    words = np.log1p(np.random.default_rng(1).integers(1, 90, 437).astype(np.float64))
    parts = strata(words)
    assert len(parts) == STRATA
    assert sorted(np.concatenate(parts).tolist()) == list(range(437))
    assert {len(part) for part in parts} <= {43, 44}
    means = [float(words[part].mean()) for part in parts]
    assert means == sorted(means)


def test_slopes_by_hand() -> None:
    x, y = np.asarray([0.0, 1.0, 2.0]), np.asarray([1.0, 3.0, 8.0])
    assert slope_of_means(x, y) == pytest.approx(3.5)
    assert slope_of_strata([0.0, 1.0, 2.0], [1.0, math.e, math.e**2]) == pytest.approx(1.0)
    assert slope_of_strata([0.0, 1.0], [1.0, 0.0]) is None
    assert slope_of_strata([0.0, 1.0], [1.0, None]) is None
    assert slope_of_strata([1.0, 1.0], [1.0, 2.0]) is None
    assert at_length(2.0, 0.5, 2.0, additive=True) == 3.0
    assert at_length(2.0, 0.5, 2.0, additive=False) == pytest.approx(2 * math.e)


def test_a_scorer_that_says_the_same_of_every_row_is_not_believed() -> None:
    rows = rows_of_lengths([3 + i % 9 for i in range(40)], known=Known(judge_score=(3.0,) * 40))
    found = one(METRICS["judge_score"], rows)
    assert found.value is None
    assert "all 40 rows got the same score 3" in found.reason
    mixed = rows_of_lengths([3 + i % 9 for i in range(40)], known=Known(judge_score=(3.0,) * 39 + (4.0,)))
    assert one(METRICS["judge_score"], mixed).value == pytest.approx(3.025)
    few = Rows(prompts=("a", "b"), completions=("x", "y"), known=Known(judge_score=(3.0, 3.0)))
    assert one(METRICS["judge_score"], few).value == 3.0, "two equal scores are no evidence"
    right = rows_of_lengths([3 + i % 9 for i in range(40)], known=Known(correct=(True,) * 40))
    assert one(METRICS["verified_share"], right).value == 1.0, "a verifier may find all rows right"


def test_rows_without_a_score_are_left_out_of_the_mean() -> None:
    scores = tuple(None if i % 2 else float(i) for i in range(40))
    rows = rows_of_lengths([3 + i % 9 for i in range(40)], known=Known(judge_score=scores))
    assert one(METRICS["judge_score"], rows).value == pytest.approx(19.0)


def test_a_capped_measure_is_taken_on_a_seeded_part_and_says_how_many() -> None:
    card = Card(**{name: getattr(CARD, name) for name in Card.__slots__} | {"at_most": 100})
    seen: list[tuple[str, ...]] = []

    def size(rows: Rows) -> float:
        seen.append(rows.prompts)
        return float(len(rows))

    rows = rows_of_lengths([3 + i % 50 for i in range(900)])
    found = one(together(card, "size", size), rows)
    assert (found.value, found.n) == (100.0, 100)
    again = [len(seen), one(together(card, "size", size), rows.take(np.arange(900)[::-1].copy()))]
    assert again[1] == found
    assert seen[0] == seen[again[0]], "the same rows for any order of the rows"
    assert len(set(seen[0]) - set(rows.prompts)) == 0
    # The cap does not hide that rows are missing.
    short = one(together(card, "size", size), rows_of_lengths([4] * 60), n=900)
    assert short.value is None
    assert "60 rows and 900 were asked for" in short.reason


def test_a_cap_changes_no_other_measure() -> None:
    rows = rows_of_lengths([3 + i % 50 for i in range(300)])
    card = Card(**{name: getattr(CARD, name) for name in Card.__slots__} | {"at_most": 100})
    capped = together(card, "capped", lambda part: float(len(part)))
    names = ["distinct_1", "distinct_2", "compression_ratio"]
    plain = {name: METRICS[name] for name in names}
    with_cap = {"capped": capped, **plain}
    alone = measure_rows(rows, n=250, seed_stream=np.random.default_rng(3), table=plain)
    beside = measure_rows(rows, n=250, seed_stream=np.random.default_rng(3), table=with_cap)
    assert beside[1:] == alone
    assert beside[0].n == 100
