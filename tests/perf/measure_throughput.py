"""Time the chat teacher beside other clients: ``python tests/perf/measure_throughput.py [--distilabel PYTHON]``.

A server in a process of its own answers after 100 ms, so that no client can pass more than in flight / latency
requests a second. Each measurement is a fresh process that sends the same prompts and reports requests, seconds and
processor time from the first question to the last answer, imports left out. Prints a table, asserts nothing.

Rows: our teacher through a role, with the desk of a run and a ledger on disk; the same run again, every answer from
that ledger; aiohttp alone, which is what our teacher sends with; the openai client; distilabel, once with a loop as
fast as its client allows and once in batches, as its pipelines ask. PYTHON is an interpreter that has distilabel.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chat_server import serving

WORDS = "reverse the list of numbers then add one and explain in two short sentences why each step is needed"
MAX_TOKENS = 64


class Load(NamedTuple):
    """What one measurement sends: where, how many requests, how many at once, and a folder of its own."""

    base_url: str
    requests: int
    in_flight: int
    folder: Path


class Timing(NamedTuple):
    """Seconds of wall clock and of processor time."""

    wall: float
    processor: float


def prompt(i: int) -> str:
    """Return the prompt number i, about 25 words."""
    return f"Task {i}: {WORDS}, like example {i}"


def timed(work: Callable[[], Any]) -> Timing:
    """Run once."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - processor)


async def drain(load: Load, ask: Callable[[str], Awaitable[Any]]) -> None:
    """Ask all prompts, so many at once, each of that many loops asking one after the other."""
    numbers = iter(range(load.requests))

    async def one_after_the_other() -> None:
        for i in numbers:
            await ask(prompt(i))

    await asyncio.gather(*(one_after_the_other() for _ in range(load.in_flight)))


def ours(load: Load, times: int = 1) -> Timing:
    """Ask through a role; with ``times`` 2 measure the second pass, which the ledger answers."""
    from qdcbench.records import Budget, TeacherSpec
    from qdcbench.teachers.account import Access, Scope
    from qdcbench.teachers.chat.teacher import chat_teacher
    from qdcbench.teachers.desk import Desk
    from qdcbench.teachers.meter import Meter
    from qdcbench.teachers.metered import MeteredRole
    from qdcbench.teachers.prompts import PromptBook

    written = load.folder / "prompts.toml"
    written.write_text('[propose]\nuser = "{prompt}"\n', encoding="utf-8")
    spec = TeacherSpec(
        kind="openai", model="m", options={"base_url": load.base_url, "concurrency": load.in_flight, "retries": 0}
    )
    access = Access(ledger=load.folder / "ledger.db", scopes=(Scope(name="suite:perf"), Scope(name="run:perf")))

    def once() -> None:
        teacher = chat_teacher(spec, access)
        meter = Meter(Budget(name="b", examples=1, teacher_tokens=None, teacher_calls=load.requests))
        role = MeteredRole(Desk(teacher, meter, "openai:m"), PromptBook.load(written, "m"), seed=1)
        materials = ({"prompt": prompt(i)} for i in range(load.requests))
        # Questions beyond those in flight wait in our own queue.
        for _ in role.ask_each("propose", materials, ahead=max(256, 2 * load.in_flight), max_tokens=MAX_TOKENS):
            pass
        teacher.close()

    return [timed(once) for _ in range(times)][-1]


def replayed(load: Load) -> Timing:
    """Ask all again from the ledger."""
    return ours(load, times=2)


def with_aiohttp(load: Load) -> Timing:
    """Send the same bodies with nothing around them."""
    import aiohttp

    async def everything() -> None:
        connector = aiohttp.TCPConnector(limit=load.in_flight)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(text: str) -> None:
                body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": MAX_TOKENS}
                async with session.post(f"{load.base_url}/chat/completions", json=body) as response:
                    json.loads(await response.read())["choices"][0]["message"]["content"]

            await drain(load, ask)

    return timed(lambda: asyncio.run(everything()))


def with_openai(load: Load) -> Timing:
    """Ask with the openai client."""
    import openai

    async def everything() -> None:
        async with openai.AsyncOpenAI(base_url=load.base_url, api_key="none", max_retries=0) as client:

            async def ask(text: str) -> None:
                answer = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}], max_tokens=MAX_TOKENS
                )
                assert answer.choices[0].message.content

            await drain(load, ask)

    return timed(lambda: asyncio.run(everything()))


