"""The grammar of list_edits: what render says parse understands, and the held-out sets are what they claim."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdcbench.tasks import _list_edits_sets as sets
from qdcbench.tasks._list_edits_grammar import (
    MAX_DEPTH,
    OPERATIONS,
    PAIRS,
    SEEN_PAIRS,
    UNSEEN_PAIRS,
    Program,
    Step,
    answer,
    apply,
    depth,
    execute,
    pairs,
    parse,
    problem,
    render,
    vocabulary,
    words,
)
from qdcbench.tasks._list_edits_words import (
    CONTEXTS,
    JOINS,
    PHRASINGS,
    SEEN_CONTEXTS,
    SEEN_PHRASINGS,
    UNSEEN_CONTEXTS,
    UNSEEN_PHRASINGS,
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    step = st.builds(Step, st.sampled_from(OPERATIONS), st.integers(0, 5))
    steps = draw(st.lists(step, min_size=1, max_size=MAX_DEPTH))
    return Program(
        steps=tuple(steps),
        items=tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=9))),
        context=draw(st.integers(0, len(CONTEXTS) - 1)),
        joins=tuple(draw(st.integers(0, len(JOINS) - 1)) for _ in steps[1:]),
    )


@given(programs())
def test_parse_undoes_render(program: Program) -> None:
    assert parse(render(program)) == program


@given(
    programs(),
    st.sampled_from([str.upper, str.lower, lambda text: f"  {text} .\n", lambda text: text.replace(" ", "  ")]),
)
def test_case_spacing_and_end_marks_do_not_matter(program: Program, change: object) -> None:
    assert callable(change)
    assert parse(change(render(program))) == program


@given(st.text(max_size=80))
def test_parse_understands_nothing_it_did_not_write(text: str) -> None:
    found = parse(text)
    assert found is None or words(render(found)) == words(text)


@given(programs(), st.integers(0, 10))
def test_a_lost_word_is_never_understood_as_the_same_wording(program: Program, place: int) -> None:
    kept = render(program).split()
    del kept[place % len(kept)]
    assert parse(" ".join(kept)) != program


@given(programs())
def test_lists_stay_short_lists_of_digits(program: Program) -> None:
    result = execute(program)
    assert 1 <= len(result) <= len(program.items) + depth(program)
    assert all(0 <= item <= 9 for item in result)
    assert answer(program).split() == [str(item) for item in result]


@given(programs())
def test_prompts_and_answers_stay_inside_the_vocabulary(program: Program) -> None:
    assert set(words(render(program))) | set(answer(program).split()) <= set(vocabulary())


@pytest.mark.parametrize(
    ("op", "result"),
    [
        ("reverse", (3, 1, 9, 3)),
        ("sort_up", (1, 3, 3, 9)),
        ("sort_down", (9, 3, 3, 1)),
        ("add_one", (4, 0, 2, 4)),
        ("double", (6, 8, 2, 6)),
        ("nines", (6, 0, 8, 6)),
        ("drop_first", (9, 1, 3)),
        ("drop_last", (3, 9, 1)),
        ("swap_ends", (3, 9, 1, 3)),
        ("rotate", (9, 1, 3, 3)),
        ("repeat_last", (3, 9, 1, 3, 3)),
        ("repeat_first", (3, 3, 9, 1, 3)),
    ],
)
def test_each_operation_does_what_it_says(op: str, result: tuple[int, ...]) -> None:
    assert apply(op, (3, 9, 1, 3)) == result


def test_a_list_of_one_loses_nothing() -> None:
    assert apply("drop_first", (4,)) == apply("drop_last", (4,)) == (4,)


@pytest.mark.parametrize(
    "text",
    ["", "Reverse the list", "3 1 4", "Reverse the list: 31 4", "Reverse the list: -3 1", "Sing a song: 3 1 4"],
)
def test_what_is_not_an_instruction_is_not_understood(text: str) -> None:
    assert parse(text) is None


def test_parse_takes_time_in_proportion_to_the_text() -> None:
    assert parse("reverse the list then " * 50_000 + ": 1 2 3") is None


def test_order_mostly_matters() -> None:
    rng = Random(5)
    lists = [tuple(rng.randrange(10) for _ in range(4)) for _ in range(30)]
    different = [
        (first, second)
        for first, second in PAIRS
        if any(apply(second, apply(first, items)) != apply(first, apply(second, items)) for items in lists)
    ]
    assert len(different) / len(PAIRS) > 0.6


def test_half_of_the_pairs_are_seen_and_every_operation_on_both_sides() -> None:
    assert len(PAIRS) == 132 and SEEN_PAIRS | UNSEEN_PAIRS == set(PAIRS) and not SEEN_PAIRS & UNSEEN_PAIRS
    assert set(Counter(first for first, _ in SEEN_PAIRS).values()) == {6}
    assert set(Counter(second for _, second in SEEN_PAIRS).values()) == {6}


def test_words_are_varied_and_few() -> None:
    assert all(len(set(phrases)) == 6 for phrases in PHRASINGS.values())
    assert len(CONTEXTS) >= 20 and 200 <= len(vocabulary()) <= 300
    drawn = [sets.draw_seed(Random(number)) for number in range(500)]
    lengths = [len(words(render(program))) for program in drawn if depth(program) == 2]
    assert 22 < sum(lengths) / len(lengths) < 30


def test_seed_distribution_stays_inside_what_is_seen() -> None:
    rng = Random(1)
    drawn = [sets.draw_seed(rng) for _ in range(2000)]
    assert {depth(program) for program in drawn} == set(sets.SEED_DEPTHS)
    assert {pair for program in drawn for pair in pairs(program)} == SEEN_PAIRS
    assert {program.context for program in drawn} == set(SEEN_CONTEXTS)
    assert {step.phrasing for program in drawn for step in program.steps} == set(SEEN_PHRASINGS)
    assert {len(program.items) for program in drawn} == set(sets.LENGTHS)


def test_oracle_distribution_covers_the_grammar() -> None:
    rng = Random(1)
    drawn = [sets.draw_oracle(rng) for _ in range(2000)]
    assert {depth(program) for program in drawn} == set(sets.ORACLE_DEPTHS)
    assert {len(program.items) for program in drawn} == set(sets.LENGTHS + sets.LONG_LENGTHS)
    assert {pair for program in drawn for pair in pairs(program)} == set(PAIRS)
    assert {program.context for program in drawn} == set(range(len(CONTEXTS)))
    assert len({(step.op, step.phrasing) for program in drawn for step in program.steps}) == 72


def test_single_distribution_has_every_wording_and_length_but_no_composition() -> None:
    rng = Random(1)
    drawn = [sets.draw_single(rng) for _ in range(3000)]
    assert {depth(program) for program in drawn} == {1}
    assert {program.context for program in drawn} == set(range(len(CONTEXTS)))
    assert len({program.steps[0] for program in drawn}) == 72
    assert {len(program.items) for program in drawn} == set(sets.BASE_LENGTHS) >= set(sets.LENGTHS + sets.LONG_LENGTHS)


@pytest.mark.parametrize("draw", [sets.draw_seed, sets.draw_oracle, sets.draw_single])
def test_no_distribution_gives_a_held_out_problem(draw: object) -> None:
    assert callable(draw)
    held = {problem(program) for name in sets.EVAL_SETS for program in sets.held_out(name)}
    rng = Random(2)
    assert not held & {problem(draw(rng)) for _ in range(3000)}


def test_held_out_sets_are_full_and_apart() -> None:
    prompts = [render(program) for name in sets.EVAL_SETS for program in sets.held_out(name)]
    assert len(prompts) == len(set(prompts)) == 5 * sets.HELD_OUT_SIZE
    for name in sets.EVAL_SETS:
        problems = [problem(program) for program in sets.held_out(name)]
        assert len(set(problems)) == sets.HELD_OUT_SIZE
        assert all(sets.is_reserved(program) for program in sets.held_out(name))


def test_each_ood_set_leaves_the_seed_distribution_in_its_own_way_only() -> None:
    for name in sets.EVAL_SETS:
        held = sets.held_out(name)
        unseen_pairs = {pair in UNSEEN_PAIRS for program in held for pair in pairs(program)}
        unseen_words = {
            unseen
            for program in held
            for unseen in (
                program.context in UNSEEN_CONTEXTS,
                *(step.phrasing in UNSEEN_PHRASINGS for step in program.steps),
            )
        }
        assert unseen_pairs == {name == "ood_pairs"}
        assert unseen_words == {name == "ood_surface"}
        assert ({len(program.items) for program in held} == set(sets.LONG_LENGTHS)) == (name == "ood_length")
        assert (min(depth(program) for program in held) > max(sets.SEED_DEPTHS)) == (name == "ood_depth")


def test_an_unknown_held_out_set_is_named() -> None:
    with pytest.raises(ValueError, match="no held-out set 'ood_taste'"):
        sets.draw_held_out("ood_taste", Random(0))
