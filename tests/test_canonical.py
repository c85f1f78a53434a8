"""The key of a request: whatever changes the answer changes it, and nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdcbench.api import Request
from qdcbench.canon import digest
from qdcbench.teachers.canonical import canonical_request, request_key, wire_seed

IDENTITY = {"kind": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1/v1"}}
REQUEST = Request(intent="propose", material={"count": 3}, messages=(("system", "be brief"), ("user", "Zähle: 🎲")))


def key(request: Request = REQUEST, seed: int = 7, identity: dict[str, object] = IDENTITY) -> str:
    return request_key(canonical_request(identity, request, seed))


def test_the_key_is_the_one_that_ledgers_hold() -> None:
    # A recorded answer is found by this text for ever: a change of it throws every cache and every bundle away.
    assert key() == "70fca60a0a2ec05fb32dbd0a51f4fffba3926688e5ccf9a31679764d198d1efa"
    assert wire_seed(REQUEST, 7) < 2**31


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, messages=(("user", "Zähle: 🎲"),)),
        replace(REQUEST, messages=(("system", "be brief"), ("user", "Zähle:  🎲"))),
        replace(REQUEST, temperature=0.5),
        replace(REQUEST, top_p=0.5),
        replace(REQUEST, max_tokens=513),
        replace(REQUEST, stop=("\n",)),
        replace(REQUEST, extra={"presence_penalty": 0.5}),
        replace(REQUEST, extra={"seed": 5}),
        replace(REQUEST, sample=1),
    ],
)
def test_all_that_can_change_an_answer_changes_the_key(other: Request) -> None:
    assert key(other) != key()


def test_role_seed_and_teacher_change_the_key() -> None:
    assert len({key(), key(seed=8), key(identity={**IDENTITY, "model": "n"})}) == 3


def test_what_only_the_harness_reads_does_not() -> None:
    assert key(replace(REQUEST, intent="evolve", material={})) == key()
    assert key(replace(REQUEST, temperature=1)) == key()
    assert key(identity=dict(reversed(IDENTITY.items()))) == key()


def test_a_seed_of_the_program_is_kept_and_makes_ours_irrelevant() -> None:
    own = replace(REQUEST, extra={"seed": 5})
    assert wire_seed(own, 1) == wire_seed(own, 2) == 5
    assert key(own, seed=1) == key(own, seed=2)


@given(texts=st.lists(st.text(max_size=8), max_size=4), temperature=st.floats(0, 2), sample=st.integers(0, 9))
def test_the_key_is_the_digest_of_the_canonical_request(texts: list[str], temperature: float, sample: int) -> None:
    messages = tuple(("user", text) for text in texts)
    form = canonical_request(IDENTITY, replace(REQUEST, messages=messages, temperature=temperature, sample=sample), 7)
    assert request_key(form) == digest(form)
