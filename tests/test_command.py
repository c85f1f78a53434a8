"""Any program is a method: it gets its door and nothing else, never outlives its run, and keeps what it wrote."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qdcbench.methods.command import generate as command

from qdcbench.api import BudgetExhausted, Example, PluginError, Program, ProgramRun
from qdcbench.errors import ConfigError, DataError
from qdcbench.plan import expand
from qdcbench.records import Budget, Caps, TeacherSpec
from qdcbench.registry import discover, resolve_params
from qdcbench.stages.program import ProgramSite, run_program
from qdcbench.suite import parse_suite
from qdcbench.teachers.account import Access, CapReached, Scope
from qdcbench.teachers.chat.teacher import chat_teacher
from qdcbench.teachers.desk import Desk
from qdcbench.teachers.gateway import server as gateway_server
from qdcbench.teachers.meter import Meter

_SPEC = importlib.util.spec_from_file_location("chat_server", Path(__file__).with_name("chat_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
chat_server = sys.modules.setdefault("chat_server", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(chat_server)

KEY_VARIABLE = "QDC_TEST_API_KEY"
KEY = "sk-never-to-be-seen-4711"

ASKING = """
import json, os, sys, time, urllib.request, urllib.error

def ask(text, **fields):
    body = json.dumps({"model": "any", "messages": [{"role": "user", "content": text}], **fields}).encode()
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, headers)
    with urllib.request.urlopen(request) as response:
        return [choice["message"]["content"] for choice in json.load(response)["choices"]]

def row(out, prompt, completion):
    out.write(json.dumps({"prompt": prompt, "completion": completion}) + "\\n")
    out.flush()
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Any]:
    with chat_server.serving(delay=0.01) as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


class Place:
    """A run: a real teacher, a desk, a fresh run folder."""

    def __init__(self, folder: Path, base_url: str, calls: int, access: Access) -> None:
        options = {"base_url": base_url, "api_key_env": KEY_VARIABLE, "backoff": 0.01}
        self.teacher = chat_teacher(TeacherSpec(kind="openai", model="m", options=options), access)
        budget = Budget(name="b", examples=100, teacher_tokens=None, teacher_calls=calls)
        desk = Desk(self.teacher, Meter(budget), "openai:m")
        self.site = ProgramSite(
            desk=desk, model="m", seeds=(Example(prompt="1 + 1?", completion="2"),), folder=folder / "run",
            base=folder, examples=100, seed=2**40 + 5, seconds=60, key_variables=(KEY_VARIABLE,), grace=1.0,
        )  # fmt: skip

    def run(self, code: str, *arguments: str, **program: Any) -> ProgramRun:
        argv = (sys.executable, "-c", ASKING + textwrap.dedent(code), *arguments)
        return run_program(Program(**{"argv": argv, **program}), self.site)


@contextmanager
def place(folder: Path, server: Any, calls: int = 100, access: Access | None = None, **site: Any) -> Iterator[Place]:
    folder.mkdir(exist_ok=True)
    made = Place(folder, server.base_url, calls, access or Access())
    made.site = replace(made.site, **site)
    try:
        yield made
    finally:
        made.teacher.close()


def rows_of(run: ProgramRun) -> list[Any]:
    return [json.loads(line) for line in run.output.read_text().splitlines()]


class Run:
    """The part of a method's context that `command` uses, over a real site."""

    seed_examples: tuple[Example, ...] = ()

    def __init__(self, site: ProgramSite, remaining: int = 100) -> None:
        self.remaining = remaining
        self.rejected: list[str] = []
        self._site = site

    def reject(self, prompt: str, reason: str, **more: Any) -> None:
        self.rejected.append(reason)

    def run_program(self, program: Program) -> ProgramRun:
        return run_program(program, self._site)


def rows_by_method(context: Run, code: str, **given: Any) -> tuple[list[Example], str]:
    params, _ = resolve_params(
        command, {"argv": [sys.executable, "-c", ASKING + textwrap.dedent(code), "{output}"], **given}
    )
    found: list[Example] = []
    try:
        found.extend(command.generate(context, params))  # type: ignore[arg-type]
    except BudgetExhausted as end:
        return found, end.limit
    return found, ""


