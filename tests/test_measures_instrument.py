"""The instrument: fixed n, seeded draws, honest intervals, reasons instead of numbers, and what copies do."""

import json
import math
import random
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.canon import canonical_json
from qdcbench.errors import ConfigError, DataError
from qdcbench.measures import METRICS, Rows, measure_rows
from qdcbench.measures.diversity.coverage import (
    effective_operations,
    effective_pairs,
    operations_seen,
    pair_coverage,
    pair_entropy,
)
from qdcbench.measures.known import Around, Known
from qdcbench.measures.rows import Unmeasurable
from qdcbench.records import Measurement, Structure
from qdcbench.registry import discover
from qdcbench.report.selected import TOOLS, selected_by

CHEAP = [name for name in METRICS if "[minilm]" not in name]
OPERATIONS = ("reverse", "sort", "double", "add one to", "drop")
NOUNS = ("list", "row", "string of numbers", "sequence", "queue")


def row_columns(n: int, seed: int) -> dict[str, list[object]]:
    """Draw rows of a small task whose structure is known."""
    rng = random.Random(seed)
    columns: dict[str, list[object]] = {"prompts": [], "completions": [], "structures": [], "correct": []}
    for _ in range(n):
        parts = tuple(rng.choices(OPERATIONS, weights=[8, 4, 2, 1, 1], k=rng.randint(1, 3)))
        digits = " ".join(str(rng.randrange(10)) for _ in range(rng.randint(3, 6)))
        columns["prompts"].append(f"Please {' then '.join(parts)} the {rng.choice(NOUNS)}: {digits}")
        columns["completions"].append(digits[::-1])
        pairs = tuple(f"{a}>{b}" for a, b in pairwise(parts))
        columns["structures"].append(Structure(depth=len(parts), parts=parts, pairs=pairs))
        columns["correct"].append(rng.choice([True, True, False, None]))
    return columns


NODES = ("a/x", "a/y", "b/z")
VERBS = ("write story", "add number", "name river")
COLUMNS_OF_PROMPTS = ("rank", "judged_complexity", "rated_complexity", "parse_depth", "failed")
COLUMNS_OF_ROWS = (
    "judge_score", "win", "reward", "rated_quality", "answer_nll", "blank_nll", "whole_nll",
)  # fmt: skip
AROUND = Around(
    pair_universe=25, attempted=900, accepted=400, taxonomy=NODES, tag_universe=6, epiplexity=12.5,
    base=Rows(prompts=("Reverse the list", "Sort the row"), completions=("1", "2")),
    reference=Rows(
        prompts=tuple(f"{verb} the {noun} {i}" for verb in OPERATIONS for noun in NOUNS for i in range(4)),
        completions=("1",) * 100,
        known=Known(stratum=("common",) * 60 + ("common ",) * 35 + ("rare",) * 5),
    ),
)  # fmt: skip


def drawn_for(text: str, salt: str) -> float:
    """Return a number in (0.1, 1.1) that depends on a row's text and on nothing else, not on its place."""
    return 0.1 + crc32(f"{salt}:{text}".encode()) / 2**32