def _distilabel(load: Load) -> Any:
    from distilabel.models import OpenAILLM

    llm = OpenAILLM(model="m", base_url=load.base_url, api_key="none", max_retries=0)
    llm.load()
    return llm


def with_distilabel(load: Load) -> Timing:
    """Ask with distilabel's LLM, as many at once as wanted at all times."""
    llm = _distilabel(load)

    async def ask(text: str) -> None:
        answer = await llm.agenerate(input=[{"role": "user", "content": text}], max_new_tokens=MAX_TOKENS)
        assert answer["generations"][0]

    return timed(lambda: llm.event_loop.run_until_complete(drain(load, ask)))


def with_distilabel_batches(load: Load) -> Timing:
    """Ask with distilabel's LLM a batch at a time, as one replica of a step of its pipelines does."""
    llm = _distilabel(load)

    def everything() -> None:
        for start in range(0, load.requests, load.in_flight):
            texts = [prompt(i) for i in range(start, min(start + load.in_flight, load.requests))]
            inputs = [[{"role": "user", "content": text}] for text in texts]
            assert all(answer["generations"][0] for answer in llm.generate(inputs=inputs, max_new_tokens=MAX_TOKENS))

    return timed(everything)


ROWS: dict[str, tuple[str, Callable[[Load], Timing]]] = {
    "ours": ("qdcbench: role, desk, ledger on disk", ours),
    "replayed": ("qdcbench: the same, all from the ledger", replayed),
    "aiohttp": ("aiohttp alone", with_aiohttp),
    "openai": ("openai AsyncOpenAI", with_openai),
    "distilabel": ("distilabel OpenAILLM, loop", with_distilabel),
    "distilabel-batches": ("distilabel OpenAILLM, batches", with_distilabel_batches),
}


def has_distilabel(python: str) -> bool:
    """Return True for an interpreter that can import it."""
    found = shutil.which(python)
    return (
        found is not None
        and subprocess.run([found, "-c", "import distilabel.models"], capture_output=True).returncode == 0
    )


def measured(python: str, row: str, load: Load) -> Timing:
    """Measure in a process of its own."""
    command = [
        python, __file__, "--only", row, "--base-url", load.base_url, "--requests", str(load.requests),
        "--in-flight", str(load.in_flight), "--folder", str(load.folder),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{row} failed: {done.stderr[-2000:]}")
    return Timing(*json.loads(done.stdout.splitlines()[-1]))


def show(given: argparse.Namespace) -> None:
    """Print the table."""
    sys.stdout.write(f"{'client':42}{'in flight':>10}{'requests/s':>12}{'of ideal':>10}{'ms of CPU':>11}\n")
    other = has_distilabel(given.distilabel)
    for in_flight in given.in_flight:
        load = Load("", in_flight * given.waves, in_flight, Path())
        timings: dict[str, list[Timing]] = {row: [] for row in ROWS if other or not row.startswith("distilabel")}
        for _ in range(given.repeats):
            for row in timings:  # in turn, so that a busy moment of the machine meets all of them
                python = given.distilabel if row.startswith("distilabel") else sys.executable
                with serving(delay=given.latency) as server, tempfile.TemporaryDirectory() as folder:
                    here = load._replace(base_url=server.base_url, folder=Path(folder))
                    timings[row].append(measured(python, row, here))
                    expected = load.requests
                    assert server.seen()["good"] == expected, f"{row} sent something else"
        for row, taken in timings.items():
            rate = load.requests / median(timing.wall for timing in taken)
            ideal = "" if row == "replayed" else f"{rate / (in_flight / given.latency):10.1%}"
            processor = 1e3 * median(timing.processor for timing in taken) / load.requests
            sys.stdout.write(f"{ROWS[row][0]:42}{in_flight:10}{rate:12.0f}{ideal:>10}{processor:11.2f}\n")
            sys.stdout.flush()
    if not other:
        sys.stdout.write(f"distilabel is not installed in {given.distilabel}\n")


def main() -> None:
    """Print the table, or measure one row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--latency", type=float, default=0.1, help="seconds before every answer")
    parser.add_argument("--waves", type=int, default=100, help="requests for each one in flight")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--distilabel", default=sys.executable, metavar="PYTHON", help="interpreter that has it")
    parser.add_argument("--only", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only is None:
        show(given)
    else:
        timing = ROWS[given.only][1](Load(given.base_url, given.requests, given.in_flight[0], given.folder))
        sys.stdout.write(json.dumps(timing) + "\n")


if __name__ == "__main__":
    main()
