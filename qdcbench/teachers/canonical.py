"""The canonical form of a request: what its answer depends on, and the key under which the answer is recorded."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from qdcbench.api import Request
from qdcbench.canon import digest, plain
from qdcbench.seeds import seed_for

__all__ = ["canonical_request", "request_key", "wire_seed"]


def wire_seed(request: Request, seed: int) -> int:
    """Return the 31-bit seed that a request is sent with: its own where a program chose one, else derived.

    Derived from the role's ``seed``, the messages and the sample index: not from the method, its source or the order
    of asking, so that recorded answers survive a change of code.
    """
    own = request.extra.get("seed")
    if isinstance(own, int) and not isinstance(own, bool):
        return own
    return seed_for(seed, "chat", {"messages": digest(request.messages), "sample": request.sample}) >> 32


def canonical_request(identity: Mapping[str, Any], request: Request, seed: int) -> dict[str, Any]:
    """Return all that can change an answer, as plain JSON values; ``identity`` is the teacher's."""
    extra = {name: value for name, value in request.extra.items() if name != "seed"}
    form: dict[str, Any] = plain(
        {
            "teacher": dict(identity),
            "messages": request.messages,
            "temperature": float(request.temperature),
            "top_p": float(request.top_p),
            "max_tokens": request.max_tokens,
            "stop": request.stop,
            "extra": extra,
            "seed": wire_seed(request, seed),
            "sample": request.sample,
        }
    )
    return form


def request_key(canonical: Mapping[str, Any]) -> str:
    """Return the digest of a canonical request, 64 hexadecimal digits."""
    # It is plain already: `digest` would go through every value once more.
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