def marked(mark: str) -> list[int]:
    """Return the processes whose command line or environment holds a text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            texts = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in texts and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_program_is_handed_its_places_and_its_rows_become_examples(tmp_path: Path, upstream: Any) -> None:
    code = """
        output, seeds, examples, seed, model = sys.argv[1:]
        assert json.loads(open(seeds).read()) == {"prompt": "1 + 1?", "completion": "2"}
        assert (examples, seed, model) == ("100", "5", os.environ["OPENAI_MODEL"]), sys.argv
        assert os.path.dirname(output) == os.getcwd() and os.listdir() == []
        with open(output, "w") as out:
            for number in range(3):
                row(out, str(number), ask(f"question {number}")[0])
    """
    with place(tmp_path, upstream) as at:
        found = at.run(code, "{output}", "{seeds}", "{examples}", "{seed}", "{model}")
        assert found.ended_by == "" and [row["prompt"] for row in rows_of(found)] == ["0", "1", "2"]
        assert [call.number for call in at.site.desk.calls] == [0, 1, 2]
        assert json.loads((at.site.folder / "gateway.json").read_text())["asked_models"] == {"any": 3}
        texts = {row["completion"] for row in rows_of(found)}
        sources = [at.site.desk.origin(Example(prompt="x", completion=text)).calls for text in texts]
        assert sorted(sources) == [(0,), (1,), (2,)], "each row is traced to its call"


def test_the_method_reads_named_fields_up_to_what_is_wanted(tmp_path: Path, upstream: Any) -> None:
    code = """
        with open("made.jsonl", "w") as out:
            for number in range(9):
                out.write(json.dumps({"task": f"t{number}", "generation": "g", "output": "no"}) + "\\n")
            out.write("[1]\\n")
    """
    names = {"output": "made.jsonl", "prompt_field": "task", "completion_field": "generation"}
    with place(tmp_path, upstream) as at:
        found, limit = rows_by_method(Run(at.site, remaining=4), code, **names)
        assert [(e.prompt, e.completion) for e in found] == [(f"t{n}", "g") for n in range(4)] and limit == ""
        at.site = replace(at.site, folder=tmp_path / "again")
        context = Run(at.site)
        assert len(rows_by_method(context, code, **names)[0]) == 9
        assert context.rejected == ["unusable row: not an object"]
        at.site = replace(at.site, folder=tmp_path / "third")
        with pytest.raises(PluginError, match="both prompt_field and completion_field"):
            rows_by_method(Run(at.site), code, prompt_field="task")
        with pytest.raises(DataError, match="no usable row"):
            rows_by_method(Run(at.site), 'open(sys.argv[1], "w")')


def test_the_end_of_the_budget_keeps_the_rows_and_drops_a_cut_line(tmp_path: Path, upstream: Any) -> None:
    code = """
        with open(sys.argv[1], "w") as out:
            for number in range(99):
                try:
                    row(out, str(number), ask(f"question {number}")[0])
                except urllib.error.HTTPError as error:
                    assert json.load(error)["error"]["code"] == "insufficient_quota"
                    out.write('{"prompt": "half a l')
                    out.flush()
                    time.sleep(100)
    """
    with place(tmp_path, upstream, calls=7) as at:
        start = time.monotonic()
        context = Run(at.site)
        found, limit = rows_by_method(context, code)
        assert time.monotonic() - start < 15
        assert limit == "teacher calls" and [e.prompt for e in found] == [str(n) for n in range(7)]
        assert context.rejected == ["unusable row: not JSON"]
        assert at.site.desk.meter.usage().calls == 7


def test_a_program_that_is_told_may_still_write(tmp_path: Path, upstream: Any) -> None:
    code = """
        made = []
        try:
            while True:
                made.append(ask(f"question {len(made)}")[0])
        finally:
            time.sleep(0.3)
            with open(sys.argv[1], "w") as out:
                for text in made:
                    row(out, "p", text)
    """
    with place(tmp_path, upstream, calls=5) as at:
        found = at.run(code, "{output}")
        assert found.ended_by == "teacher calls" and len(rows_of(found)) == 5, "its status 1 does not matter then"


def test_the_clock_ends_it_and_sigterm_lets_it_write(tmp_path: Path, upstream: Any) -> None:
    code = """
        import signal
        def last(*_):
            with open(sys.argv[1], "w") as out:
                row(out, "late", "row")
            sys.exit(1)
        signal.signal(signal.SIGTERM, last)
        while True:
            ask("again")
            time.sleep(0.1)
    """
    with place(tmp_path, upstream, seconds=1.0) as at:
        found = at.run(code, "{output}")
        assert found.ended_by == "seconds" and rows_of(found) == [{"prompt": "late", "completion": "row"}]


def test_an_answer_that_is_late_at_the_end_of_the_clock_costs_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_server, "LONGEST_DRAIN", 0.3)
    code = """
        row(open(sys.argv[1], "w"), "early", "row")
        ask("never answered")
    """
    with chat_server.serving(delay=25.0) as server, place(tmp_path, server, seconds=1.5) as at:
        start = time.monotonic()
        found = at.run(code, "{output}")
        assert time.monotonic() - start < 15
        assert server.seen()["requests"] == 1, "it was sent"
    assert found.ended_by == "seconds" and rows_of(found) == [{"prompt": "early", "completion": "row"}]
    assert at.site.desk.calls == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="elsewhere a daemon of a program may escape")
@pytest.mark.parametrize("ending", ["clock", "by itself"])
def test_nothing_that_it_started_survives(tmp_path: Path, upstream: Any, ending: str) -> None:
    code = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for depth in range(3):
            if os.fork() == 0:
                if depth:
                    os.setsid()
                if depth == 2 and os.fork():
                    os._exit(0)
                time.sleep(300)
                os._exit(0)
        row(open(sys.argv[1], "w"), "p", "c")
        if sys.argv[2] == "clock":
            time.sleep(300)
    """
    mark = f"survivor-{os.getpid()}-{time.time_ns()}"
    with place(tmp_path, upstream, seconds=1.5 if ending == "clock" else 60, grace=0.5) as at:
        found = at.run(code, "{output}", ending, env={"MARK": mark})
        assert found.ended_by == ("seconds" if ending == "clock" else "") and len(rows_of(found)) == 1
    assert marked(mark) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_it_does_not_outlive_us_however_we_die(tmp_path: Path, upstream: Any) -> None:
    mark = f"orphan-{os.getpid()}-{time.time_ns()}"
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_command import Place, Access
        at = Place(Path({str(tmp_path)!r}), {upstream.base_url!r}, 9, Access())
        child = "import os, time\\nif os.fork() == 0:\\n  os.setsid()\\ntime.sleep(300)"
        at.run(child, env={{"MARK": {mark!r}}})
    """
    environment = {**os.environ, KEY_VARIABLE: KEY}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=environment) as ours:
        try:
            assert until(lambda: len(marked(mark)) >= 3), "the warden, the program and its daemon"
        finally:
            ours.send_signal(signal.SIGKILL)
    assert until(lambda: marked(mark) == [])


def test_a_flood_of_fifty_threads_stays_below_the_cap(tmp_path: Path) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor
        def one(number):
            try:
                return ask(f"question {number}")[0]
            except urllib.error.HTTPError:
                return ""
        with ThreadPoolExecutor(50) as pool, open(sys.argv[1], "w") as out:
            for text in pool.map(one, range(300)):
                row(out, "p", text)
    """
    with chat_server.serving(delay=0.02) as server:
        with place(tmp_path, server, calls=23, grace=5.0) as at:
            found = at.run(code, "{output}")
            assert found.ended_by == "teacher calls" and at.site.desk.meter.usage().calls == 23
        assert server.seen()["requests"] == 23
    assert sum(bool(row["completion"]) for row in rows_of(found)) == 23