def known_of(prompts: list[str], completions: list[str], structures: list[object], correct: list[object]) -> Known:
    """Return every column there is, each made from the texts of its row alone."""
    both = [f"{p} {c}" for p, c in zip(prompts, completions, strict=True)]
    numbers = {name: tuple(drawn_for(text, name) for text in both) for name in COLUMNS_OF_ROWS}
    numbers |= {name: tuple(drawn_for(text, name) for text in prompts) for name in COLUMNS_OF_PROMPTS}
    numbers["rated_quality"] = tuple(1 + 4 * value for value in numbers["rated_quality"])
    for name in ("rated_complexity", "judged_complexity"):
        numbers[name] = tuple(1 + 4 * value for value in numbers[name])
    for name in ("win", "failed"):
        numbers[name] = tuple(float(round(value)) for value in numbers[name])
    gradients = np.asarray([[drawn_for(text, f"g{i}") - 0.6 for i in range(16)] for text in both], dtype=np.float32)

    def one_of(kinds: tuple[str, ...], salt: str) -> tuple[str, ...]:
        return tuple(kinds[crc32(f"{salt}:{text}".encode()) % len(kinds)] for text in prompts)

    return Known(
        structure=tuple(structures),  # type: ignore[arg-type]
        correct=tuple(correct),  # type: ignore[arg-type]
        gold=tuple(value > 0.5 for value in numbers["reward"]),
        majority=tuple(value > 0.4 for value in numbers["reward"]),
        tags=tuple((kind, "list")[: 1 + len(kind) % 2] for kind in one_of(OPERATIONS, "tags")),
        aimed=one_of(NODES, "aimed"),
        assigned=one_of(NODES, "assigned"),
        meaning=tuple(str(s) for s in structures),
        generator=one_of(("first", "second"), "generator"),
        stratum=one_of(("rare", "common", "common "), "stratum"),
        verb_noun=one_of(VERBS, "verbs"),
        gradient=gradients / np.linalg.norm(gradients, axis=1, keepdims=True),
        **numbers,  # type: ignore[arg-type]
    )


def rows_of(columns: dict[str, list[object]], order: list[int] | None = None) -> Rows:
    chosen = range(len(columns["prompts"])) if order is None else order
    picked = {name: [column[i] for i in chosen] for name, column in columns.items()}
    prompts, completions = [str(p) for p in picked["prompts"]], [str(c) for c in picked["completions"]]
    return Rows(
        prompts=tuple(prompts),
        completions=tuple(completions),
        known=known_of(prompts, completions, picked["structures"], picked["correct"]),
        around=AROUND,
    )


def plain(columns: dict[str, list[object]]) -> Rows:
    """Return texts and structures alone, for tests that make many datasets."""
    return Rows(
        prompts=tuple(map(str, columns["prompts"])),
        completions=tuple(map(str, columns["completions"])),
        known=Known(structure=tuple(columns["structures"])),  # type: ignore[arg-type]
    )


def taken(rows: Rows, n: int, names: list[str] | None = None, seed: int = 0) -> dict[str, Measurement]:
    measured = measure_rows(rows, n=n, seed_stream=np.random.default_rng(seed), names=names or CHEAP)
    return {m.metric: m for m in measured}


def test_every_measure_has_a_value_its_range_and_an_interval() -> None:
    found = taken(rows_of(row_columns(400, 1)), 300, list(METRICS))
    assert list(found) == list(METRICS)
    for name, m in found.items():
        metric = METRICS[name].metric
        assert m.value is not None, f"{name}: {m.reason}"
        if METRICS[name].card.of_run:
            assert m.low is None and m.high is None
            continue
        assert m.low is not None and m.high is not None, name
        assert m.low <= m.value <= m.high
        assert m.n == 300
        assert m.axis == metric.axis
        assert (metric.low is None or m.low >= metric.low) and (metric.high is None or m.high <= metric.high)
    assert json.loads(canonical_json(list(found.values())))


def test_means_equal_plain_arithmetic_when_all_rows_are_measured() -> None:
    columns = row_columns(200, 2)
    found = taken(rows_of(columns), 200)
    known = [c for c in columns["correct"] if c is not None]
    assert found["verified_share"].value == pytest.approx(sum(map(bool, known)) / 200)
    assert found["checkable_share"].value == pytest.approx(len(known) / 200)
    depths = [s.depth for s in columns["structures"] if isinstance(s, Structure)]
    assert found["mean_depth"].value == pytest.approx(sum(depths) / 200)
    prompts = [str(p).replace(":", "").split() for p in columns["prompts"]]
    assert found["prompt_words"].value == pytest.approx(sum(map(len, prompts)) / 200)


