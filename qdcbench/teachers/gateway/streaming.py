"""A whole answer as the stream of server-sent events that a streaming client expects."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from qdcbench.api import Reply
from qdcbench.teachers.gateway.wire_format import Inquiry, finish_of, usage_body

__all__ = ["chunks", "stream"]

PIECES = 4
"""Parts into which a text is cut: enough that a client must join them."""


def _pieces(text: str) -> list[str]:
    size = -(-len(text) // PIECES) or 1
    return [text[start : start + size] for start in range(0, len(text), size)]


def _deltas(reply: Reply, chat: bool) -> Iterator[dict[str, Any]]:
    if not chat:
        for piece in _pieces(reply.text):
            yield {"text": piece, "finish_reason": None}
        yield {"text": "", "finish_reason": finish_of(reply)}
        return
    yield {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    for piece in _pieces(reply.text):
        yield {"delta": {"content": piece}, "finish_reason": None}
    yield {"delta": {}, "finish_reason": finish_of(reply)}


def chunks(inquiry: Inquiry, replies: Sequence[Reply], model: str, identity: str) -> Iterator[dict[str, Any]]:
    """Yield the chunks of all choices, then one with the usage where the program asked for it."""
    shared: dict[str, Any] = {
        "id": f"{'chatcmpl' if inquiry.chat else 'cmpl'}-{identity}",
        "object": "chat.completion.chunk" if inquiry.chat else "text_completion",
        "created": 0,
        "model": model,
    }
    if inquiry.include_usage:
        shared["usage"] = None
    for place, reply in enumerate(replies):
        for delta in _deltas(reply, inquiry.chat):
            yield {**shared, "choices": [{"index": place, "logprobs": None, **delta}]}
    if inquiry.include_usage:
        yield {**shared, "choices": [], "usage": usage_body(replies)}


async def stream(http: web.Request, parts: Iterator[dict[str, Any]]) -> web.StreamResponse:
    """Send the chunks; a client that left before the end is no error, for its answer is settled already."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    try:
        await response.prepare(http)
        for part in parts:
            await response.write(f"data: {json.dumps(part)}\n\n".encode("ascii"))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
    except ConnectionError:
        return response
    return response