def test_a_cap_of_the_account_kills_it_and_fails_the_run(tmp_path: Path, upstream: Any) -> None:
    code = """
        for number in range(9):
            try:
                ask(f"question {number}")
            except urllib.error.HTTPError:
                time.sleep(300)
    """
    access = Access(scopes=(Scope(name="run:x", caps=Caps(calls=3)),))
    with place(tmp_path, upstream, access=access) as at:
        start = time.monotonic()
        with pytest.raises(CapReached, match="run:x"):
            at.run(code)
        assert time.monotonic() - start < 10
        assert at.site.desk.meter.usage().calls == 3


def test_the_official_client_needs_nothing_but_the_environment(tmp_path: Path, upstream: Any) -> None:
    code = """
        import openai
        client = openai.OpenAI()
        asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "stop": ["###"]}
        three = client.chat.completions.create(n=3, **asked)
        parts = list(client.chat.completions.create(stream=True, **asked))
        with open(sys.argv[1], "w") as out:
            for choice in three.choices:
                row(out, "one of three", choice.message.content)
            row(out, "stream", "".join(part.choices[0].delta.content or "" for part in parts))
            try:
                client.chat.completions.create(tools=[{"type": "function", "function": {"name": "f"}}], **asked)
            except openai.BadRequestError as error:
                row(out, "tools", error.message)
    """
    with place(tmp_path, upstream) as at:
        rows = rows_of(at.run(code, "{output}"))
    assert len({row["completion"] for row in rows}) == 5 and "tools is not served" in rows[-1]["completion"]


