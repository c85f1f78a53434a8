"""Records of single rows: an example, an attempt, what a task knows about a prompt, a call and what calls used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qdcbench.canon import digest

__all__ = ["Attempt", "Call", "Check", "Example", "Structure", "Usage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One prompt/completion pair.

    ``parents`` are ids of the examples it was made from; ``lineage`` says how (operator, persona,
    topic, round, which teacher wrote it).
    """

    prompt: str
    completion: str
    parents: tuple[str, ...] = ()
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the digest of both texts."""
        return digest([self.prompt, self.completion])[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One candidate a method made, kept or not, with what it cost since the attempt before.

    ``asked`` are the numbers of the calls whose answers it was made of or that judged it.
    """

    index: int
    accepted: bool
    reason: str
    prompt: str
    completion: str
    parents: tuple[str, ...] = ()
    lineage: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0
    asked: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One question to a teacher and its answer, as a run's ledger keeps it, in the order of asking.

    ``key`` finds both texts in the request cache (empty for a scripted teacher, which needs none). ``cost`` is in
    US dollars, None without a price. ``seconds`` is the time of the last attempt, as recorded when it was asked;
    ``cached`` says that nobody was asked this time. ``parents`` are ids of the examples that stood in the question.
    """

    number: int
    role: str
    intent: str
    template: str
    teacher: str
    key: str = ""
    sample: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    cost: float | None = None
    finish_reason: str = "stop"
    attempts: int = 1
    discarded_tokens: int = 0
    seconds: float = 0.0
    cached: bool = False
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """What a task knows exactly about one prompt.

    ``parts`` are its elementary operations, ``pairs`` their ordered neighbours, ``depth`` their number.
    """

    depth: int
    parts: tuple[str, ...]
    pairs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A verifier's answer on one example: ``correct`` is None where it cannot tell."""

    correct: bool | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What was asked of the teachers, rejected and judge calls included. Tokens are counts.

    ``failed_calls`` (requests without a usable answer, repeated or given up) and ``discarded_tokens`` (reported
    for unusable answers) are the network's doing: they are shown, and count against no cap.
    ``estimated_calls`` is how many calls had their tokens estimated. ``money`` is in US dollars, None where the
    teacher has no price.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float | None = None
    calls_by_intent: Mapping[str, int] = field(default_factory=dict)
    tokens_by_intent: Mapping[str, int] = field(default_factory=dict)
    failed_calls: int = 0
    discarded_tokens: int = 0
    estimated_calls: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens
