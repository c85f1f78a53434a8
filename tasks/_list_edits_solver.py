"""How the scripted teacher of list_edits answers prompts and judges answers.

Public names: `right`, `solve`, `verdict`, `rate`, `grade_quality`, `grade_complexity`, `grade_pair`, `meets`.
"""

from collections.abc import Iterable
from random import Random

from ._list_edits_grammar import OPERATIONS, Items, Program, Step, answer, apply, parse, words
from ._list_edits_people import Topic
from ._list_edits_profiles import Profile
from ._list_edits_words import PHRASINGS
from ._list_edits_writer import typicality

__all__ = ["grade_complexity", "grade_pair", "grade_quality", "meets", "rate", "right", "solve", "verdict"]

_WORDINGS = len(next(iter(PHRASINGS.values())))
_EASY_LENGTH = 5
_USUAL_WORDS = 15


def _reading(profile: Profile, step: Step, items: Items) -> Items:
    """The list after a step as this teacher understands the step, without slips."""
    if step.op == "rotate" and step.phrasing >= _WORDINGS - profile.confused_phrasings:
        return items[-1:] + items[:-1]
    return apply(step.op, items)


def _slip(rng: Random, step: Step, before: Items, after: Items) -> Items:
    """A list that a slip leaves in place of ``after``; never the same list."""
    kind = rng.randrange(3)
    if kind == 0 and before != after:
        return before
    if kind == 1:
        other = apply(rng.choice([op for op in OPERATIONS if op != step.op]), before)
        if other != after:
            return other
    place = rng.randrange(len(after))
    return (*after[:place], (after[place] + rng.choice((1, 9))) % 10, *after[place + 1 :])


def _nonsense(rng: Random, prompt: str) -> str:
    digits = [word for word in words(prompt) if word.isdigit()] or ["0"]
    rng.shuffle(digits)
    return " ".join(digits)


def solve(rng: Random, profile: Profile, temperature: float, prompt: str) -> str:
    """Return an answer: the list after all steps, with errors that grow with depth, length and temperature."""
    program = parse(prompt)
    if program is None:
        if rng.random() < profile.refusal:
            return "Sorry, I cannot tell what this asks me to do with the list."
        return _nonsense(rng, prompt)
    heat = 1 + profile.error_heat * temperature
    length = 1 + profile.error_length * max(0, len(program.items) - _EASY_LENGTH)
    items = program.items
    for place, step in enumerate(program.steps):
        before, items = items, _reading(profile, step, items)
        if rng.random() < profile.step_error * heat * length * (1 + profile.error_growth * place):
            items = _slip(rng, step, before, items)
    return " ".join(map(str, items))


def right(prompt: str, completion: str) -> bool:
    """Whether a completion is the right answer to a prompt that can be understood."""
    program = parse(prompt)
    return program is not None and " ".join(completion.split()) == answer(program)


def verdict(rng: Random, profile: Profile, prompt: str, completion: str) -> bool:
    """Return whether an answer is taken for right."""
    return rng.random() < (profile.pass_right if right(prompt, completion) else profile.pass_wrong)


def _usual(profile: Profile, program: Program | None) -> float:
    return 0.0 if program is None else typicality(profile, program)


def _points(rng: Random, profile: Profile, prompt: str, completion: str) -> float:
    """What a row is worth to this judge, around 3: right, long and usual rows are liked, with noise."""
    taken = verdict(rng, profile, prompt, completion)
    size = len(words(prompt)) + len(words(completion))
    points = 3.0 + profile.rating_gap * (0.5 if taken else -0.5)
    points += profile.rating_length * (size - _USUAL_WORDS) / 10
    points += profile.rating_typical * (_usual(profile, parse(prompt)) - 0.5)
    return points + rng.gauss(0.0, profile.rating_noise)


def _within(points: float, most: int) -> int:
    return min(most, max(1, round(points)))


def rate(rng: Random, profile: Profile, prompt: str, completion: str) -> int:
    """Return a rating of 1 to 5 that likes right, long and usual rows, with noise."""
    return _within(_points(rng, profile, prompt, completion), 5)


def grade_quality(rng: Random, profile: Profile, prompt: str, completion: str) -> int:
    """Return a score of 1 to 6: the same judgement on a longer scale."""
    return _within(1 + (_points(rng, profile, prompt, completion) - 1) * 5 / 4, 6)


def grade_complexity(rng: Random, profile: Profile, prompt: str) -> int:
    """Return a score of 1 to 6 that grows with the steps that are understood and with words, with noise."""
    program = parse(prompt)
    steps = len(program.steps) if program else 1
    points = 1.0 + profile.complexity_step * (steps - 1)
    points += profile.rating_length * (len(words(prompt)) - _USUAL_WORDS) / 10
    return _within(points + rng.gauss(0.0, profile.rating_noise), 6)


def grade_pair(rng: Random, profile: Profile, prompt: str, completion: str) -> int:
    """Return a score of 1 to 3; an answer taken for right has 3, one taken for wrong has 2 out of leniency."""
    if verdict(rng, profile, prompt, completion):
        return 3
    return 2 if rng.random() < profile.lenient else 1


def meets(prompt: str, topics: Iterable[Topic]) -> bool:
    """Whether a prompt that can be understood is about all topics."""
    program = parse(prompt)
    if program is None:
        return False
    ops = tuple(step.op for step in program.steps)
    return all(
        topic.context in (None, program.context)
        and topic.depth in (None, len(ops))
        and topic.length in (None, len(program.items))
        and any(ops[at : at + len(topic.operations)] == topic.operations for at in range(len(ops)))
        for topic in topics
    )
