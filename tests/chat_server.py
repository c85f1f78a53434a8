"""An OpenAI-compatible server that misbehaves on request: a process of its own, fast enough to measure a client with.

Command line: ``python tests/chat_server.py --port 0 --delay 0.1 --faults reset,stall --share 0.1 --journal FILE``. The
first line on stdout is the port. From a test: ``with serving(delay=0.02, faults=FAULTS) as server: ...``.

A request with status 200 is answered by a text and a usage that are functions of its body alone. A fault hits the
first ``--times`` requests with one body; which fault, if any, is decided by the digest of that body: each of the named
ones takes the share ``--share``. ``GET /seen`` tells what happened, ``--journal`` writes a line of JSON a request.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

FAULTS = (
    "retry-after", "too-many", "server-error", "reset", "not-json",
    "wrong-schema", "empty-choices", "stall", "truncated-utf8", "usage-missing",
)  # fmt: skip
"""429 with Retry-After; 429 without; 500; reset in mid-body; 200 with HTML; 200 with another schema and no usage; 200
with usage and no choice; nothing for 30 seconds; a body cut inside a character; a good answer that reports no usage."""

STALL = 30.0
"""Seconds for which a stalled request gets nothing; then the connection ends."""

WORDS = "amber birch cedar delta ember fjord grove heron inlet jetty kelp larch maple north otter pine".split()
GOOD = {"none", "usage-missing"}
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nauthorization:\s*([^\r]*)", re.IGNORECASE)


def answer_of(body: dict[str, Any], content: bytes) -> tuple[str, int, int]:
    """Return the text of the right answer, its prompt tokens and its completion tokens (words)."""
    key = hashlib.sha256(content).digest()
    room = int(body.get("max_tokens") or body.get("max_completion_tokens") or 64)
    words = [f"{key.hex()[:16]}", "🎲", *(WORDS[byte % 16] for byte in key[: 8 + key[0] % 24])][:room]
    texts = [str(message["content"]) for message in body["messages"]] if "messages" in body else [str(body["prompt"])]
    return " ".join(words), sum(len(text.split()) + 1 for text in texts), len(words)


@dataclass(kw_only=True)
class Settings:
    delay: float = 0.1
    faults: tuple[str, ...] = ()
    share: float = 0.1
    times: int = 1
    retry_after: float = 1.0
    models: tuple[str, ...] = ("m",)
    journal: IO[str] | None = None


class Seen:
    """What the server saw, kept in its own process."""

    def __init__(self) -> None:
        self.by_key: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.good = 0
        self.connections = 0
        self.busy = 0
        self.busiest = 0

    def plain(self) -> dict[str, Any]:
        return {
            "requests": self.by_key.total(),
            "by_key": self.by_key,
            "by_fault": self.by_fault,
            "good": self.good,
            "prompt_tokens": self.tokens["prompt"],
            "completion_tokens": self.tokens["completion"],
            "tokens_without_usage": self.tokens["without usage"],
            "authorizations": sorted(self.keys),
            "connections": self.connections,
            "in_flight": self.busy,
            "most_in_flight": self.busiest,
        }


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests on it come one after the other."""

    def __init__(self, settings: Settings, seen: Seen) -> None:
        self.settings, self.seen = settings, seen
        self.buffer = b""
        self.pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.seen.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        if self.pending is not None:
            self.pending.cancel()
            self._leave()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.pending is None and (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[: end + 2]
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            content, self.buffer = self.buffer[end + 4 : size], self.buffer[size:]
            verb, path, _ = head.split(b" ", 2)
            if verb == b"POST" and path.endswith((b"/chat/completions", b"/completions")):
                self._question(path, head, content)
            elif path.endswith(b"/models"):
                self._send(200, {"object": "list", "data": [{"id": name} for name in self.settings.models]})
            elif path == b"/seen":
                self._send(200, self.seen.plain())
            else:
                self._send(404, {"error": {"message": f"there is no {path.decode('ascii', 'replace')}"}})

    def _question(self, path: bytes, head: bytes, content: bytes) -> None:
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        seen, digest = self.seen, hashlib.sha256(content).hexdigest()
        if key := _KEY.search(head):
            seen.keys.add(key[1].decode("latin-1"))
        seen.by_key[digest] += 1
        number = seen.by_key[digest]
        fault = self._fault(digest, number)
        seen.by_fault[fault] += 1
        seen.busy += 1
        seen.busiest = max(seen.busiest, seen.busy)
        if self.settings.journal is not None:
            line = {"key": digest, "number": number, "fault": fault, "busy": seen.busy, "time": time.time()}
            self.settings.journal.write(json.dumps(line) + "\n")
            self.settings.journal.flush()
        # The answer is made while the client waits, so that the wait is all that it sees of us.
        data, tokens = response_to(content, path.endswith(b"/chat/completions"), fault, self.settings.retry_after)
        delay = STALL if fault == "stall" else self.settings.delay
        self.pending = loop.call_at(arrived + delay, self._answer, fault, data, tokens)

    def _fault(self, digest: str, number: int) -> str:
        if number > self.settings.times or not self.settings.faults:
            return "none"
        place = int(int(digest[:12], 16) / 16**12 / self.settings.share)
        return self.settings.faults[place] if place < len(self.settings.faults) else "none"

    def _leave(self) -> None:
        self.pending = None
        self.seen.busy -= 1

    def _answer(self, fault: str, data: bytes, tokens: tuple[int, int]) -> None:
        self._leave()
        if fault in GOOD:
            self.seen.good += 1
        if fault == "none":
            self.seen.tokens["prompt"] += tokens[0]
            self.seen.tokens["completion"] += tokens[1]
        elif fault == "usage-missing":
            self.seen.tokens["without usage"] += sum(tokens)
        self.transport.write(data)
        if fault == "reset":
            # Linger 0 turns the close into a reset.
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if fault in {"reset", "stall"}:
            self.transport.abort()
        elif self.buffer:
            self.data_received(b"")

    def _send(self, status: int, content: Any) -> None:
        self.transport.write(_response(status, content))


def response_to(content: bytes, chat: bool, fault: str, retry_after: float) -> tuple[bytes, tuple[int, int]]:
    """Return the bytes to send to a question, and the prompt and completion tokens of the right answer."""
    body = json.loads(content)
    text, prompt, completion = answer_of(body, content)
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    right = {
        "id": "x", "object": "chat.completion" if chat else "text_completion", "created": 0, "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", **said}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }  # fmt: skip
    return _misbehaving(fault, right, retry_after), (prompt, completion)