def test_the_teachers_key_is_nowhere(tmp_path: Path, upstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://leak.invalid")
    monkeypatch.setenv("HARMLESS", "passed")
    monkeypatch.setenv("LEAK", "leaked")
    code = """
        parent = os.getppid()
        for process in ("self", parent):
            for name in ("environ", "cmdline"):
                print(open(f"/proc/{process}/{name}").read())
        print(ask("x"), file=sys.stderr)
        json.dump(dict(os.environ), open(sys.argv[1], "w"))
    """
    ledger = tmp_path / "ledger.sqlite"
    with place(tmp_path, upstream, access=Access(ledger=ledger)) as at:
        found = at.run(
            code, "{output}", pass_env=("HARMLESS", "ABSENT"), env={"OTHER_API_KEY": "{key}", "MY_URL": "{base_url}/x"}
        )
        seen = json.loads(found.output.read_text())
        records = json.dumps([str(call) for call in at.site.desk.calls])
    assert set(seen) == {
        "PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONHASHSEED", "HF_HUB_OFFLINE",
        "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "WANDB_MODE", "DO_NOT_TRACK",
        "HARMLESS", "OTHER_API_KEY", "MY_URL", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY", "OPENAI_MODEL",
        "NO_PROXY", "no_proxy",
    }  # fmt: skip
    assert seen["OPENAI_API_KEY"] == seen["OTHER_API_KEY"] != KEY
    assert seen["MY_URL"] == seen["OPENAI_BASE_URL"] + "/x" and seen["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")
    assert seen["HOME"].startswith(str(tmp_path / "run"))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written and b"leaked" not in written and KEY not in records
    assert f"Bearer {KEY}" in upstream.seen()["authorizations"], "yet the teacher was asked with it"


@pytest.mark.parametrize(
    ("program", "word"),
    [
        ({"pass_env": (KEY_VARIABLE,)}, "looks like a secret"),
        ({"pass_env": ("HF_TOKEN",)}, "HF_TOKEN"),
        ({"pass_env": ("AWS_SECRET_ACCESS_KEY",)}, "AWS_SECRET_ACCESS_KEY"),
        ({"pass_env": ("COPY_OF_IT",)}, "would be handed the key"),
        ({"env": {"TEXT": f"a {KEY} b"}}, "would be handed the key"),
        ({"argv": ("env", KEY)}, "would be handed the key"),
        ({"env": {"GROQ_API_KEY": "x"}}, "{key}"),
        ({"env": {"OPENAI_BASE_URL": "http://x"}}, "set by the benchmark"),
        ({"argv": ()}, "no command"),
        ({"argv": ("a\0",)}, "NUL"),
        ({"argv": ("no-such-program",)}, "cannot be started"),
        ({"argv": ("./none",)}, "cannot be started"),
        ({"output": "/etc/x"}, "inside"),
        ({"output": "../x"}, "inside"),
        ({"folder": "nowhere"}, "there is no folder"),
    ],
)
def test_what_may_not_be_is_refused_before_anything_runs(
    tmp_path: Path, upstream: Any, monkeypatch: pytest.MonkeyPatch, program: Any, word: str
) -> None:
    monkeypatch.setenv("COPY_OF_IT", KEY)
    with place(tmp_path, upstream) as at:
        with pytest.raises(PluginError, match=word) as caught:
            at.run("raise SystemExit('started')", **program)
    assert KEY not in str(caught.value)
    assert not (tmp_path / "run" / "stderr.log").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("sys.exit('it broke because of ' + os.environ['OPENAI_API_KEY'])", ["status 1", r"because of \[key\];"]),
        ("os.kill(os.getpid(), 9)", ["killed by signal 9"]),
        ("pass", ["had not written rows.jsonl"]),
        ("os.symlink('/etc/hostname', sys.argv[1])", ["leads out"]),
        ("print('x' * 10_000, file=sys.stderr); sys.exit(3)", ["status 3"]),
    ],
)
def test_a_program_that_fails_by_itself_fails_the_run(
    tmp_path: Path, upstream: Any, code: str, words: list[str]
) -> None:
    with place(tmp_path, upstream) as at:
        for word in words:
            at.site = replace(at.site, folder=tmp_path / word[:3])
            with pytest.raises(PluginError, match=word) as caught:
                at.run(code, "{output}")
            assert len(str(caught.value)) < 1000
        with pytest.raises(PluginError, match="is not empty"):
            at.run(code)


