"""The distributions of list_edits and its held-out sets.

Public names: `EVAL_SETS`, `HELD_OUT_SIZE`, `LENGTHS`, `LONG_LENGTHS`, `is_reserved`, `draw_seed`, `draw_oracle`,
`draw_single`, `draw_held_out`, `held_out`.

Problems (operations and list, whatever the wording) are split once and for all: an eighth of them is reserved.
Held-out sets hold reserved problems only; `draw_seed`, `draw_oracle` and `draw_single` never give one. So no seed,
no rewording and no repetition can bring a held-out problem into what a method sees or the base model is made from.

>>> from random import Random
>>> program = draw_seed(Random(7))
>>> is_reserved(program), len(held_out("ood_pairs"))
(False, 1000)
"""

import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random

from ._list_edits_grammar import (
    OPERATIONS,
    SEEN_PAIRS,
    UNSEEN_PAIRS,
    Pair,
    Program,
    Step,
    problem,
)
from ._list_edits_words import (
    CONTEXTS,
    JOINS,
    PHRASINGS,
    SEEN_CONTEXTS,
    SEEN_PHRASINGS,
    UNSEEN_CONTEXTS,
    UNSEEN_PHRASINGS,
)

__all__ = [
    "BASE_LENGTHS",
    "DEEP_DEPTHS",
    "EVAL_SETS",
    "HELD_OUT_SIZE",
    "LENGTHS",
    "LONG_LENGTHS",
    "draw_held_out",
    "draw_oracle",
    "draw_seed",
    "draw_single",
    "held_out",
    "is_reserved",
]

EVAL_SETS: tuple[str, ...] = ("id", "ood_pairs", "ood_depth", "ood_surface", "ood_length")
"""The seed distribution, and four ways to leave it."""

HELD_OUT_SIZE = 1000
LENGTHS: tuple[int, ...] = (3, 4)
LONG_LENGTHS: tuple[int, ...] = (5, 6)
BASE_LENGTHS: tuple[int, ...] = (3, 4, 5, 6, 7)
"""Lengths the base model has read: all that a scripted teacher writes."""
SEED_DEPTHS: tuple[int, ...] = (1, 2, 2, 2)
"""Depths of the seed distribution, each equally likely: mostly two."""
DEEP_DEPTHS: tuple[int, ...] = (3,)
ORACLE_DEPTHS: tuple[int, ...] = (1, 2, 3)
RESERVED_ONE_IN = 8

_ALL_PHRASINGS = SEEN_PHRASINGS + UNSEEN_PHRASINGS
_ALL_CONTEXTS = tuple(range(len(CONTEXTS)))
_ALL_PAIRS = SEEN_PAIRS | UNSEEN_PAIRS


def is_reserved(program: Program) -> bool:
    """Whether the problem a program poses belongs to the held-out share."""
    ops, items = problem(program)
    text = f"{' '.join(ops)}: {' '.join(map(str, items))}"
    return zlib.crc32(text.encode()) % RESERVED_ONE_IN == 0


@lru_cache(maxsize=8)
def _followers(allowed: frozenset[Pair]) -> dict[str, tuple[str, ...]]:
    """What may follow each operation."""
    return {op: tuple(other for other in OPERATIONS if (op, other) in allowed) for op in OPERATIONS}


def _draw(
    rng: Random,
    *,
    depths: Sequence[int],
    allowed: frozenset[Pair] = SEEN_PAIRS,
    phrasings: Sequence[int] = SEEN_PHRASINGS,
    contexts: Sequence[int] = SEEN_CONTEXTS,
    lengths: Sequence[int] = LENGTHS,
) -> Program:
    """One program with every choice uniform among what is allowed."""
    followers = _followers(allowed)
    ops = [rng.choice(OPERATIONS)]
    for _ in range(rng.choice(depths) - 1):
        ops.append(rng.choice(followers[ops[-1]]))
    return Program(
        steps=tuple(Step(op, rng.choice(phrasings)) for op in ops),
        items=tuple(rng.randrange(10) for _ in range(rng.choice(lengths))),
        context=rng.choice(contexts),
        joins=tuple(rng.randrange(len(JOINS)) for _ in ops[1:]),
    )


def _until(reserved: bool, draw: Callable[[], Program]) -> Program:
    """The first program drawn on the asked side of the split."""
    while True:
        program = draw()
        if is_reserved(program) == reserved:
            return program


def draw_seed(rng: Random) -> Program:
    """One program of the seed distribution: seen pairs, phrasings and contexts, depth one or two."""
    return _until(False, lambda: _draw(rng, depths=SEED_DEPTHS))


def draw_oracle(rng: Random) -> Program:
    """One program uniform over the whole grammar: all pairs, wordings, depths one to three, all lengths."""
    return _until(
        False,
        lambda: _draw(
            rng,
            depths=ORACLE_DEPTHS,
            allowed=_ALL_PAIRS,
            phrasings=_ALL_PHRASINGS,
            contexts=_ALL_CONTEXTS,
            lengths=LENGTHS + LONG_LENGTHS,
        ),
    )


def draw_single(rng: Random) -> Program:
    """One program with a single operation, in any wording and any length: what the base model is made from."""
    return _until(
        False,
        lambda: _draw(
            rng,
            depths=(1,),
            phrasings=_ALL_PHRASINGS,
            contexts=_ALL_CONTEXTS,
            lengths=BASE_LENGTHS,
        ),
    )


def draw_held_out(name: str, rng: Random) -> Program:
    """One program for a held-out set; each `ood_` set leaves the seed distribution in one way only."""
    deep = tuple(depth for depth in SEED_DEPTHS if depth > 1)
    draws: dict[str, Callable[[], Program]] = {
        "id": lambda: _draw(rng, depths=SEED_DEPTHS),
        "ood_pairs": lambda: _draw(rng, depths=deep, allowed=UNSEEN_PAIRS),
        "ood_depth": lambda: _draw(rng, depths=DEEP_DEPTHS),
        "ood_surface": lambda: _draw(rng, depths=SEED_DEPTHS, phrasings=UNSEEN_PHRASINGS, contexts=UNSEEN_CONTEXTS),
        "ood_length": lambda: _draw(rng, depths=SEED_DEPTHS, lengths=LONG_LENGTHS),
    }
    if name not in draws:
        raise ValueError(f"no held-out set {name!r}; there are {', '.join(EVAL_SETS)}")
    return _until(True, draws[name])


@lru_cache(maxsize=len(EVAL_SETS))
def held_out(name: str) -> tuple[Program, ...]:
    """The programs of a held-out set: always the same, no problem twice."""
    rng = Random(f"list_edits: held-out {name}, version 1")
    programs: dict[object, Program] = {}
    while len(programs) < HELD_OUT_SIZE:
        program = draw_held_out(name, rng)
        programs.setdefault(problem(program), program)
    return tuple(programs.values())


assert set(PHRASINGS) == set(OPERATIONS)
