"""The validity study's data are what they are said to be, and its statistics find what was planted."""

import itertools
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdcbench.tasks._list_edits_grammar import parse, vocabulary, words

from qdcbench.errors import DataError
from qdcbench.measures.behaviour import Behaviour, DialTruth, Response, Study
from qdcbench.records import from_json
from qdcbench.registry import discover
from qdcbench.studies.dials import AXIS_DIALS, CENTRE, DIALS
from qdcbench.studies.recipes import FILLERS, Recipe, SeenThrough, bare, made, right_answers
from qdcbench.studies.response import RULE, at_one_n_only, recommended, refusals, respond, shared_out
from qdcbench.studies.validity_summary import summary

SMALL = replace(CENTRE, n=300)
TASK = discover().task("list_edits").plugin
SEEN = SeenThrough(TASK)


def facts(rows):
    structures = [SEEN.structure(row.prompt) for row in rows]
    assert all(structures)
    programs = [parse(bare(row.prompt)) for row in rows]
    return {
        "right": sum(SEEN.verify(row).correct for row in rows),
        "depths": Counter(found.depth for found in structures),
        "lists": Counter(len(program.items) for program in programs),
        "operations": len({part for found in structures for part in found.parts}),
        "wordings": len({step for program in programs for step in program.steps}),
        "contexts": len({program.context for program in programs}),
        "different": len({row.prompt for row in rows}),
        "filler": sum(len(words(row.prompt)) - len(words(bare(row.prompt))) for row in rows),
        "prompt_words": np.mean([len(words(row.prompt)) for row in rows]),
        "answer_words": np.mean([len(row.completion.split()) for row in rows]),
    }


TURNS = {
    "quality": {"right"},
    "coverage": {"operations", "wordings", "contexts", "different"},
    "wording": {"wordings", "contexts", "different"},
    "copies": {"operations", "wordings", "contexts", "different"},
    "clumps": {"operations", "wordings", "contexts", "different"},
    "depth": {"depths", "prompt_words", "wordings"},
    "equal_words": {"depths", "filler", "wordings"},
    "filler": {"filler", "prompt_words"},
    "lists": {"lists", "prompt_words", "answer_words"},
}
"""What each dial may change of the facts; the number of wordings that occur grows with the operations there are."""

LENGTHS = {"prompt_words": 1.5, "answer_words": 0.35}
"""Means of random rows differ by chance, and parts of the grammar are not all equally long."""


@pytest.mark.parametrize("name", TURNS)
def test_a_dial_turns_its_own_fact_and_no_other(name):
    found = [facts(made(TASK, replace(recipe, n=SMALL.n), 5)) for recipe in DIALS[name].settings]
    for fact in set(found[0]) - TURNS[name] - set(LENGTHS):
        assert all(one[fact] == found[0][fact] for one in found), fact
    for fact, most in LENGTHS.items():
        if fact not in TURNS[name]:
            assert np.ptp([one[fact] for one in found]) <= most, fact
    own = {"quality": "right", "filler": "prompt_words", "lists": "answer_words", "wording": "wordings"}.get(name)
    if own:
        assert all(low[own] < high[own] for low, high in itertools.pairwise(found))
    if name == "equal_words":
        assert {one["prompt_words"] for one in found} == {48.0}
        assert all(low["filler"] > high["filler"] for low, high in itertools.pairwise(found))
    if name in ("depth", "equal_words"):
        means = [sum(depth * count for depth, count in one["depths"].items()) / SMALL.n for one in found]
        assert means == pytest.approx([1.5, 2.0, 2.5, 3.0, 3.5], abs=0.02)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**62), right=st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_wrong_answers_are_exactly_so_many_and_the_answers_that_occur_stay(seed, right):
    whole, wronged = made(TASK, SMALL, seed), made(TASK, replace(SMALL, right=right), seed)
    assert [row.prompt for row in whole] == [row.prompt for row in wronged]
    assert Counter(row.completion for row in whole) == Counter(row.completion for row in wronged)
    assert sum(TASK.verify(row).correct for row in wronged) == round(right * SMALL.n)
    assert right_answers(TASK, wronged) == [row.completion for row in whole]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**62), filler=st.integers(1, 45))
def test_filler_is_as_long_as_asked_and_is_seen_through(seed, filler):
    plain, padded = made(TASK, replace(SMALL, n=20), seed), made(TASK, replace(SMALL, n=20, filler=filler), seed)
    for before, after in zip(plain, padded, strict=True):
        assert len(words(after.prompt)) == len(words(before.prompt)) + filler
        assert bare(after.prompt) == before.prompt == bare(before.prompt)
        assert SEEN.structure(after.prompt) == TASK.structure(before.prompt)
        assert SEEN.verify(after).correct and TASK.structure(after.prompt) is None


