"""GLAN: a taxonomy down to subjects, a syllabus for each, and homework questions on key concepts of its sessions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, product
from math import comb, prod
from random import Random

from qdcbench.api import Component, Cost, Example, GenerationContext, dial, method

from ._glan_curriculum import Curriculum, Subject, subjects
from ._replies import answer_each, each, first_item, in_flight, unanswered
from ._topics import drawn

IDLE_QUESTIONS = 500  # without an accepted one, and the method ends by itself

FIDELITY = (
    Component(name="fields, sub-fields, disciplines", state="changed", note="two levels; three lists of fields joined"),
    Component(name="human vote on the taxonomy", state="changed", note="the judge's check of each topic"),
    Component(name="126 disciplines", state="changed", note="few, drawn level by level; one task is no curriculum"),
    Component(name="10 lists of subjects a discipline", state="changed", note="two by default; a dial"),
    Component(name="second call that makes records of subjects", state="changed", note="a numbered list is asked for"),
    Component(name="100 to 200 subjects a discipline", state="changed", note="a few of all, drawn at random"),
    Component(name="10 to 30 sessions, one call a subject", state="present", note="10 are asked for"),
    Component(name="one or two sessions, 1 to 5 key concepts", state="present", note="uniform over combinations"),
    Component(name="how often two sessions", state="changed", note="half the time (assumed; not known to us)"),
    Component(name="questions in view of the syllabus", state="present", note="decoded as the lists are (assumed)"),
    Component(name="answers apart, by a cheaper model", state="changed", note="greedy, as for every method here"),
    Component(name="no verification of answers", state="present"),
    Component(name="decontamination", state="present", note="by the suite, for all methods alike"),
)


@dataclass(frozen=True)
class Params(Curriculum):
    """Size of the curriculum, and how much of it goes into one question."""

    concepts: int = dial(5, "key concepts in one question, at most")


def combinations(sizes: Sequence[int], most: int) -> dict[tuple[int, ...], int]:
    """Return in how many ways up to ``most`` concepts can be taken, by how many of them come from each session.

    ``sizes`` are the numbers of concepts of the sessions, each of which must give one at least (2402.13064).
    """
    splits = product(*(range(1, min(size, most) + 1) for size in sizes))
    return {split: prod(map(comb, sizes, split)) for split in splits if sum(split) <= most}


def choose(rng: Random, sessions: Sequence[Sequence[str]], most: int) -> list[str]:
    """Return concepts of all the sessions; every combination that `combinations` counts is equally likely."""
    counted = combinations([len(session) for session in sessions], most)
    (split,) = rng.choices(list(counted), weights=list(counted.values()))
    return [concept for session, size in zip(sessions, split, strict=True) for concept in drawn(rng, session, size)]


def _plans(rng: Random, taught: list[Subject], most: int) -> Iterator[tuple[Subject, list[str]]]:
    """Question after question, its subject and its key concepts."""
    for _ in count() if taught else ():
        subject = rng.choice(taught)
        sessions = rng.randint(1, min(2, len(subject.sessions), most))
        yield subject, choose(rng, drawn(rng, subject.sessions, sessions), most)


@method(
    name="glan", version=1, reference="arXiv:2402.13064", params=Params, fidelity=FIDELITY,
    summary="Build a curriculum from fields down to class sessions and write homework on its key concepts.",
    intents=("expand", "classify", "propose", "answer"),
    cost=Cost(calls={"propose": 1.0, "answer": 1.0}, setup_calls=75),
)  # fmt: skip
def generate(ctx: GenerationContext, params: Params) -> Iterator[Example]:
    """Yield answered homework questions for as long as they are wanted."""
    taught, ahead, idle = subjects(ctx, params), in_flight(ctx, 16), 0
    shared = {"description": ctx.description, "count": 1}
    written = each(
        ctx.teacher, "propose", _plans(ctx.rng, taught, params.concepts),
        lambda plan: shared | {"subject": plan[0].path[-1], "syllabus": plan[0].lines, "topics": plan[1]},
        ahead=ahead, **params.decoding,
    )  # fmt: skip
    prompts = ((plan, first_item(text)) for plan, text in written)
    for ((subject, concepts), prompt), completion in answer_each(ctx, prompts, lambda item: item[1], ahead=ahead):
        lineage = {"path": " > ".join(subject.path), "concepts": " | ".join(concepts)}
        reason = unanswered(prompt, completion) if prompt else "no question in the reply"
        if not reason:
            idle = 0
            yield Example(prompt=prompt, completion=completion, lineage=lineage)
            continue
        idle += 1
        ctx.reject(prompt, reason, completion=completion, lineage=lineage)
        if idle >= IDLE_QUESTIONS:
            return
