"""Rows of list_edits made to a recipe: each axis is set exactly, the others stay as they are.

The task's own grammar writes every row, so the truth about it is known: whether its answer is right, which operations
and wordings occur, how deep it is, how long. What a recipe fixes is dealt out in exact shares, never drawn: two
recipes that differ in one field have the same depths, list lengths and number of right answers otherwise.
"""

import importlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from qdcbench.api import Check, Example, Structure, Task
from qdcbench.errors import DataError

__all__ = ["FILLERS", "Recipe", "SeenThrough", "bare", "made", "right_answers"]

FILLERS: tuple[str, ...] = (
    "Now.", "Kindly.",
    "Please help.", "Take these.",
    "This is new.", "Here is help.", "It begins now.",
    "Here is the list.", "It begins at once.", "Everything is on paper.", "This is for us.",
    "It is for the class.", "Please read it once more.", "The whole class needs help.", "Please write it on paper.",
    "This is a small evening exercise.", "Please write on the new sheet.", "The list is on the desk.",
    "Here is a new exercise for us.", "It is a small puzzle for morning.", "Please read the list on the desk.",
)  # fmt: skip
"""Sentences of one to seven words that ask for nothing."""

_TRIED = 100
"""Random parts of the grammar, or programs, of which the one with prompts and answers of usual length is taken."""

_ANSWER_WEIGHT = 5.0
"""A word of an answer counts as much as this many of a prompt, which has about so many times more."""

_FIVE = (1, 2, 3, 4, 5)

_Part = tuple[tuple[str, ...], tuple[int, ...], dict[str, tuple[int, ...]]]
"""Operations, contexts, and the phrasings of each operation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What a dataset is like.

    ``right``: share of rows whose answer is right. ``operations``, ``contexts``, ``phrasings``: how many of the
    grammar's occur. ``fresh``: share of rows that are no copies. ``loose``: share of rows outside one clump, whose rows
    differ in digits alone. ``depth``: mean number of operations. ``digits``: mean length of the lists. ``filler``:
    filler words before each prompt. ``words``: the filler that brings every prompt to as many words; 0 for none.
    """

    n: int = 500
    right: float = 1.0
    operations: int = 12
    contexts: int = 24
    phrasings: int = 6
    fresh: float = 1.0
    loose: float = 1.0
    depth: float = 2.5
    digits: int = 5
    filler: int = 0
    words: int = 0


def made(task: Task, recipe: Recipe, seed: int) -> tuple[Example, ...]:
    """Return the rows of a recipe, ``recipe.n`` of them, in random order.

    Recipes that share a seed share whatever they do not set otherwise, so that only a dial tells them apart.

    Raises:
        DataError: no prompt of the recipe's depth is as short as its ``words``, or no answer can be made wrong.
    """
    grammar = _grammar(task)
    programs = _Writer(grammar, recipe, seed).programs()
    programs = _copied(programs, round(recipe.fresh * recipe.n), Random(f"{seed}: copies"))
    rows = [Example(prompt=grammar.render(program), completion=grammar.answer(program)) for program in programs]
    rows = _wronged(task, rows, round((1 - recipe.right) * recipe.n), Random(f"{seed}: wrong"))
    padded = Random(f"{seed}: filler")
    rows = [replace(row, prompt=_padded(row.prompt, _missing(grammar, row.prompt, recipe), padded)) for row in rows]
    Random(f"{seed}: order").shuffle(rows)
    return tuple(rows)


def _grammar(task: Task) -> Any:
    """Return the module of the task's grammar, which lies beside its plugin."""
    package = type(task).__module__.rpartition(".")[0]
    return importlib.import_module("._list_edits_grammar", package=package)


def _dealt(mean: float, spread: float, n: int) -> list[int]:
    """Return n whole numbers around a mean in exact shares: evenly from ``mean - spread`` to ``mean + spread``."""
    places = (mean - spread + 2 * spread * (i + 0.5) / n for i in range(n))
    return [math.floor(place + 0.5) for place in places]