def test_filler_asks_for_nothing_in_words_that_the_base_model_knows():
    assert {word for text in FILLERS for word in words(text)} <= set(vocabulary())
    assert all(TASK.structure(f"{text} 1 2 3") is None for text in FILLERS)
    assert {len(text.split()) for text in FILLERS} == set(range(1, 8))


def test_copies_are_exact_and_of_the_same_shape():
    rows = made(TASK, replace(SMALL, fresh=0.5), 3)
    counts = Counter((row.prompt, row.completion) for row in rows)
    assert len(counts) == SMALL.n // 2 and max(counts.values()) > 1


def test_a_clump_differs_in_digits_alone():
    rows = made(TASK, replace(SMALL, loose=0.25), 3)
    wordings = Counter("".join(c for c in row.prompt if not c.isdigit()).rstrip() for row in rows)
    assert sum(count for _, count in wordings.most_common(2)) >= 0.75 * SMALL.n


def test_same_seed_same_rows_and_another_seed_others():
    assert made(TASK, SMALL, 1) == made(TASK, SMALL, 1) != made(TASK, SMALL, 2)


def test_words_that_no_prompt_keeps_to_are_refused():
    with pytest.raises(DataError, match="6 words or fewer"):
        made(TASK, replace(SMALL, depth=3.5, words=6), 0)


def test_response_by_hand():
    found = respond([[1.0, 3.0], [2.0, 4.0], [5.0, 7.0]], 1)
    assert found.means == (2.0, 3.0, 6.0) and found.change == 4.0
    assert found.noise == pytest.approx(math.sqrt(2)) and found.effect == pytest.approx(4 / math.sqrt(2))
    assert not found.moved  # three standard errors of the difference are 3 * sqrt(2)
    assert respond([[1.0, 1.1], [9.0, 9.1]], 1).moved
    assert respond([[1.0, 3.0], [2.0, 4.0], [5.0, 7.0]], 1).rank == pytest.approx(
        np.corrcoef([1.5, 1.5, 3.5, 3.5, 5.5, 5.5], [1, 3, 2, 4, 5, 6])[0, 1]
    )


def test_response_without_change_noise_or_values():
    still = respond([[2.0, 2.0], [2.0, 2.0]], 1)
    assert (still.change, still.effect, still.rank, still.moved) == (0.0, None, 0.0, False)
    exact = respond([[1.0, 1.0], [2.0, 2.0]], 1)
    assert exact.moved and exact.effect is None and exact.rank == pytest.approx(1.0)
    absent = respond([[None, None], [2.0, 3.0]], 1)
    assert absent.change is None and absent.rank is None and not absent.moved
    assert respond([[None], [None]], 1).rank is None


numbers = st.lists(st.lists(st.integers(-1000, 1000), min_size=3, max_size=3), min_size=3, max_size=5)


@given(numbers)
def test_a_measure_turned_round_does_the_opposite(values):
    one, other = respond(values, 1), respond([[-v for v in row] for row in values], -1)
    assert one.change == other.change and one.rank == pytest.approx(other.rank) and one.moved == other.moved


@given(numbers, st.integers(1, 50), st.integers(-50, 50))
def test_shares_and_effects_do_not_know_the_unit(values, scale, offset):
    moved = {"own": respond([[float(i)] * 3 for i in range(len(values))], 1), "other": respond(values, 1)}
    scaled = {
        "own": respond([[float(i) * scale + offset] * 3 for i in range(len(values))], 1),
        "other": respond([[v * scale + offset for v in row] for row in values], 1),
    }
    one, two = shared_out(moved, "own")["other"], shared_out(scaled, "own")["other"]
    assert one.share == pytest.approx(two.share)
    assert (one.effect is None) == (two.effect is None)
    if one.effect is not None:
        assert one.effect == pytest.approx(two.effect)


def response(share=0.0, rank=0.0, effect=0.0, moved=True):
    return Response(means=(), change=share, noise=1.0, effect=effect, rank=rank, share=share, moved=moved)


def behaviour(name, axis="diversity", leak=0.0, **changes):
    own = AXIS_DIALS[axis]
    responses = {dial: response() for dial in DIALS} | {
        own: response(1.0, 0.97, 9.0), "copies": response(0.5, 0.9), "clumps": response(0.5, 0.9),
        "filler": response(leak),
    }  # fmt: skip
    return Behaviour(measure=name, axis=axis, own=own, responses=responses | changes, twins={})


