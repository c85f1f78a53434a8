"""How the scripted teacher of list_edits writes and rewrites prompts.

Public names: `Brief`, `Taste`, `taste_of`, `write`, `rewrite`, `mend`, `typicality`.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from random import Random

from ._list_edits_grammar import MAX_DEPTH, OPERATIONS, Program, Step, parse, render
from ._list_edits_people import Topic, context_of
from ._list_edits_profiles import Profile
from ._list_edits_words import CONTEXTS, JOINS, PHRASINGS

__all__ = ["OPERATORS", "Brief", "Taste", "mend", "rewrite", "taste_of", "typicality", "write"]

OPERATORS = ("add_constraint", "deepen", "concretize", "more_steps", "complicate_input", "breadth")
"""Rewritings the teacher knows by name alone; it also adds nodes and mends."""

_WORDINGS = len(next(iter(PHRASINGS.values())))
_NODES_A_STEP = 3
"""Nodes of a prompt's semantic tree that make one operation: a verb, its object, its manner (assumed)."""
_COLDEST = 0.25
"""Below this temperature the taste does not get sharper."""
_LONGEST_LIST = 7
_IMPOSSIBLE = ("find the square root of each number", "draw a picture of the list", "translate the list into French")
_UNDOING = ("but leave the list exactly as it is", "without moving or changing any number", "and give nothing back")


@dataclass(frozen=True, slots=True)
class Taste:
    """Cumulative weights over operations, phrasings per operation, and contexts, at one temperature."""

    operations: tuple[float, ...]
    phrasings: dict[str, tuple[float, ...]]
    contexts: tuple[float, ...]
    followers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Brief:
    """What guides one proposal: prompts to imitate, a person, what topics ask for, what earlier items used."""

    exemplars: tuple[str, ...] = ()
    persona: str = ""
    topic: Topic | None = None
    used_operations: frozenset[str] = frozenset()
    used_contexts: frozenset[int] = frozenset()


def _zipf(size: int, exponent: float, rng: Random) -> list[float]:
    """Weights that fall with rank, the ranks dealt at random."""
    ranks = list(range(1, size + 1))
    rng.shuffle(ranks)
    return [rank**-exponent for rank in ranks]


@lru_cache(maxsize=64)
def taste_of(profile: Profile, temperature: float) -> Taste:
    """Return a profile's taste, which is sharper the lower the temperature; the favourites never change."""
    rng = Random(f"list_edits: favourites of {profile.name}, version 1")
    heat = max(temperature, _COLDEST)
    operations = _zipf(len(OPERATIONS), profile.operation_skew / heat, rng)
    phrasings = {op: tuple(accumulate(_zipf(_WORDINGS, profile.phrasing_skew / heat, rng))) for op in OPERATIONS}
    contexts = _zipf(len(CONTEXTS), profile.context_skew / heat, rng)
    followers = {op: rng.choice([other for other in OPERATIONS if other != op]) for op in OPERATIONS}
    return Taste(tuple(accumulate(operations)), phrasings, tuple(accumulate(contexts)), followers)


def _share(cumulative: tuple[float, ...], index: int) -> float:
    """The probability of one entry."""
    before = cumulative[index - 1] if index else 0.0
    return (cumulative[index] - before) / cumulative[-1]


def typicality(profile: Profile, program: Program) -> float:
    """Return how usual a program looks to a profile, from 0 (least) to 1 (most)."""
    taste = taste_of(profile, 1.0)
    shares = [_share(taste.operations, OPERATIONS.index(step.op)) for step in program.steps]
    shares.append(_share(taste.contexts, program.context))
    # The weights are powers of the rank, so the logarithm of a share runs evenly from the last rank to the first.
    low = [_lowest(taste.operations)] * len(program.steps) + [_lowest(taste.contexts)]
    high = [_highest(taste.operations)] * len(program.steps) + [_highest(taste.contexts)]
    place = sum(math.log(share / least) for share, least in zip(shares, low, strict=True))
    span = sum(math.log(most / least) for most, least in zip(high, low, strict=True))
    return place / span if span else 0.5


@lru_cache(maxsize=64)
def _lowest(cumulative: tuple[float, ...]) -> float:
    return min(_share(cumulative, index) for index in range(len(cumulative)))


@lru_cache(maxsize=64)
def _highest(cumulative: tuple[float, ...]) -> float:
    return max(_share(cumulative, index) for index in range(len(cumulative)))