def _misbehaving(fault: str, right: dict[str, Any], retry_after: float) -> bytes:
    if fault == "stall":
        return b""
    if fault in {"retry-after", "too-many"}:
        wait = b"Retry-After: %g\r\n" % retry_after if fault == "retry-after" else b""
        return _response(429, {"error": {"message": "slow down"}}, wait)
    if fault == "server-error":
        return _response(500, {"error": {"message": "boom"}})
    if fault == "not-json":
        return _response(200, b"<html>log in</html>")
    if fault == "wrong-schema":
        return _response(200, {"output": [{"content": "another schema"}]})
    if fault == "empty-choices":
        return _response(200, {**right, "choices": []})
    if fault == "usage-missing":
        return _response(200, {name: value for name, value in right.items() if name != "usage"})
    whole = json.dumps(right, ensure_ascii=False).encode()
    if fault == "truncated-utf8":
        return _response(200, whole[: whole.index("🎲".encode()) + 2])
    response = _response(200, whole)
    return response[: len(response) - len(whole) // 2] if fault == "reset" else response


def _response(status: int, content: Any, headers: bytes = b"") -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    start = b"HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (status, len(data))
    return start + headers + b"\r\n" + data


async def serve(port: int, settings: Settings, until_eof: bool) -> None:
    """Serve until a signal, or until stdin ends."""
    seen, loop, end = Seen(), asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    server = await loop.create_server(lambda: Connection(settings, seen), "127.0.0.1", port, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    if until_eof:
        # A test that is killed cannot stop us, but its end of the pipe closes.
        def wait() -> None:
            os.read(0, 1)
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end.set)

        threading.Thread(target=wait, daemon=True).start()
    await end.wait()
    server.close()


class Serving:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.address}/v1"
        self.port = port

    def seen(self) -> dict[str, Any]:
        """Return what the server saw so far; see `Seen.plain`."""
        with urllib.request.urlopen(f"{self.address}/seen", timeout=30) as response:
            found: dict[str, Any] = json.load(response)
        return found


@contextmanager
def serving(
    *,
    port: int = 0,
    delay: float = 0.02,
    faults: Sequence[str] = (),
    share: float = 0.1,
    times: int = 1,
    retry_after: float = 1.0,
    models: Sequence[str] = ("m",),
    journal: Path | None = None,
) -> Iterator[Serving]:
    """Start a server, yield its address and what it saw, and kill it whatever happens."""
    command = [
        sys.executable, str(Path(__file__).resolve()), "--until-eof", "--port", str(port), "--delay", str(delay),
        "--faults", ",".join(faults), "--share", str(share), "--times", str(times), "--retry-after", str(retry_after),
        "--models", ",".join(models), *(["--journal", str(journal)] if journal else []),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the server did not start"
            yield Serving(process, int(line))
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.1, help="seconds before every answer")
    parser.add_argument("--faults", default="", help=f"'all', or names with commas: {', '.join(FAULTS)}")
    parser.add_argument("--share", type=float, default=0.1, help="share of the requests that each fault takes")
    parser.add_argument("--times", type=int, default=1, help="how many requests with one body meet its fault")
    parser.add_argument("--retry-after", type=float, default=1.0, help="seconds in the Retry-After header")
    parser.add_argument("--models", default="m", help="names that /models lists")
    parser.add_argument("--journal", type=Path, help="file for one line of JSON a request")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin ends")
    given = parser.parse_args()
    names = FAULTS if given.faults == "all" else tuple(filter(None, given.faults.split(",")))
    if unknown := set(names) - set(FAULTS):
        parser.error(f"unknown faults {sorted(unknown)}")
    settings = Settings(
        delay=given.delay, faults=names, share=given.share, times=given.times, retry_after=given.retry_after,
        models=tuple(given.models.split(",")), journal=given.journal.open("a") if given.journal else None,
    )  # fmt: skip
    asyncio.run(serve(given.port, settings, given.until_eof))


if __name__ == "__main__":
    main()
