"""A judge's ratings are read as it gives them, and what cannot be read is counted; its relation to the teacher."""

from random import Random
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import chat_judge, role_of, scripted_judge
from method_bench import TASK

from qdcbench.api import BudgetExhausted, Example, PluginError
from qdcbench.records import TeacherSpec
from qdcbench.scorers.judge import COMPLEXITY, QUALITY, RATING, RUBRIC, Criterion, judge_prompts, rate, rate_by_rubric
from qdcbench.scorers.relation import relation

ROWS = [Example(prompt=f"Sort the list: {i} 2 1", completion=f"1 2 {i}") for i in range(3, 9)]


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("4", 4.0),
        ("Rating: 4", 4.0),
        ("**Score:** 2.", 2.0),
        ("3.5", 3.5),
        ("4/5", 4.0),
        ("Step 1 is wrong, so the rating is low. Rating: 2", 2.0),
        ("Rating: 1 for style. Final rating: 5", 5.0),
        ("I would say 7", None),
        ("Rating: 9, or 3 if you insist", None),
        ("0", None),
        ("four", None),
        ("GPT4 here: no", None),
        ("", None),
    ],
)
def test_a_rating_is_read_where_a_reply_has_one_on_the_scale(reply: str, rating: float | None) -> None:
    assert RATING.read(reply) == rating


@given(st.text())
@settings(deadline=None)
def test_any_reply_is_read_or_not(reply: str) -> None:
    found = QUALITY.read(reply)
    assert found is None or 1 <= found <= 6


def test_every_row_is_asked_once_by_its_prompt_and_unread_replies_are_counted() -> None:
    judge, teacher = chat_judge(lambda material: "no idea" if " 5 " in material["prompt"] else "Rating: 3")
    found = rate(judge, ROWS)
    assert found.column == (3.0, 3.0, None, 3.0, 3.0, 3.0)
    assert found.unread == 1
    assert len(teacher.asked) == len(ROWS)
    for asked, row in zip(teacher.asked, ROWS, strict=True):
        assert asked.intent == "judge"
        assert asked.temperature == 0
        assert row.prompt in asked.text and row.completion in asked.text


def test_complexity_is_asked_without_the_completion() -> None:
    judge, teacher = chat_judge(lambda material: "6")
    assert rate(judge, ROWS[:1], COMPLEXITY).column == (6.0,)
    assert ROWS[0].prompt in teacher.asked[0].text
    assert ROWS[0].completion not in teacher.asked[0].text


def test_the_scripted_judge_rates_right_answers_above_wrong_ones_and_deep_prompts_above_flat_ones() -> None:
    right = list(TASK.reference_rows(Random(1), 300))
    wrong = [Example(prompt=row.prompt, completion="0 0 0 0") for row in right]
    for scale in (RATING, QUALITY):
        good, bad = (rate(scripted_judge(), rows, scale) for rows in (right, wrong))
        assert good.unread == bad.unread == 0
        assert mean(filter(None, good.column)) > mean(filter(None, bad.column)) + 0.3
    depth = [structure.depth for row in right if (structure := TASK.structure(row.prompt))]
    rated = rate(scripted_judge(), right, COMPLEXITY).column
    deep = mean(r for r, d in zip(rated, depth, strict=True) if d >= 3 and r)
    flat = mean(r for r, d in zip(rated, depth, strict=True) if d == 1 and r)
    assert deep > flat + 1


def test_a_rubric_gives_points_by_criterion_and_their_mean() -> None:
    judge, teacher = chat_judge(
        lambda material: (
            "sense: 5\n- correctness: 1\nCompleteness - 3/5\n**economy:** 3"
            if " 3 " in material["prompt"]
            else "sense: 5\ncorrectness: 9\ncompleteness: 3\neconomy: 3"
        )
    )
    found = rate_by_rubric(judge, ROWS[:2])
    assert found.column == (3.0, None)
    assert found.unread == 1
    assert found.each == {
        "sense": (5.0, None), "correctness": (1.0, None), "completeness": (3.0, None), "economy": (3.0, None)
    }  # fmt: skip
    assert all(criterion.meaning in teacher.asked[0].text for criterion in RUBRIC)
    own = (Criterion(name="brevity", meaning="it is short"),)
    assert rate_by_rubric(chat_judge(lambda _: "Brevity: 2")[0], ROWS[:1], own).each == {"brevity": (2.0,)}
    with pytest.raises(PluginError, match="no question 'rubric'"):
        rate_by_rubric(scripted_judge(), ROWS)


def test_a_budget_too_small_for_all_rows_ends_the_rating() -> None:
    with pytest.raises(BudgetExhausted):
        rate(role_of(TASK.scripted_teacher("strong"), calls=3), ROWS)


def test_every_prompt_is_there_for_chat_judges() -> None:
    assert {"judge", "quality", "complexity", "rubric", "compare", "rank", "tags", "place"} == set(
        judge_prompts().sections
    )


def spec(name: str) -> TeacherSpec:
    kind, _, model = name.partition(":")
    return TeacherSpec(kind=kind, model=model)


@pytest.mark.parametrize(
    ("judge", "teacher", "kind"),
    [
        ("openai:gpt-4o", "openai:gpt-4o", "same model"),
        ("openai:Qwen/Qwen2.5-7B-Instruct", "local:/models/Qwen2.5-7B-Instruct", "same model"),
        ("scripted:strong", "scripted:strong", "same model"),
        ("openai:Qwen/Qwen2.5-72B-Instruct", "openai:Qwen/Qwen2.5-7B-Instruct", "same series"),
        ("openai:gpt-4o-mini", "openai:gpt-4o", "same series"),
        ("openai:Qwen/Qwen3-8B", "openai:Qwen/Qwen2.5-7B-Instruct", "same family"),
        ("openai:deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "openai:Qwen/Qwen3-8B", "same family"),
        ("openai:mistralai/Mixtral-8x7B-v0.1", "openai:mistralai/Mistral-7B-v0.3", "same series"),
        ("openai:gpt-4o", "openai:meta-llama/Llama-3.1-8B", "different families"),
        ("openai:gpt-4o", "local:./my-model", "unknown"),
        ("scripted:strong", "scripted:weak", "unknown"),
        ("openai:gpt-4o", "ensemble:openai:gpt-4o*0.5+openai:gemma-3-4b", "same model"),
        ("ensemble:openai:gemma-3-4b+openai:gpt-5", "openai:gpt-4o", "same family"),
    ],
)
def test_the_closest_relation_is_told_in_either_direction(judge: str, teacher: str, kind: str) -> None:
    found = relation(spec(judge), spec(teacher))
    assert found.kind == kind
    assert relation(spec(teacher), spec(judge)).kind == kind
    assert found.sentence.startswith(("the judge ", "the names of the judge "))
    assert "2502.01534" in found.sentence