def _operation(rng: Random, profile: Profile, taste: Taste, before: str) -> str:
    """One operation by taste and habit, never the same as the one before."""
    if before and rng.random() < profile.habit:
        return taste.followers[before]
    while True:
        op = rng.choices(OPERATIONS, cum_weights=taste.operations)[0]
        if op != before:
            return op


def _step(rng: Random, taste: Taste, op: str) -> Step:
    return Step(op, rng.choices(range(_WORDINGS), cum_weights=taste.phrasings[op])[0])


def _digits(rng: Random, length: int) -> tuple[int, ...]:
    return tuple(rng.randrange(10) for _ in range(length))


def _build(rng: Random, steps: list[Step], items: tuple[int, ...], context: int) -> Program:
    joins = tuple(rng.randrange(len(JOINS)) for _ in steps[1:])
    return Program(steps=tuple(steps), items=items, context=context, joins=joins)


def _fresh(rng: Random, profile: Profile, taste: Taste, topic: Topic, used: frozenset[str] = frozenset()) -> Program:
    """A program from taste alone, but for what the topic asks for."""
    ops = list(topic.operations)
    wanted = topic.depth or max(
        len(ops), rng.choices(range(1, len(profile.depth_weights) + 1), weights=profile.depth_weights)[0]
    )
    while len(ops) < wanted:
        before = ops[-1] if ops else ""
        op = _operation(rng, profile, taste, before)
        if op in used and rng.random() >= profile.repeat_in_reply:
            op = _operation(rng, profile, taste, before)
        ops.append(op)
    context = topic.context
    if context is None:
        context = rng.choices(range(len(CONTEXTS)), cum_weights=taste.contexts)[0]
    length = topic.length or 3 + rng.choices(range(5), weights=profile.length_weights)[0]
    return _build(rng, [_step(rng, taste, op) for op in ops], _digits(rng, length), context)


def _mutate(rng: Random, profile: Profile, taste: Taste, steps: list[Step]) -> list[Step]:
    """Change, add or drop one operation."""
    steps = list(steps)
    kind = rng.choice(("change", "change", "add", "drop"))
    place = rng.randrange(len(steps))
    if kind == "drop" and len(steps) > 1:
        del steps[place]
    elif kind == "add" and len(steps) < 4:
        steps.append(_step(rng, taste, _operation(rng, profile, taste, steps[-1].op)))
    else:
        before = steps[place - 1].op if place else ""
        steps[place] = _step(rng, taste, _operation(rng, profile, taste, before))
    return steps


def _imitate(rng: Random, profile: Profile, taste: Taste, model: Program) -> Program:
    """A program that keeps some of an exemplar's operations, wording and context; the list is new."""
    steps = list(model.steps)
    if rng.random() >= profile.keep_operations:
        steps = _mutate(rng, profile, taste, steps)
    steps = [step if rng.random() < profile.keep_phrasing else _step(rng, taste, step.op) for step in steps]
    context = model.context
    if rng.random() >= profile.keep_context:
        context = rng.choices(range(len(CONTEXTS)), cum_weights=taste.contexts)[0]
    return _build(rng, steps, _digits(rng, len(model.items)), context)


def _dress(rng: Random, profile: Profile, program: Program, persona: str) -> Program:
    """What a person does to a program: the context, often the wording, seldom an operation."""
    context = context_of(persona)
    if context is not None and rng.random() < profile.persona_surface:
        program = replace(program, context=context)
    if rng.random() < profile.persona_voice:
        program = replace(program, steps=tuple(Step(s.op, rng.randrange(_WORDINGS)) for s in program.steps))
    if rng.random() < profile.persona_operations:
        # The same person always leans to the same operation.
        own = Random(persona).choice(OPERATIONS)
        first = Step(own, rng.randrange(_WORDINGS))
        program = replace(program, steps=(first, *program.steps[1:]))
    return program


def _spoil_task(rng: Random, text: str) -> str:
    """Turn a prompt into one that nobody can do or that is no prompt."""
    head, _, digits = text.rpartition(": ")
    kind = rng.randrange(4)
    if kind == 0:
        return f"{head}, then {rng.choice(_IMPOSSIBLE)}: {digits}"
    if kind == 1:
        return f"Do something interesting with this list: {digits}"
    if kind == 2:
        return f"** {text}"
    return "Edit the list"


def _spoil_input(rng: Random, text: str) -> str:
    """Give a prompt a list that does not fit: none, letters or numbers of two digits."""
    head, _, digits = text.rpartition(": ")
    items = digits.split()
    misfits = ("", "a b c d", " ".join(f"{rng.randrange(1, 10)}{item}" for item in items))
    return f"{head}: {rng.choice(misfits)}".strip()