class _Writer:
    """Draws programs from the part of the grammar that a recipe allows."""

    def __init__(self, grammar: Any, recipe: Recipe, seed: int) -> None:
        self.grammar, self.recipe, self.seed = grammar, recipe, seed
        self.operations, self.contexts, self.phrasings = self._part(Random(f"{seed}: part"))

    def programs(self) -> list[Any]:
        """Return n programs: depths and lengths in exact shares, paired at random; a share of them in one clump."""
        n, rng = self.recipe.n, Random(f"{self.seed}: programs")
        depths, digits = _dealt(self.recipe.depth, 1.0, n), _dealt(self.recipe.digits, 1.5, n)
        rng.shuffle(depths)
        rng.shuffle(digits)
        clump = {depth: self._typical(Random(f"{self.seed}: clump {depth}"), depth) for depth in sorted({*depths})}
        loose = round(self.recipe.loose * n)
        found = []
        for place, (depth, length) in enumerate(zip(depths, digits, strict=True)):
            drawn = self._program(rng, depth, length)
            found.append(drawn if place < loose else replace(clump[depth], items=drawn.items))
        rng.shuffle(found)
        return found

    def _program(self, rng: Random, depth: int, length: int) -> Any:
        g = self.grammar
        for _ in range(1000):
            operations = [rng.choice(self.operations)]
            while len(operations) < depth:
                operations.append(rng.choice([op for op in self.operations if op != operations[-1]]))
            program = g.Program(
                steps=tuple(g.Step(op, rng.choice(self.phrasings[op])) for op in operations),
                items=tuple(rng.randrange(10) for _ in range(length)),
                context=rng.choice(self.contexts),
                joins=tuple(rng.randrange(len(g.JOINS)) for _ in operations[1:]),
            )
            if not self.recipe.words or len(g.words(g.render(program))) <= self.recipe.words:
                return program
        raise DataError(f"no prompt of depth {depth} has {self.recipe.words} words or fewer; ask for more words")

    def _typical(self, rng: Random, depth: int) -> Any:
        """Return a program whose prompt and answer are as long as most."""
        g = self.grammar
        drawn = [self._program(rng, depth, self.recipe.digits) for _ in range(_TRIED)]
        lengths = [len(g.words(g.render(program))) for program in drawn]
        mean = sum(lengths) / len(lengths)

        def oddity(place: int) -> float:
            answer = len(g.execute(drawn[place])) - self.recipe.digits
            return float(abs(lengths[place] - mean) + _ANSWER_WEIGHT * abs(answer))

        return drawn[min(range(len(drawn)), key=oddity)]

    def _part(self, rng: Random) -> _Part:
        """Return operations, contexts and phrasings, as many as the recipe says, as long on the mean as all of them."""
        g = self.grammar
        phrasings = {op: tuple(range(len(texts))) for op, texts in g.PHRASINGS.items()}
        whole = self._lengths((tuple(g.OPERATIONS), tuple(range(len(g.CONTEXTS))), phrasings))

        def oddity(part: _Part) -> float:
            words, answer = self._lengths(part)
            return abs(words - whole[0]) + _ANSWER_WEIGHT * abs(answer - whole[1])

        return min((self._drawn(rng) for _ in range(_TRIED)), key=oddity)

    def _drawn(self, rng: Random) -> _Part:
        g, recipe = self.grammar, self.recipe
        operations = tuple(sorted(rng.sample(g.OPERATIONS, recipe.operations)))
        contexts = tuple(sorted(rng.sample(range(len(g.CONTEXTS)), recipe.contexts)))
        phrasings = {op: tuple(sorted(rng.sample(range(len(g.PHRASINGS[op])), recipe.phrasings))) for op in operations}
        return operations, contexts, phrasings

    def _lengths(self, part: _Part) -> tuple[float, float]:
        """Return the mean words of a prompt and the mean numbers that its answer has more than its list."""
        operations, contexts, phrasings = part
        g = self.grammar
        steps = [len(g.words(g.PHRASINGS[op][i])) for op in operations for i in phrasings[op]]
        around = [len(g.words(" ".join(g.CONTEXTS[i]))) for i in contexts]
        grown = [len(g.apply(op, _FIVE)) - len(_FIVE) for op in operations]
        words = self.recipe.depth * sum(steps) / len(steps) + sum(around) / len(around)
        return words, self.recipe.depth * sum(grown) / len(grown)


def _copied(programs: list[Any], fresh: int, rng: Random) -> list[Any]:
    """Return as many programs, those after the first ``fresh`` copies of these, as deep and with as long a list."""
    kept: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for program in programs[:fresh]:
        kept[len(program.steps), len(program.items)].append(program)
    shapes = [(len(program.steps), len(program.items)) for program in programs[fresh:]]
    return programs[:fresh] + [rng.choice(kept[shape]) for shape in shapes]


def _wronged(task: Task, rows: list[Example], wrong: int, rng: Random) -> list[Example]:
    """Return the rows, answers exchanged among ``wrong`` of them: the answers that occur stay the same ones."""
    changed = list(rows)
    chosen = sorted(rng.sample(range(len(rows)), wrong), key=lambda i: len(rows[i].completion))
    for place, i in enumerate(chosen):
        if task.verify(changed[i]).correct is False:
            continue
        for other in chosen[place + 1 :] + chosen[:place]:
            one = replace(changed[i], completion=changed[other].completion)
            two = replace(changed[other], completion=changed[i].completion)
            if task.verify(one).correct is False and task.verify(two).correct is False:
                changed[i], changed[other] = one, two
                break
        else:
            raise DataError(f"no exchange of {wrong} answers makes all of them wrong; ask for more rows")
    return changed


def _missing(grammar: Any, prompt: str, recipe: Recipe) -> int:
    """Return how many filler words a prompt gets."""
    return recipe.filler or max(0, recipe.words - len(grammar.words(prompt)))


def _padded(prompt: str, missing: int, rng: Random) -> str:
    sentences: list[str] = []
    while missing:
        fitting = [text for text in FILLERS if min(missing, 4) <= len(text.split()) <= missing]
        sentences.append(rng.choice(fitting))
        missing -= len(sentences[-1].split())
    return " ".join([*sentences, prompt])


def bare(prompt: str) -> str:
    """Return a prompt without the filler before it."""
    while True:
        sentence, gap, rest = prompt.partition(". ")
        if not gap or f"{sentence}." not in FILLERS:
            return prompt
        prompt = rest


def right_answers(task: Task, rows: Sequence[Example]) -> list[str]:
    """Return the right answer to each prompt, whatever stands as its completion."""
    grammar = _grammar(task)
    return [grammar.answer(grammar.parse(bare(row.prompt))) for row in rows]


class SeenThrough:
    """A task that sees through filler: it knows of a padded prompt what it knows of the prompt itself."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def verify(self, example: Example) -> Check:
        """Check the answer to the prompt behind the filler."""
        return self._task.verify(replace(example, prompt=bare(example.prompt)))

    def structure(self, prompt: str) -> Structure | None:
        """Return what is known of the prompt behind the filler."""
        return self._task.structure(bare(prompt))