def test_why_the_teacher_failed_is_said_when_the_program_fails_of_it(tmp_path: Path) -> None:
    with chat_server.serving(faults=("not-json",), share=1.0, times=99) as server, place(tmp_path, server) as at:
        with pytest.raises(PluginError, match="not JSON"):
            at.run("ask('x')")


def test_what_was_written_before_the_first_row_is_missed_in_words(tmp_path: Path, upstream: Any) -> None:
    with place(tmp_path, upstream, seconds=0.5, grace=0.2) as at:
        with pytest.raises(PluginError, match="limit on seconds ended it, so let it write rows as it goes"):
            at.run("time.sleep(60)")


def test_a_folder_is_copied_so_that_the_original_stays_clean(tmp_path: Path, upstream: Any) -> None:
    source = tmp_path / "program"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "words.txt").write_text("words")
    (source / "rows.jsonl").write_text('{"prompt": "from the author", "completion": "old"}\n')
    (source / "link").symlink_to("inner/words.txt")
    (source / "out").symlink_to(tmp_path)
    (source / "go.sh").write_text("#!/bin/sh\ncp inner/words.txt changed; test ! -e rows.jsonl && cat > $1 <<E\n"
                                  '{"prompt": "new", "completion": "$(cat link)"}\nE\n')  # fmt: skip
    (source / "go.sh").chmod(0o755)
    before = sorted(path.name for path in source.rglob("*"))
    with place(tmp_path, upstream) as at:
        found = at.run("", argv=("./go.sh", "{output}"), folder="program")
    assert rows_of(found) == [{"prompt": "new", "completion": "words"}]
    assert sorted(path.name for path in source.rglob("*")) == before
    work = tmp_path / "run" / "work"
    assert (work / "changed").is_file() and (work / "out").is_symlink()


def test_a_folder_too_large_to_copy_is_refused(tmp_path: Path, upstream: Any) -> None:
    (tmp_path / "program").mkdir()
    with (tmp_path / "program" / "weights").open("wb") as file:
        file.truncate(2**30 + 1)
    with place(tmp_path, upstream) as at, pytest.raises(PluginError, match="1 GiB"):
        at.run("", folder="program")


def test_a_seeded_program_makes_the_same_rows_twice_and_asks_once(tmp_path: Path) -> None:
    code = """
        import random
        from concurrent.futures import ThreadPoolExecutor
        draw = random.Random(int(sys.argv[2]))
        questions = [f"question {draw.randrange(5)}" for _ in range(20)]
        with ThreadPoolExecutor(5) as pool, open(sys.argv[1], "w") as out:
            for text, answers in zip(questions, pool.map(lambda text: sorted(ask(text, n=2)), sorted(set(questions)))):
                row(out, text, " ".join(answers))
    """
    found, sent = [], []
    with chat_server.serving() as server:
        for number in range(2):
            access = Access(ledger=tmp_path / "ledger.sqlite")
            with place(tmp_path / str(number), server, access=access) as at:
                found.append(at.run(code, "{output}", "{seed}").output.read_bytes())
                usage = at.site.desk.meter.usage()
            sent.append(server.seen()["requests"])
    assert found[0] == found[1] and sent[0] == sent[1] == usage.calls > 0


