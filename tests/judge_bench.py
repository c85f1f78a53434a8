"""A judge for tests of scorers: its replies are what a test's function says, or a scripted teacher's."""

from collections.abc import Callable, Mapping
from typing import Any

from method_bench import TASK, FixedTeacher

from qdcbench.records import Budget
from qdcbench.scorers.judge import judge_prompts
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.meter import Meter
from qdcbench.teachers.metered import MeteredRole

PLENTY = Budget(name="judging", examples=10**6, teacher_tokens=10**9, teacher_calls=None)


def role_of(teacher: Any, calls: int | None = None) -> MeteredRole:
    budget = Budget(name="judging", examples=10**6, teacher_tokens=None, teacher_calls=calls) if calls else PLENTY
    return MeteredRole(Desk(teacher, Meter(budget), "judge"), judge_prompts(), seed=2, name="judge")


def chat_judge(reply: Callable[[Mapping[str, Any]], str]) -> tuple[MeteredRole, FixedTeacher]:
    """A judge that answers by a question's material; every question is rendered from the prompt file."""
    teacher = FixedTeacher(lambda request: reply(request.material))
    return role_of(teacher), teacher


def scripted_judge(profile: str = "strong") -> MeteredRole:
    return role_of(TASK.scripted_teacher(profile))
