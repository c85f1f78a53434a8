"""Measures of quality: shares of checks, means of scorers' columns, ratios of likelihoods."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.measures.cards import MeasureRow
from qdcbench.measures.complexity import scored as complexity
from qdcbench.measures.instrument import measure_rows
from qdcbench.measures.known import Around, Known
from qdcbench.measures.quality import measures
from qdcbench.measures.rows import Rows, Unmeasurable
from qdcbench.records import Measurement

TABLE: dict[str, MeasureRow] = {row.name: row for row in [*measures(), *complexity.measures()]}


def rows_with(n: int, around: Around | None = None, **columns: object) -> Rows:
    prompts = tuple(f"prompt {i}" for i in range(n))
    return Rows(prompts=prompts, completions=("answer",) * n, known=Known(**columns), around=around)  # type: ignore[arg-type]


def taken(rows: Rows, name: str, n: int | None = None) -> Measurement:
    stream = np.random.default_rng(0)
    return measure_rows(rows, n=n or len(rows), seed_stream=stream, names=[name], table=TABLE)[0]


@pytest.mark.parametrize(("name", "column"), [("gold_share", "gold"), ("majority_share", "majority")])
def test_rows_without_anything_to_agree_with_are_left_out(name: str, column: str) -> None:
    found = taken(rows_with(5, **{column: (True, None, False, True, None)}), name)
    assert found.value == pytest.approx(2 / 3)
    none = taken(rows_with(2, **{column: (None, None)}), name)
    assert none.value is None
    assert "answer to compare" in none.reason
    assert taken(rows_with(2), name).value is None


def test_yield_is_of_the_run_and_not_of_the_rows() -> None:
    around = Around(attempted=40, accepted=10)
    assert taken(rows_with(30, around), "effective_yield").value == 0.25
    assert taken(rows_with(30, around), "effective_yield", n=7).value == 0.25
    assert "nobody counted" in taken(rows_with(3), "effective_yield").reason
    assert "nobody counted" in taken(rows_with(3, Around(attempted=0, accepted=0)), "effective_yield").reason
    assert "11 attempts" in taken(rows_with(3, Around(attempted=10, accepted=11)), "effective_yield").reason


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("judge_score", "judge_score"),
        ("win_share", "win"),
        ("reward", "reward"),
        ("rated_quality", "rated_quality"),
        ("answer_nll", "answer_nll"),
        ("fail_rate", "failed"),
        ("rank_strength", "rank"),
        ("rated_complexity", "rated_complexity"),
    ],
)
def test_a_scored_measure_is_the_mean_of_its_column(name: str, column: str) -> None:
    assert taken(rows_with(4, **{column: (0.25, None, 1.0, 0.25)}), name).value == pytest.approx(0.5)
    constant = taken(rows_with(30, **{column: (1.0,) * 30}), name)
    # A model may fail on every prompt, and one set of answers may win throughout; ratings are never all alike.
    assert constant.value == (1.0 if name in ("win_share", "fail_rate") else None)
    assert ("did not look" in constant.reason) == (constant.value is None)
    assert taken(rows_with(4), name).value is None


def test_ifd_is_the_ratio_of_losses_and_the_other_form_of_perplexities() -> None:
    losses = {"answer_nll": (1.0, 3.0, None, 2.0), "blank_nll": (2.0, 2.0, 2.0, 0.0)}
    rows = rows_with(4, **losses)
    assert taken(rows, "ifd").value == pytest.approx((0.5 + 1.5) / 2)
    assert taken(rows, "ifd_difficulty").value == taken(rows, "ifd").value
    assert taken(rows, "ifd_above_one").value == pytest.approx(0.5)
    assert taken(rows, "ifd_ppl").value == pytest.approx((math.e**-1 + math.e + math.e**2) / 3)
    assert "no reference model" in taken(rows_with(2, answer_nll=(1.0, 2.0)), "ifd").reason
    assert "no row has both" in taken(rows_with(2, answer_nll=(1.0, None), blank_nll=(None, 1.0)), "ifd_ppl").reason
    assert "no row has both" in taken(rows_with(1, answer_nll=(1.0,), blank_nll=(0.0,)), "ifd").reason


@given(st.lists(st.tuples(st.floats(0.01, 20), st.floats(0.01, 20)), min_size=1, max_size=30))
@settings(deadline=None)
def test_both_forms_of_ifd_agree_on_which_prompts_help(losses: list[tuple[float, float]]) -> None:
    given_prompt, blank = zip(*losses, strict=True)
    rows = rows_with(len(losses), answer_nll=given_prompt, blank_nll=blank)
    ratio, perplexities, above = (TABLE[name].each for name in ("ifd", "ifd_ppl", "ifd_above_one"))
    assert ratio and perplexities and above
    assert ((ratio(rows) > 1) == (above(rows) == 1)).all()
    # A perplexity rounds to 1 before a ratio of losses does.
    assert ((perplexities(rows) > 1) <= (ratio(rows) > 1)).all()


def test_perplexity_is_the_geometric_mean_over_rows() -> None:
    rows = rows_with(3, whole_nll=(math.log(2), None, math.log(8)))
    assert taken(rows, "perplexity").value == pytest.approx(4.0)
    assert math.isfinite(taken(rows_with(1, whole_nll=(1e6,)), "perplexity").value or math.inf)
    assert taken(rows_with(1), "perplexity").value is None


def test_tags_are_counted_once_a_row() -> None:
    rows = rows_with(4, tags=(("a", "b", "a"), (), None, ("c",)))
    assert taken(rows, "tag_count").value == pytest.approx((2 + 0 + 1) / 3)
    assert "no row has tags" in taken(rows_with(2, tags=(None, None)), "tag_count").reason


def test_epiplexity_is_read_where_somebody_estimated_it() -> None:
    assert taken(rows_with(3, Around(epiplexity=12.5)), "epiplexity").value == 12.5
    with pytest.raises(Unmeasurable, match="no model was trained"):
        complexity.epiplexity(rows_with(3))


def test_every_card_belongs_to_its_axis_and_says_its_source() -> None:
    assert {row.card.axis for row in measures()} == {"quality"}
    assert {row.card.axis for row in complexity.measures()} == {"complexity"}
    for name, row in TABLE.items():
        assert row.card.evidence and row.card.variant and row.card.summary.endswith("."), name
        assert "{" not in row.card.summary + row.card.variant, name