def test_wilson_interval_by_hand() -> None:
    rows = Rows(prompts=("p",) * 10, completions=("c",) * 10, known=Known(correct=(True,) * 8 + (False,) * 2))
    share = taken(rows, 10, ["verified_share"])["verified_share"]
    # Published example: 8 of 10 gives .490 to .943.
    assert (share.value, share.low, share.high) == (
        0.8,
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(seed: int, rng: random.Random) -> None:
    columns = row_columns(80, seed)
    order = list(range(80))
    rng.shuffle(order)
    assert taken(rows_of(columns), 60) == taken(rows_of(columns, order), 60)


def test_what_is_asked_for_and_repetition_change_no_value() -> None:
    rows = rows_of(row_columns(120, 3))
    everything = taken(rows, 100)
    assert taken(rows, 100) == everything
    assert taken(rows_of(row_columns(120, 3)), 100, ["distinct_2"])["distinct_2"] == everything["distinct_2"]
    assert taken(rows, 100, seed=1)["distinct_2"] != everything["distinct_2"]


def test_shuffled_answers_leave_the_instruction_side_exactly_as_it_was() -> None:
    columns = row_columns(300, 4)
    shuffled = {**columns, "completions": random.Random(1).sample(columns["completions"], 300)}
    shuffled["correct"] = [False] * 300
    names = list(METRICS)
    before, after = (taken(rows_of(c), 200, names) for c in (columns, shuffled))
    for name, m in before.items():
        if METRICS[name].card.side == "prompt" and name not in {"fail_rate"}:
            assert after[name] == m, name
    assert (after["verified_share"].value or 0) < (before["verified_share"].value or 0)


@pytest.mark.parametrize("seed", range(3))
def test_half_copied_data_lower_every_measure_that_sees_copies(seed: int) -> None:
    columns = row_columns(600, 50 + seed)
    half = random.Random(seed).sample(range(600), 300)
    copied = rows_of(columns, half + half)
    names = [name for name in METRICS if METRICS[name].metric.sees_copies]
    assert names
    before, after = taken(rows_of(columns), 600, names), taken(copied, 600, names)
    for name in names:
        sign = 1 if METRICS[name].card.higher_is_better else -1
        assert sign * (after[name].value or 0) < sign * (before[name].value or 0), name
    ratio = [taken(r, 600, ["compression_ratio"])["compression_ratio"].value or 0 for r in (rows_of(columns), copied)]
    assert ratio[1] > 1.3 * ratio[0]


def test_too_few_rows_give_reasons_and_means_with_their_own_n() -> None:
    found = taken(rows_of(row_columns(30, 5)), 1000)
    for name, m in found.items():
        if METRICS[name].card.size_free or METRICS[name].card.of_run:
            assert m.value is not None
        else:
            assert m.value is None
            assert "30 rows and 1000 were asked for" in m.reason
        assert m.n == 30


def test_what_is_unknown_is_a_reason() -> None:
    bare = Rows(prompts=("a b c", "d e f"), completions=("x y z", "w"))
    found = taken(bare, 2)
    for name in ("verified_share", "checkable_share", "judge_score", "answer_nll", "mean_depth", "pair_coverage"):
        assert found[name].value is None
        assert found[name].reason
    assert found["distinct_2"].value == 1.0
    assert found["distinct_2"].low is None
    nothing = taken(Rows(prompts=(), completions=()), 1)
    assert all(m.value is None and m.reason for m in nothing.values())
    infinite = Rows(prompts=("a", "b"), completions=("c", "d"), known=Known(answer_nll=(math.inf, 1.0)))
    assert taken(infinite, 2, ["answer_nll"])["answer_nll"].value is None


def test_rows_no_verifier_understands_show_in_checkable_share() -> None:
    rows = Rows(prompts=("a", "b", "c", "d"), completions=("x",) * 4, known=Known(correct=(True, None, None, None)))
    found = taken(rows, 4)
    assert (found["verified_share"].value, found["checkable_share"].value) == (0.25, 0.25)
    silent = Rows(prompts=("a", "b"), completions=("x",) * 2, known=Known(correct=(None, None)))
    found = taken(silent, 2)
    assert found["verified_share"].value is None
    assert found["checkable_share"].value == 0.0


def test_wrong_calls_are_refused() -> None:
    rows = Rows(prompts=("a",), completions=("b",))
    with pytest.raises(ConfigError, match="did you mean 'distinct_2'"):
        measure_rows(rows, n=1, seed_stream=np.random.default_rng(0), names=["distinct2"])
    with pytest.raises(ConfigError, match="at least 1"):
        measure_rows(rows, n=0, seed_stream=np.random.default_rng(0))
    with pytest.raises(DataError, match="completions has 0 values for 1 rows"):
        Rows(prompts=("a",), completions=())


def test_the_rows_behind_a_mean_are_told_where_they_are_not_all() -> None:
    columns = row_columns(100, 6)
    rows = plain(columns)
    rows.known = Known(majority=(True, True, *[None] * 98), failed=(0.5,) * 60 + (None,) * 40, gold=(True,) * 100)
    found = taken(rows, 100, ["majority_share", "fail_rate", "gold_share"])
    assert (found["majority_share"].value, found["majority_share"].n) == (1.0, 100)
    assert [m.note for m in found.values()] == ["2 of 100 rows have a value", "60 of 100 rows have a value", ""]


NOT_MEANS = ("distinct_1", "distinct_2", "ngram_diversity", "compression_ratio", "vendi_q1[hashed]", "vendi_q2[hashed]",
             "pair_entropy", "mean_cosine_distance[hashed]", "distinct_3", "pair_coverage", "dcscore[hashed]",
             "novelsum_self[hashed]")  # fmt: skip

WIDER = ("knn_distance_k10[hashed]", "rouge_l", "mtld", "self_repetition", "self_bleu")
"""Halves of these differ more than repetitions do; their intervals hold the truth more often than they say."""


@pytest.mark.parametrize("name", [*NOT_MEANS, *WIDER, "prompt_words"])
def test_intervals_are_as_wide_as_repetitions_differ(name: str) -> None:
    n, repetitions = 200, 60
    found = []
    for r in range(repetitions):
        rows = plain(row_columns(n, 1000 + r))
        rows.around = Around(pair_universe=25)
        found.append(taken(rows, n, [name])[name])
    values = np.asarray([m.value for m in found])
    widths = np.asarray([(m.high or 0) - (m.low or 0) for m in found])
    # A 95 % interval from ten halves is about 4.5 standard errors wide, from the normal 3.9.
    assert 3.0 < widths.mean() / values.std(ddof=1) < (10 if name in WIDER else 6.5)
    covered = np.mean([(m.low or 0) <= values.mean() <= (m.high or 0) for m in found])
    assert covered >= 0.85


def draws_of(kinds: int, n: int, seed: int, power: float = 0.0) -> Rows:
    """Return n independent draws of so many texts, the i-th in proportion to i to the power."""
    weights = np.arange(1.0, kinds + 1) ** -power
    drawn = np.random.default_rng(seed).choice(kinds, n, p=weights / weights.sum())
    texts = tuple(f"text {i}" for i in drawn)
    return Rows(prompts=texts, completions=texts)


@pytest.mark.parametrize(("kinds", "power"), [(100_000, 0.0), (3_000, 0.0), (500, 0.0), (200, 0.0), (20_000, 1.0)])
def test_the_interval_of_unique_rows_holds_the_expected_share(kinds: int, power: float) -> None:
    n = 500
    found = [taken(draws_of(kinds, n, r, power), n, ["unique_rows"], r)["unique_rows"] for r in range(150)]
    weights = np.arange(1.0, kinds + 1) ** -power
    expected = float((1 - (1 - weights / weights.sum()) ** n).sum()) / n
    covered = np.mean([(m.low or 0) <= expected <= (m.high or 0) for m in found])
    widths = [(m.high or 0) - (m.low or 0) for m in found]
    assert covered >= 0.9
    assert 3.0 < np.mean(widths) / np.std([m.value or 0 for m in found]) < 6.5


def test_rows_that_are_all_different_may_have_had_copies() -> None:
    rows = Rows(prompts=tuple(map(str, range(500))), completions=("same",) * 500)
    found = taken(rows, 500, ["unique_rows", "unique_rows:completion"])
    prompt, answer = found["unique_rows"], found["unique_rows:completion"]
    # Without an event the upper end of a Poisson mean is 3.689.
    assert (prompt.value, prompt.high, prompt.low) == (1.0, 1.0, pytest.approx(1 - 3.689 / 500, abs=1e-6))
    assert answer.value == answer.low == 1 / 500 and (answer.high or 0) < 0.01


def test_coverage_by_hand() -> None:
    structures = (
        Structure(depth=2, parts=("a", "b"), pairs=("a>b",)),
        Structure(depth=3, parts=("a", "b", "a"), pairs=("a>b", "b>a")),
        None,
        Structure(depth=1, parts=("c",), pairs=()),
    )
    rows = Rows(
        prompts=("p",) * 4, completions=("c",) * 4, known=Known(structure=structures), around=Around(pair_universe=9)
    )
    assert pair_coverage(rows) == 2 / 9
    assert operations_seen(rows) == 3
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert pair_entropy(rows) == pytest.approx(entropy)
    assert effective_pairs(rows) == pytest.approx(math.exp(entropy))
    parts = Counter(p for s in structures if s for p in s.parts)
    probabilities = [c / parts.total() for c in parts.values()]
    assert effective_operations(rows) == pytest.approx(math.prod(p**-p for p in probabilities))
    assert taken(rows, 4, ["mean_depth"])["mean_depth"].value == 2.0


def test_coverage_of_prompts_nobody_can_parse_is_zero_and_a_wrong_universe_refused() -> None:
    unparsed = Rows(prompts=("p",), completions=("c",), known=Known(structure=(None,)), around=Around(pair_universe=9))
    assert pair_coverage(unparsed) == 0.0
    wrong = Structure(depth=3, parts=("a", "b", "a"), pairs=("a>b", "b>a"))
    rows = Rows(prompts=("p",), completions=("c",), known=Known(structure=(wrong,)), around=Around(pair_universe=1))
    with pytest.raises(Unmeasurable, match="says that 1 exist"):
        pair_coverage(rows)


def test_table_is_consistent() -> None:
    for name, row in METRICS.items():
        assert row.metric.name == name
        assert (row.each is None) != (row.whole is None)
        assert row.metric.summary.endswith(".")
        assert row.metric.unit
        assert not row.metric.sees_copies or row.metric.axis == "diversity"
        assert ("[" in name) == (row.card.tool == "embed"), name
        assert name.endswith(":completion") <= (row.card.side == "completion"), name
        assert "{" not in "".join(getattr(row.card, f.name) for f in fields(row.card) if f.type is str), name
        assert row.card.formula and row.card.variant and row.card.cost and row.card.evidence and row.card.reference
    assert {row.metric.axis for row in METRICS.values()} == {"quality", "diversity", "complexity"}


def test_every_tool_is_on_some_card_and_what_filters_by_words_look_at_is_prompts() -> None:
    assert {row.card.tool for row in METRICS.values()} == {*TOOLS, ""}
    registry = discover()
    for name in ("rouge_l", "self_bleu", "distinct_2", "unique_rows", "compression_ratio"):
        assert {"persona", "self_instruct", "simula"} <= set(selected_by(METRICS[name], registry)), name
        assert selected_by(METRICS[f"{name}:completion"], registry) == ()