SUITE = """
name = "own"
teacher = "openai:m"
teacher_options = { base_url = "http://127.0.0.1:9/v1" }
[[arm]]
method = "command"
name = "program"
params = { argv = ["python", "make.py"], folder = "program", env = { A = "b" } }
"""


def test_the_folder_decides_the_run_and_only_what_is_copied_counts(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()

    def run_id() -> str:
        return expand(parse_suite(SUITE, "s"), discover(), tmp_path).cells[0].run_id

    with pytest.raises(ConfigError, match="there is no folder"):
        expand(parse_suite(SUITE.replace('"program", env', '"prog", env'), "s"), discover(), tmp_path)
    with pytest.raises(ConfigError, match="holds the suite itself"):
        expand(parse_suite(SUITE.replace('"program", env', '".", env'), "s"), discover(), tmp_path)
    seen = [run_id()]
    for change in (
        lambda: (program / "make.py").write_text("1"),
        lambda: (program / "make.py").write_text("2"),
        lambda: (program / "make.py").rename(program / "made.py"),
        lambda: (program / "made.py").chmod(0o755),
        lambda: (program / "link").symlink_to("made.py"),
    ):
        change()
        seen.append(run_id())
    assert len(set(seen)) == len(seen)
    for ignored in (".git", "__pycache__"):
        (program / ignored).mkdir()
        (program / ignored / "x").write_text("y")
    assert run_id() == seen[-1]
    (program / "rows.jsonl").write_text("rows of an earlier run")
    assert run_id() == seen[-1], "what the arm writes is not copied"
    other = SUITE.replace("env =", 'output = "out", env =')
    rows_count = expand(parse_suite(other, "s"), discover(), tmp_path).cells[0].hashes["data"]
    (program / "out" / "part").mkdir(parents=True)
    (program / "out" / "part" / "0.jsonl").write_text("x")
    assert expand(parse_suite(other, "s"), discover(), tmp_path).cells[0].hashes["data"] == rows_count
    assert run_id() != seen[-1], "for another output the same file is an input"


DISTILABEL = os.environ.get("QDCBENCH_DISTILABEL", "")
"""Interpreter of an environment with distilabel 1.5.3, made as docs/gateway.md says."""


def recipe() -> str:
    """Return the program of the recipe, as the page has it."""
    page = (Path(__file__).parent.parent / "docs" / "gateway.md").read_text(encoding="utf-8")
    return page.partition("```python\n")[2].partition("```")[0]


def test_the_recipe_of_the_page_is_a_program() -> None:
    compile(recipe(), "make.py", "exec")


if DISTILABEL:

    @pytest.mark.parametrize("cap", [100, 8])
    def test_an_unmodified_package_is_capped_and_logged(tmp_path: Path, cap: int) -> None:
        (tmp_path / "evol").mkdir()
        (tmp_path / "evol" / "make.py").write_text(recipe(), encoding="utf-8")
        argv = (DISTILABEL, "make.py", "--seeds", "{seeds}", "--output", "{output}", "--seed", "{seed}")
        with chat_server.serving() as server:
            with place(tmp_path, server, calls=cap, seconds=240, grace=30.0) as at:
                at.site = replace(at.site, seeds=[Example(prompt=f"{n} + 1?", completion="?") for n in range(5)])
                found = at.run("", argv=argv, folder="evol")
            upstream = server.seen()["requests"]
        usage, report = at.site.desk.meter.usage(), json.loads((tmp_path / "run" / "gateway.json").read_text())
        assert set(report["asked_models"]) == {"gpt-4o-mini"}
        assert 0 < upstream <= cap and len(at.site.desk.calls) == usage.calls == upstream
        if cap == 100:
            # Five seeds, two evolutions and an answer each.
            assert found.ended_by == "" and usage.calls == 15 and len(rows_of(found)) == 5
        else:
            assert found.ended_by == report["ended_by"] == "teacher calls" and usage.calls == cap
