"""The scripted teacher of list_edits: offline, deterministic, and open about every number.

It reads a request's intent and material and never its messages, which only count as tokens. A reply depends
on the seed and on that one request, whatever else is asked and in whatever order. What the numbers are and
where they come from: ``_list_edits_profiles``.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from qdcbench.api import Example, PluginError, Reply, Request, TeacherError

from ._list_edits_grammar import Program, parse, problem
from ._list_edits_people import (
    FACTORS,
    OCCUPATIONS,
    UNSOUND,
    Topic,
    context_of,
    describe_person,
    topic_children,
    understood,
)
from ._list_edits_profiles import Profile
from ._list_edits_solver import grade_complexity, grade_pair, grade_quality, meets, rate, solve, verdict
from ._list_edits_writer import OPERATORS, Brief, mend, rewrite, taste_of, write

__all__ = ["ScriptedTeacher", "count_tokens"]

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Return the number of words and punctuation marks, this teacher's unit of cost."""
    return len(_TOKEN.findall(text))


def _plain(value: Any) -> Any:
    """JSON types for what a material may hold."""
    if isinstance(value, Example):
        return [value.prompt, value.completion]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _stream(*parts: Any) -> Random:
    """A generator that depends on the parts and nothing else."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _texts(value: Any) -> tuple[str, ...]:
    """Prompts out of a list of texts or of examples."""
    return tuple(item.prompt if isinstance(item, Example) else str(item) for item in value or ())


def _numbered(items: Sequence[str]) -> str:
    return "\n".join(f"{place}. {item}" for place, item in enumerate(items, 1))


def _equal(material: Mapping[str, Any]) -> bool:
    first, second = parse(str(material["prompt"])), parse(str(material["other"]))
    return first is not None and second is not None and problem(first) == problem(second)


def _on_topics(material: Mapping[str, Any]) -> bool:
    known = [understood(label) for label in _texts(material["topics"])]
    return meets(str(material["prompt"]), [topic for topic in known if topic is not None])


_TRUTHS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "equal": _equal,
    "sound": lambda material: understood(str(material["topic"])) is not None,
    "classification": lambda material: False,  # an edited list is no label of a small set
    "task": lambda material: parse(str(material["prompt"])) is not None,
    "requirements": _on_topics,
}
"""What is true about each question of a classification."""

_FORMS = {"instances": "Input: <none>\nOutput: {}", "labels": "Class label: {}\nInput: <none>"}
"""How an answer is laid out where a form is asked for; prompts of this task hold their input."""

_SESSION = 5
"""Key concepts of a class session (2402.13064: about five)."""


def _around(rng: Random, path: tuple[str, ...]) -> list[str]:
    """Concepts of a topic without children: itself and others that go with it."""
    others = [label for factor in FACTORS if factor not in path[:1] for label in topic_children((factor,))]
    return [*path[-1:], *rng.sample(others, 2 * _SESSION - 1)]


def _sessions(concepts: Sequence[str]) -> list[str]:
    parts = [concepts[start : start + _SESSION] for start in range(0, len(concepts), _SESSION)]
    return [f"session {number}: {'; '.join(part)}" for number, part in enumerate(parts, 1)]


class ScriptedTeacher:
    """Answers every intent but ``chat`` as the profile's numbers say."""

    simulated = True

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._verbs: dict[str, Callable[[Request, Mapping[str, Any], int, Random], str]] = {
            "propose": self._propose,
            "evolve": self._evolve,
            "answer": self._answer,
            "judge": self._judge,
            "persona": self._persona,
            "expand": self._expand,
            "classify": self._classify,
        }

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer all requests.

        Raises:
            TeacherError: an intent that a script cannot follow.
            PluginError: a request lacks material that its intent needs.
        """
        return [self._reply(request, seed) for request in requests]

    def _reply(self, request: Request, seed: int) -> Reply:
        if request.intent not in self._verbs:
            raise TeacherError(
                f"the scripted teacher cannot follow a request of intent {request.intent!r} "
                f"(it knows {', '.join(self._verbs)}); run this method with a chat teacher"
            )
        material = {key: _plain(value) for key, value in request.material.items()}
        rng = _stream(self.profile.name, seed, request.intent, material, request.sample, request.temperature)
        try:
            text = self._verbs[request.intent](request, request.material, seed, rng)
        except KeyError as error:
            raise PluginError(
                f"a request of intent {request.intent!r} lacks the material {error.args[0]!r}; pass it by that name"
            ) from None
        spans = [match.end() for match in _TOKEN.finditer(text)]
        cut = len(spans) > request.max_tokens
        return Reply(
            text=text[: spans[request.max_tokens - 1]] if cut else text,
            prompt_tokens=sum(count_tokens(words) for _, words in request.messages),
            completion_tokens=min(len(spans), request.max_tokens),
            finish_reason="length" if cut else "stop",
        )

    def _topic(self, rng: Random, labels: Sequence[str]) -> Topic | None:
        """What several topics ask for together; each is forgotten now and then."""
        known = [understood(label) for label in labels if rng.random() < self.profile.obedience]
        topics = [topic for topic in known if topic is not None]
        if not topics:
            return None
        chain = next((topic.operations for topic in topics if topic.operations), ())
        depth = next((topic.depth for topic in topics if topic.depth), None)
        return Topic(
            operations=chain,
            context=next((topic.context for topic in topics if topic.context is not None), None),
            depth=max(depth, len(chain)) if depth else None,
            length=next((topic.length for topic in topics if topic.length), None),
        )

    def _propose(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        count = max(1, int(material.get("count", 1)))
        if count > 1 and rng.random() < self.profile.short_reply:
            count -= 1
        exemplars = _texts(material.get("exemplars"))
        items: list[str] = []
        programs: list[Program] = []
        for _ in range(count):
            topic = self._topic(rng, _texts(material.get("topics")))
            brief = Brief(
                exemplars,
                str(material.get("persona") or ""),
                topic,
                frozenset(step.op for program in programs for step in program.steps),
                frozenset(program.context for program in programs),
            )
            items.append(write(rng, self.profile, request.temperature, brief))
            program = parse(items[-1]) if len(items) < count else None
            if program is not None:
                programs.append(program)
        return _numbered(items)

    def _evolve(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        operator, prompt, heat = str(material["operator"]), str(material["prompt"]), request.temperature
        if operator == "repair":
            return mend(rng, self.profile, heat, prompt, self._topic(rng, _texts(material.get("topics"))))
        if operator == "add_nodes":
            return rewrite(rng, self.profile, heat, prompt, operator, max(1, int(material["nodes"])))
        if operator not in OPERATORS:
            known = ", ".join((*OPERATORS, "add_nodes", "repair"))
            raise PluginError(f"there is no operator {operator!r} for evolve; known: {known}")
        return rewrite(rng, self.profile, heat, prompt, operator)

    def _answer(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        prompt, form = str(material["prompt"]), material.get("form", "")
        if "hint" in material and rng.random() < self.profile.follows_hint:
            return str(material["hint"])
        draft = str(material.get("draft", ""))
        if draft and verdict(rng, self.profile, prompt, draft):
            return draft
        text = solve(rng, self.profile, request.temperature, prompt)
        if not form:
            return text
        if form not in _FORMS:
            raise PluginError(f"there is no form {form!r} for answer; known: {', '.join(_FORMS)}")
        return _FORMS[form].format(text)

    def _judge(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        question, prompt, completion = str(material["question"]), str(material["prompt"]), str(material["completion"])
        if question == "rating":
            return f"Rating: {rate(rng, self.profile, prompt, completion)}"
        if question == "complexity":
            return f"Score: {grade_complexity(rng, self.profile, prompt)}"
        if question in {"quality", "pair"}:
            grade = grade_quality if question == "quality" else grade_pair
            return f"Score: {grade(rng, self.profile, prompt, completion)}"
        if question not in {"correct", "incorrect"}:
            known = "rating, quality, complexity, pair, correct, incorrect"
            raise PluginError(f"there is no question {question!r} for judge; known: {known}")
        # Both questions about one answer have the same verdict behind them, but for some inconsistency in the second.
        behind = _stream(self.profile.name, seed, "verdict", prompt, completion, request.sample)
        if question == "incorrect" and rng.random() >= self.profile.consistency:
            behind = rng
        taken = verdict(behind, self.profile, prompt, completion)
        return "Yes." if taken == (question == "correct") else "No."

    def _classify(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        question = str(material["question"])
        if question not in _TRUTHS:
            raise PluginError(f"there is no question {question!r} for classify; known: {', '.join(_TRUTHS)}")
        return "Yes." if _TRUTHS[question](material) == (rng.random() < self.profile.sees_equal) else "No."

    def _persona(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        taste = taste_of(self.profile, round(request.temperature, 3))
        source = parse(str(material["text"])) if "text" in material else None
        near = source.context if source else context_of(str(material.get("persona") or ""))
        people = []
        for _ in range(max(1, int(material.get("count", 1)))):
            context = near
            if near is None or ("persona" in material and rng.random() >= self.profile.persona_stays):
                context = rng.choices(range(len(OCCUPATIONS)), cum_weights=taste.contexts)[0]
            people.append(describe_person(rng, context if context is not None else 0))
        return _numbered(people)

    def _expand(self, request: Request, material: Mapping[str, Any], seed: int, rng: Random) -> str:
        path = tuple(str(label) for label in material["path"])
        children = list(topic_children(path))
        # A child is left out more often the further down it is among this teacher's favourites.
        favourites = Random(f"list_edits: topics of {self.profile.name}, version 1")
        favourites.shuffle(children)
        named = []
        mean = self.profile.completeness if path else self.profile.factor_completeness
        tilt = self.profile.completeness_tilt * min(mean, 1 - mean)
        for place, child in enumerate(children):
            if rng.random() < mean + tilt * (1 - (2 * place + 1) / len(children)):
                named.append(child if rng.random() < self.profile.soundness else rng.choice(UNSOUND))
        rng.shuffle(named)
        if material.get("form") == "syllabus":
            return _numbered(_sessions(named or _around(rng, path)))
        return _numbered(named) if named else "I cannot think of any."