def write(rng: Random, profile: Profile, temperature: float, brief: Brief) -> str:
    """Return one new prompt under a brief; now and then it is unusable or a copy."""
    taste = taste_of(profile, round(temperature, 3))
    topic = brief.topic
    model = None
    if brief.exemplars and rng.random() < profile.imitation:
        text = rng.choice(brief.exemplars)
        if topic is None and rng.random() < profile.copy_exemplar:
            return text
        model = parse(text)
    if model is None or topic is not None:
        program = _fresh(rng, profile, taste, topic or Topic(), brief.used_operations)
    else:
        program = _imitate(rng, profile, taste, model)
    pinned = topic is not None and topic.context is not None
    if program.context in brief.used_contexts and not pinned and rng.random() >= profile.repeat_in_reply:
        program = replace(program, context=rng.choices(range(len(CONTEXTS)), cum_weights=taste.contexts)[0])
    if brief.persona:
        program = _dress(rng, profile, program, brief.persona)
    text = render(program)
    if rng.random() < profile.invalid_task:
        return _spoil_task(rng, text)
    return _spoil_input(rng, text) if rng.random() < profile.bad_input else text


def _reworded(rng: Random, taste: Taste, program: Program) -> Program:
    """The same problem in other words."""
    steps = [_step(rng, taste, step.op) for step in program.steps]
    return _build(rng, steps, program.items, rng.choices(range(len(CONTEXTS)), cum_weights=taste.contexts)[0])


def _evolved(rng: Random, profile: Profile, taste: Taste, program: Program, operator: str) -> Program:
    """A program after one operator."""
    steps = list(program.steps)
    if operator == "breadth":
        topic = Topic(depth=len(steps), length=min(len(program.items), _LONGEST_LIST))
        return _fresh(rng, profile, taste, topic)
    if operator == "complicate_input":
        room = max(0, _LONGEST_LIST - len(program.items))
        return replace(program, items=program.items + _digits(rng, min(room, rng.choice((1, 2)))))
    if operator == "concretize":
        place = rng.randrange(len(steps))
        steps[place] = _step(rng, taste, _operation(rng, profile, taste, steps[place - 1].op if place else ""))
        return _build(rng, steps, program.items, rng.choices(range(len(CONTEXTS)), cum_weights=taste.contexts)[0])
    for _ in range(rng.choice((1, 2)) if operator == "more_steps" else 1):
        place = rng.randrange(1, len(steps) + 1) if operator == "deepen" else len(steps)
        steps.insert(place, _step(rng, taste, _operation(rng, profile, taste, steps[place - 1].op)))
    return _build(rng, steps, program.items, program.context)


def _with_nodes(rng: Random, profile: Profile, taste: Taste, program: Program, nodes: int) -> Program:
    """A program with as many more steps as its semantic tree has more nodes."""
    steps = list(program.steps)
    for _ in range(min(max(1, round(nodes / _NODES_A_STEP)), MAX_DEPTH - len(steps))):
        steps.append(_step(rng, taste, _operation(rng, profile, taste, steps[-1].op)))
    return _build(rng, steps, program.items, program.context)


def mend(rng: Random, profile: Profile, temperature: float, prompt: str, topic: Topic | None) -> str:
    """Return a criticised prompt made anew on its topics, or as it was where that fails."""
    if rng.random() >= profile.repairs:
        return prompt
    return render(_fresh(rng, profile, taste_of(profile, round(temperature, 3)), topic or Topic()))


def rewrite(rng: Random, profile: Profile, temperature: float, prompt: str, operator: str, nodes: int = 0) -> str:
    """Return a prompt after one of OPERATORS, or with more nodes where there are any.

    It may be the same problem again, leak scaffold words or ask too much.
    """
    taste = taste_of(profile, round(temperature, 3))
    program = parse(prompt)
    if program is None:
        return f"{prompt}, {rng.choice(_UNDOING)}"
    luck = rng.random()
    if luck < profile.unchanged:
        return render(_reworded(rng, taste, program))
    grown = _with_nodes(rng, profile, taste, program, nodes) if nodes else None
    text = render(grown or _evolved(rng, profile, taste, program, operator))
    if luck < profile.unchanged + profile.leak:
        return f"#Rewritten Prompt#: {text}"
    burden = profile.contradiction + profile.contradiction_per_step * max(0, len(program.steps) - 3)
    if luck < profile.unchanged + profile.leak + burden:
        head, _, digits = text.rpartition(": ")
        return f"{head}, {rng.choice(_UNDOING)}: {digits}"
    return text
