"""Several teachers that act as one: each request goes to one of them, drawn by weight from the request itself."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

from qdcbench.api import INTENTS, Reply, Request, Teacher
from qdcbench.errors import TeacherError, did_you_mean
from qdcbench.seeds import seed_for
from qdcbench.teachers.canonical import canonical_request
from qdcbench.teachers.desk import Submitting
from qdcbench.teachers.faults import PartlyAnswered, in_vain

__all__ = ["Ensemble", "Member", "SubmittingEnsemble", "ensemble_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One teacher of an ensemble; ``share`` is its part of the requests."""

    name: str
    share: float
    teacher: Teacher

    def can(self, intent: str) -> bool:
        """Return whether the teacher says that it can be asked this; one that says nothing can."""
        return intent in getattr(self.teacher, "intents", INTENTS)


class Ensemble:
    """Fulfils ``qdcbench.api.Teacher``; each reply names the member that wrote it.

    Who answers a request depends on its content, its sample and the seed: not on order, batch or time. So the shares
    hold in expectation. For an intent that some members cannot be asked, the others share the requests.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        """See `ensemble_of`."""
        self.members = tuple(members)
        self.simulated = all(member.teacher.simulated for member in members)
        self.intents = tuple(intent for intent in INTENTS if any(member.can(intent) for member in members))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(member.name for member in self.members)})"

    def member_for(self, request: Request, seed: int) -> Member:
        """Return the member that answers a request: the one that its material ``member`` names, else a drawn one.

        Raises:
            TeacherError: none of them can be asked this, or there is no member of that name.
        """
        named = request.material.get("member")
        if named is not None:
            return self._named(str(named))
        able = [member for member in self.members if member.can(request.intent)]
        if not able:
            raise TeacherError(f"no member of the ensemble can be asked to {request.intent}; add one that can")
        drawn = seed_for(seed, "ensemble", canonical_request({}, request, seed)) / 2**63
        place = drawn * sum(member.share for member in able)
        for member in able:
            place -= member.share
            if place < 0:
                return member
        return able[-1]

    def _named(self, name: str) -> Member:
        found = {member.name: member for member in self.members}
        if name not in found:
            raise TeacherError(f"the ensemble has no member {name!r}; {did_you_mean(name, found)}")
        return found[name]

    def complete(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Ask all members at once, each its own requests; replies in the order of requests.

        Raises:
            TeacherError: some member gave no usable answer. Where others did, it is a `PartlyAnswered`.
        """
        places: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(self.member_for(request, seed).name, []).append(place)
        asked = [member for member in self.members if member.name in places]
        if not asked:
            return []
        with ThreadPoolExecutor(len(asked)) as threads:
            futures = {
                member.name: threads.submit(member.teacher.complete, [requests[i] for i in places[member.name]], seed)
                for member in asked
            }
        return _gathered(len(requests), places, futures)

    def close(self) -> None:
        """Close all members that can be closed."""
        for member in self.members:
            close = getattr(member.teacher, "close", None)
            if close is not None:
                close()


class SubmittingEnsemble(Ensemble):
    """An ensemble all of whose members start to answer at once.

    With a member that answers in batches there is no ``submit``: its requests would wait for company, and who asks
    one by one would wait for ever. Such an ensemble is asked in batches as a whole.
    """

    def submit(self, request: Request, seed: int) -> "Future[Reply]":
        """Begin to answer; the future is the member's, its reply marked with the member's name."""
        member = self.member_for(request, seed)
        named: Future[Reply] = Future()

        def pass_on(done: "Future[Reply]") -> None:
            error = done.exception()
            if error is not None:
                named.set_exception(error)
            else:
                named.set_result(replace(done.result(), teacher=member.name))

        cast(Submitting, member.teacher).submit(request, seed).add_done_callback(pass_on)
        return named

    def halt(self) -> None:
        """Send nothing more of what was submitted to any member."""
        for member in self.members:
            cast(Submitting, member.teacher).halt()


def ensemble_of(members: Sequence[Member]) -> Ensemble:
    """Return the ensemble; it can be submitted to when all members can."""
    submitting = all(hasattr(member.teacher, "submit") for member in members)
    return SubmittingEnsemble(members) if submitting else Ensemble(members)


def _gathered(
    count: int, places: Mapping[str, Sequence[int]], futures: Mapping[str, "Future[list[Reply]]"]
) -> list[Reply]:
    """Put the members' replies in order, or raise what the first failed member says with all that was answered."""
    replies: list[Reply | None] = [None] * count
    errors: list[BaseException] = []
    for name, future in futures.items():
        error = future.exception()
        found: Sequence[Reply | None] = ()
        if error is None:
            found = future.result()
        else:
            errors.append(error)
            if isinstance(error, PartlyAnswered):
                found = error.replies
        for place, reply in zip(places[name], found, strict=False):
            replies[place] = None if reply is None else replace(reply, teacher=name)
    if not errors:
        return [reply for reply in replies if reply is not None]
    # A broken teacher before one that was refused, and a cap before a fault: the first is what to mend.
    reason = min(errors, key=lambda error: isinstance(error, TeacherError))
    if not isinstance(reason, TeacherError):
        raise reason
    raise in_vain(
        reason,
        replies if any(replies) else (),
        lost_calls=sum(getattr(error, "lost_calls", 0) for error in errors),
        lost_tokens=sum(getattr(error, "lost_tokens", 0) for error in errors),
    )