def test_each_clause_of_the_rule_can_refuse_a_measure():
    good = [behaviour("leaks", leak=-0.2), behaviour("best"), behaviour("also", coverage=response(1.0, 0.97, 4.0))]
    assert recommended(good)["diversity"] == ("best", "also", "leaks")
    bad = [
        behaviour("unordered", coverage=response(1.0, 0.8, 9.0)),
        behaviour("weak", coverage=response(1.0, 0.97, 2.0)),
        behaviour("long", leak=0.3),
        behaviour("lists", lists=response(-0.3)),
        behaviour("wrong", quality=response(-0.5)),
        behaviour("deep", depth=response(0.26)),
        behaviour("copies", copies=response(0.1, 0.2)),
        behaviour("clumps", clumps=response(-0.1, -0.9)),
        behaviour("unknown", filler=replace(response(), share=None)),
    ]
    assert all(len(refusals(found)) == 1 for found in bad)
    assert refusals(bad[2]) == ("filler +0.30",) and refusals(bad[5]) == ("depth +0.26",)
    absent = replace(behaviour("absent"), reason="no column")
    assert recommended([*bad, absent]) == {"quality": (), "diversity": (), "complexity": ()}
    assert recommended([behaviour("right", "quality", copies=response(0.0, -0.9))])["quality"] == ("right",)


def test_a_measure_that_n_moves_is_recommended_at_one_n_only_and_after_the_others():
    grows, shrinks = behaviour("grows", n=response(2.27)), behaviour("shrinks", n=response(-0.6))
    unknown, holds = behaviour("unknown", n=replace(response(), share=None)), behaviour("holds", leak=0.2)
    assert [at_one_n_only(found) for found in (grows, shrinks, unknown, holds)] == [True, True, True, False]
    assert recommended([grows, shrinks, unknown, holds])["diversity"] == ("holds", "grows", "shrinks", "unknown")


def test_filler_takes_no_part_in_the_dial_by_which_an_axis_is_judged():
    for dial in AXIS_DIALS.values():
        assert all(recipe.filler == recipe.words == 0 for recipe in DIALS[dial].settings), dial


def test_every_axis_has_a_dial_and_all_share_one_centre():
    assert AXIS_DIALS == {"quality": "quality", "diversity": "coverage", "complexity": "depth"}
    for dial in DIALS.values():
        assert len(dial.labels) == len(dial.settings) == len(set(dial.settings)) == 5
        assert CENTRE in dial.settings or dial.name == "equal_words"
    assert isinstance(CENTRE, Recipe)


def told(*measures):
    truth = ({"rows": 500.0, "depth": 2.5, "filler_words": 0.0}, {"rows": 500.0, "depth": 2.5, "filler_words": 40.0})
    return Study(
        task="list_edits", n=500, repetitions=2, root_seed=0, rule=RULE, measures=measures,
        dials=tuple(
            DialTruth(name=name, axis=dial.axis, summary=dial.summary, labels=("low", "high"), truth=truth)
            for name, dial in DIALS.items()
        ),
        recommended=recommended(measures),
    )  # fmt: skip


def valued(found):
    responses = {name: replace(one, means=(1.0, 2.0, 5.0)) for name, one in found.responses.items()}
    return replace(found, responses=responses, twins=responses)


def test_the_summary_says_of_every_measure_what_was_found():
    measures = [
        valued(behaviour("holds")),
        valued(behaviour("grows", n=response(2.27))),
        valued(behaviour("long", leak=-0.3)),
        valued(behaviour("still", coverage=response(0.0, 0.1, 0.2, moved=False))),
        valued(behaviour("deep", "complexity")),
        replace(behaviour("absent"), reason="no judge was asked"),
    ]
    text = summary(told(*measures))
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| `")}
    assert "| at any n | 1 to 5 | 0.75 |" in lines["`holds`"]
    assert "at one n only (here 500)" in lines["`grows`"] and "+2.27" in lines["`grows`"]
    assert lines["`long`"].endswith("| filler -0.30 |")
    assert "beyond the noise: `still`." in text and "- no judge was asked: `absent`" in text
    assert all(clause in text for clause in RULE)
    depth = next(line for name, line in lines.items() if name.startswith("`depth`"))
    assert depth.endswith("| 500 | 2.5 | 0 to 40 |")


def test_the_summary_in_results_is_that_of_the_study_beside_it():
    folder = Path(__file__).resolve().parent.parent / "results" / "validity"
    study = from_json(Study, json.loads((folder / "validity.json").read_text(encoding="utf-8")), "validity.json")
    assert (folder / "summary.md").read_text(encoding="utf-8") == summary(study), "type `qdcbench study validity`"


def test_the_primaries_of_the_suites_are_recommended_at_any_n():
    file = Path(__file__).resolve().parent.parent / "results" / "validity" / "validity.json"
    study = from_json(Study, json.loads(file.read_text(encoding="utf-8")), file.name)
    done = {found.measure: found for found in study.measures}
    for axis, name in (("quality", "verified_share"), ("diversity", "pair_entropy"), ("complexity", "mean_depth")):
        assert name in study.recommended[axis] and not at_one_n_only(done[name])
