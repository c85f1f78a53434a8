"""The task class list_edits."""

from collections import Counter
from random import Random

import pytest
from qdcbench.tasks._list_edits_grammar import parse, problem
from qdcbench.tasks._list_edits_sets import ORACLE_DEPTHS
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.api import Example, PluginError, Task

TASK = ListEdits()
PROMPT = "Here is a small exercise: reverse the list, then add one to every number: 3 1 9"


def test_it_fulfils_the_contract():
    assert isinstance(TASK, Task)
    assert TASK.pair_universe() == 132


def test_verify_executes_the_prompt():
    assert TASK.verify(Example(prompt=PROMPT, completion="0 2 4")).correct is True
    assert TASK.verify(Example(prompt=PROMPT, completion=" 0  2 4\n")).correct is True
    wrong = TASK.verify(Example(prompt=PROMPT, completion="10 2 4"))
    assert wrong.correct is False and "0 2 4" in wrong.reason
    assert TASK.verify(Example(prompt="Sing a song: 3 1 9", completion="la")).correct is None


def test_structure_names_operations_and_ordered_pairs():
    found = TASK.structure(PROMPT)
    assert found is not None
    assert (found.depth, found.parts, found.pairs) == (2, ("reverse", "add_one"), ("reverse>add_one",))
    assert TASK.structure("Sing a song: 3 1 9") is None


def test_an_operation_after_itself_is_no_pair_of_the_universe():
    found = TASK.structure("Here is a small exercise: reverse the list, then flip the list around: 3 1 9")
    assert found is not None and found.depth == 2 and found.pairs == ()


def test_seed_examples_are_right_distinct_and_follow_the_generator():
    first, again, other = (TASK.seed_examples(Random(seed)) for seed in (1, 1, 2))
    assert list(first) == list(again) != list(other)
    assert len({example.prompt for example in first}) == len(first) == 100
    assert all(TASK.verify(example).correct for example in first)


def test_no_method_can_meet_a_held_out_problem_in_seeds_or_reference_rows():
    hidden = {problem(parse(item.prompt)) for held in TASK.held_out() for item in held.items}
    shown = [*TASK.reference_rows(Random(5), 2000)]
    for seed in range(10):
        shown += TASK.seed_examples(Random(seed))
    assert not hidden & {problem(parse(example.prompt)) for example in shown}


def test_held_out_sets_are_one_id_and_four_ood_of_a_thousand_right_items():
    sets = TASK.held_out()
    assert [held.distance for held in sets] == ["id", "ood", "ood", "ood", "ood"]
    for held in sets:
        assert len(held.items) == 1000 and held.summary
        assert all(TASK.verify(item).correct for item in held.items)
    assert [held.items for held in sets] == [held.items for held in ListEdits().held_out()]


def test_pairs_out_of_distribution_are_in_no_seed_example():
    seen = {
        pair for seed in range(20) for e in TASK.seed_examples(Random(seed)) for pair in TASK.structure(e.prompt).pairs
    }
    held = next(held for held in TASK.held_out() if held.name == "ood_pairs")
    assert not seen & {pair for item in held.items for pair in TASK.structure(item.prompt).pairs}


def test_reference_rows_spread_over_pairs_and_depths():
    rows = TASK.reference_rows(Random(0), 2000)
    found = [TASK.structure(row.prompt) for row in rows]
    assert len({pair for structure in found for pair in structure.pairs}) > 120
    counts = Counter(structure.depth for structure in found)
    assert set(counts) == set(ORACLE_DEPTHS)
    assert all(abs(count / len(found) - 1 / len(ORACLE_DEPTHS)) < 0.05 for count in counts.values())


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(PluginError, match="strong, weak"):
        TASK.scripted_teacher("huge")
