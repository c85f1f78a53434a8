"""The doctor against real servers on loopback: one that behaves, and ones that each misbehave in one way."""

import json
import os
import runpy
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from qdcbench.doctor import check_caps, check_ledger, check_teacher
from qdcbench.doctor.machine import packages
from qdcbench.records import TeacherSpec
from qdcbench.registry import discover
from qdcbench.suite import parse_suite

serving = runpy.run_path(str(Path(__file__).with_name("chat_server.py")))["serving"]
KEY = "sk-never-shown-0123456789"
WORDS = "cat dog horse mouse whale eagle trout robin zebra otter heron moose camel llama koala panda".split()


class Odd(BaseHTTPRequestHandler):
    """A chat server with one oddity, which its path begins with."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    turn = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        _, oddity, *_ = self.path.split("/")
        if oddity == "closed":
            return self.say(401, {"error": {"message": f"wrong key {self.headers['Authorization']}"}})
        if oddity == "moved":
            return self.say(302, {}, {"Location": "/plain/v1/models"})
        if oddity == "unlisted":
            return self.say(404, {"detail": "no such path"})
        return self.say(200, {"data": [{"id": "m"}, {"id": "m-large"}]})

    def do_POST(self):
        _, oddity, _, *path = self.path.split("/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = path == ["chat", "completions"]
        refused = self.refusal(oddity, body, chat)
        if refused is not None:
            return self.say(400, {"error": {"message": refused}})
        if oddity == "slow":
            with Odd.lock:
                time.sleep(0.1)
        elif oddity == "busy" and not Odd.lock.acquire(blocking=False):
            return self.say(429, {"error": {"message": "one at a time"}})
        try:
            if oddity == "busy":
                time.sleep(0.2)
            return self.say(200, self.answer(oddity, body, chat))
        finally:
            if oddity == "busy":
                Odd.lock.release()

    def refusal(self, oddity, body, chat):
        roles = [message["role"] for message in body.get("messages", [])]
        if oddity == "no-system" and "system" in roles:
            return "System role not supported"
        if oddity == "no-template" and chat:
            return "tokenizer.chat_template is not set"
        if oddity == "new-limit" and "max_tokens" in body:
            return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        if oddity == "no-seed" and "seed" in body:
            return "Unrecognized request argument supplied: seed"
        if oddity == "no-stop" and "stop" in body:
            return "stop is not allowed"
        if oddity == "echoes-the-key":
            return f"your key {self.headers['Authorization']} may not use this model"
        return None

    def answer(self, oddity, body, chat):
        Odd.turn += 1
        turn = Odd.turn if oddity == "no-repeat" else 0 if oddity == "greedy" else body.get("seed", 0)
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        words = [WORDS[(7 * turn + i) % len(WORDS)] for i in range(40 if oddity == "endless" else limit)]
        text = "" if oddity == "silent" else " ".join(words)
        for mark in body.get("stop", []):
            before, there, _ = text.partition(mark)
            text = {"ignores-stop": text, "keeps-stop": before + there}.get(oddity, before)
        choice = {"index": 0, "finish_reason": "length"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if body.get("logprobs") and oddity == "logprobs":
            choice["logprobs"] = {"content": [{"token": "cat", "logprob": -0.1}]}
        usage = {"prompt_tokens": 20, "completion_tokens": len(text.split())}
        return {"choices": [choice]} | ({} if oddity == "no-usage" else {"usage": usage})

    def say(self, status, content, headers=()):
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def odd_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def address():
    with odd_server() as found:
        yield found


@pytest.fixture(scope="module")
def task():
    return discover().task("list_edits").plugin


def examined(address, task, oddity="plain", model="m", **options):
    spec = TeacherSpec(kind="openai", model=model, options={"base_url": f"{address}/{oddity}/v1", **options})
    (found,) = check_teacher(spec, task)
    return found, {line.name: line for line in found.lines}


def qdcbench(*arguments, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", "qdcbench", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        check=False, timeout=120, env={**os.environ, **more},
    )  # fmt: skip


# ---- a server that behaves -------------------------------------------------------------------------------------


def test_a_good_server_is_found_good_with_a_dozen_questions_at_most(task):
    with serving(delay=0.05, models=("m", "other")) as server:
        (found,) = check_teacher(TeacherSpec(kind="openai", model="m", options={"base_url": server.base_url}), task)
        seen = server.seen()
    lines = {line.name: line for line in found.lines}
    assert seen["requests"] == found.calls <= 12
    assert {name for name, line in lines.items() if line.state == "ok"} >= {
        "model",
        "chat",
        "usage",
        "max_tokens",
        "seed",
    }
    assert not [line for line in found.lines if line.state == "fail"]
    assert "side by side" in lines["at once"].text
    assert "no money is counted" in lines["price"].text


def test_what_the_server_does_differs_line_by_line(address, task):
    """Every oddity changes the state or the words of the line it is about, seen against the plain server."""
    _, plain = examined(address, task)
    expected = {
        "no-repeat": ("seed", "note", "not respected"),
        "greedy": ("seed", "note", "does not seem to sample"),
        "no-usage": ("usage", "note", "quarter of the bytes"),
        "endless": ("max_tokens", "fail", "12 tokens were allowed and 40 came"),
        "silent": ("max_tokens", "note", "the answer is empty"),
        "ignores-stop": ("stop", "note", "goes on after the stop text"),
        "keeps-stop": ("stop", "note", "leaves the stop text"),
        "no-stop": ("stop", "note", "refused, status 400 (stop is not allowed)"),
        "logprobs": ("logprobs", "note", "given"),
        "slow": ("at once", "note", "one after the other"),
        "busy": ("at once", "note", "one at a time"),
        "unlisted": ("model", "note", "lists no models (status 404)"),
        "moved": ("model", "note", "lists no models (status 302)"),
    }
    for oddity, (name, state, words) in expected.items():
        found, lines = examined(address, task, oddity)
        assert (lines[name].state, words in lines[name].text) == (state, True), (oddity, lines[name])
        assert lines[name].text != plain[name].text, oddity
        assert found.calls <= 12, oddity


@pytest.mark.parametrize(
    ("oddity", "line", "words"),
    [
        ("no-system", "system message", "without one it answers"),
        ("no-template", "chat", "has no chat template"),
        ("new-limit", "chat", 'max_tokens_field = "max_completion_tokens"'),
        ("no-seed", "chat", 'omit = ["seed"]'),
        ("closed", "key", "OPENAI_API_KEY"),
    ],
)
def test_what_would_stop_a_run_fails_and_says_what_to_do(address, task, oddity, line, words):
    found, lines = examined(address, task, oddity)
    assert (lines[line].state, words in lines[line].text) == ("fail", True), lines
    assert found.calls <= 3


def test_the_advice_works(address, task):
    for oddity, options in (
        ("new-limit", {"max_tokens_field": "max_completion_tokens"}),
        ("no-seed", {"omit": ["seed"]}),
    ):
        assert any(line.state == "fail" for line in examined(address, task, oddity)[0].lines)
        found, lines = examined(address, task, oddity, **options)
        assert not [line for line in found.lines if line.state == "fail"], oddity
    assert "not sent (omit)" in lines["seed"].text


def test_a_server_without_a_template_may_still_continue_text(address, task):
    _, lines = examined(address, task, "no-template")
    assert "works where chat does not" in lines["plain completion"].text


def test_a_model_that_is_not_listed_is_told_with_the_nearest_name(address, task):
    _, lines = examined(address, task, model="m-larg")
    assert lines["model"].state == "note" and "did you mean 'm-large'" in lines["model"].text


def test_nobody_there_is_one_line_and_no_question(task):
    with odd_server() as gone:
        pass
    found, lines = examined(gone, task)
    assert lines["address"].state == "fail" and "cannot be reached" in lines["address"].text
    assert found.calls == 0


def test_a_key_is_sent_and_never_shown(address, task, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for oddity in ("closed", "echoes-the-key", "plain"):
        found, _ = examined(address, task, oddity)
        assert KEY not in repr(found) and KEY not in str(found)
    _, lines = examined(address, task, "echoes-the-key")
    assert "[key]" in lines["chat"].text  # so it was sent, and quoted back


def test_a_named_key_that_is_not_set_is_a_failure_before_any_question(address, task):
    found, lines = examined(address, task, api_key_env="QDC_NO_SUCH_KEY")
    assert lines["options"].state == "fail" and "QDC_NO_SUCH_KEY" in lines["options"].text and found.calls == 0


# ---- teachers of other kinds, prices, caps -----------------------------------------------------------------------


def test_members_of_an_ensemble_are_looked_at_one_by_one(address, task):
    options = {"openai:m": {"base_url": f"{address}/plain/v1"}, "openai:n": {"base_url": f"{address}/no-system/v1"}}
    spec = TeacherSpec(kind="ensemble", model="openai:m*0.5+openai:n*0.3+scripted:strong*0.2", options=options)
    found = {item.teacher: item for item in check_teacher(spec, task)}
    assert list(found) == ["openai:m", "openai:n", "scripted:strong"]
    assert [any(line.state == "fail" for line in item.lines) for item in found.values()] == [False, True, False]


def test_a_scripted_teacher_repeats_itself_and_an_unknown_profile_fails(task):
    (good,) = check_teacher(TeacherSpec(kind="scripted", model="strong"), task)
    (bad,) = check_teacher(TeacherSpec(kind="scripted", model="stong"), task)
    assert [line.state for line in good.lines] == ["ok", "ok"]
    assert bad.lines[0].state == "fail"


def test_an_old_price_is_to_be_looked_at(address, task):
    price = {"input": 1, "output": 2, "source": "the invoice"}
    _, old = examined(address, task, price={**price, "dated": "2020-01-01"})
    _, odd = examined(address, task, price={**price, "dated": "last spring"})
    today = time.strftime("%Y-%m-%d", time.gmtime())
    _, new = examined(address, task, price={**price, "dated": today})
    assert [lines["price"].state for lines in (old, odd, new)] == ["note", "note", "ok"]
    assert "days ago" in old["price"].text


SUITE = 'name = "s"\nteachers = ["openai:m"]\nbudget = "tiny"\nrepetitions = 1\n[[arm]]\nmethod = "persona"\n'


@pytest.mark.parametrize(
    ("table", "options", "states"),
    [
        ("", {}, ["note"]),
        ("[caps]\nmoney = 2.0\n", {}, ["fail"]),
        ("[caps]\nmoney = 2.0\n", {"price": {"input": 1, "output": 1, "dated": "2026-11-01", "source": "s"}}, ["ok"]),
        ("[caps]\ntokens = 1000\n[cell_caps]\ncalls = 5\n", {}, ["ok", "ok"]),
    ],
)
def test_a_cap_on_money_needs_a_price(table, options, states):
    suite = parse_suite(SUITE + table, "s")
    teacher = TeacherSpec(kind="openai", model="m", options={"base_url": "http://127.0.0.1:1/v1", **options})
    assert [line.state for line in check_caps(suite, [teacher])] == states


def test_scripted_teachers_need_no_cap():
    lines = check_caps(parse_suite(SUITE, "s"), [TeacherSpec(kind="scripted", model="strong")])
    assert [line.state for line in lines] == ["ok"]


# ---- the machine -------------------------------------------------------------------------------------------------


def test_a_ledger_may_be_begun_kept_and_must_be_whole(tmp_path):
    path = tmp_path / "work" / "ledger.sqlite"
    assert check_ledger(path).state == "ok" and not path.parent.exists()
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE answers (key TEXT, reply TEXT)")
        database.executemany("INSERT INTO answers VALUES (?, ?)", [(str(i), "x" * 900) for i in range(200)])
    assert check_ledger(path).state == "ok"
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = os.urandom(4096 * 9)
    path.write_bytes(content)
    damaged = check_ledger(path)
    assert damaged.state == "fail" and "damaged" in damaged.text
    path.write_bytes(b"no database at all, " * 500)
    assert check_ledger(path).state == "fail" and "not a database" in check_ledger(path).text
    assert not list(tmp_path.glob(".qdcbench-*"))


def test_packages_that_are_missing_or_too_old_are_named(tmp_path, monkeypatch):
    folder = tmp_path / "made_up-1.0.dist-info"
    folder.mkdir()
    wanted = ("numpy>=999", "no-such-package-at-all>=1", "rich>=1", 'other>=1; extra == "more"')
    text = "\n".join(
        ["Metadata-Version: 2.1", "Name: made_up", "Version: 1.0", *(f"Requires-Dist: {w}" for w in wanted)]
    )
    (folder / "METADATA").write_text(text + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    line = packages("made_up")
    assert line.state == "fail"
    assert "numpy is" in line.text and "must be >=999" in line.text and "no-such-package-at-all is missing" in line.text
    assert "rich" not in line.text.replace("made_up", "") and "other" not in line.text
    assert packages("qdcbench").state == "ok"


# ---- the command -------------------------------------------------------------------------------------------------


def test_the_command_reports_a_suite_and_fails_when_a_check_does(address, tmp_path):
    options = f'[teacher_options]\nbase_url = "{address}/plain/v1"\n[caps]\ntokens = 1000\n'
    (tmp_path / "s.toml").write_text(SUITE + options, encoding="utf-8")
    good = qdcbench("doctor", "s.toml", cwd=tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "ok   chat: answered" in good.stdout and "note caps: the suite's cap of 1,000 tokens" in good.stdout
    assert "10 tiny questions were asked" in good.stdout
    bad = qdcbench("doctor", "s.toml", "--json", "--base-url", f"{address}/no-template/v1", cwd=tmp_path)
    found = json.loads(bad.stdout)
    assert bad.returncode == 1 and found["failed"] is True and found["calls"] == 3
    assert {group["teacher"] for group in found["checks"]} == {"", "openai:m", "suite s"}
    assert KEY not in good.stdout


def test_each_teacher_of_a_suite_is_looked_at_with_its_own_options_on_the_suites_task(address, tmp_path):
    rows = "".join(json.dumps({"prompt": f"What is {n} plus 1?", "completion": str(n + 1)}) + "\n" for n in range(30))
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    task = 'name = "sums"\nseed = "train.jsonl"\nseed_examples = 5\nmatch = "number"\n[id]\nx = "test.jsonl"\n'
    (tmp_path / "sums.toml").write_text(task, encoding="utf-8")
    tables = "".join(
        f'[teacher_options."openai:{model}"]\nbase_url = "{address}/{oddity}/v1"\n'
        for model, oddity in (("m", "plain"), ("n", "no-template"))
    )
    suite = SUITE.replace('["openai:m"]', '["openai:m", "openai:n", "scripted:strong"]')
    (tmp_path / "a.toml").write_text(suite + tables, encoding="utf-8")
    (tmp_path / "b.toml").write_text('task_file = "sums.toml"\n' + suite + tables, encoding="utf-8")
    for name, answers in (("a.toml", "ok"), ("b.toml", "fail")):
        found = json.loads(qdcbench("doctor", name, "--json", cwd=tmp_path).stdout)
        lines = {group["teacher"]: {line["name"]: line for line in group["lines"]} for group in found["checks"]}
        assert lines["openai:m"]["chat"]["state"] == "ok"
        assert "has no chat template" in lines["openai:n"]["chat"]["text"]
        # A task made of files has no scripted teacher.
        assert lines["scripted:strong"]["answer"]["state"] == answers, lines


def test_a_teacher_that_cannot_be_read_is_a_line_among_the_others(tmp_path):
    ended = qdcbench("doctor", "--teacher", "openai:m", "--teacher", "locl:nowhere", "--json", cwd=tmp_path)
    lines = {
        group["teacher"]: [(line["state"], line["name"]) for line in group["lines"]]
        for group in json.loads(ended.stdout)["checks"]
    }
    assert ended.returncode == 1
    assert lines["openai:m"][0] == ("fail", "options") == lines["locl:nowhere"][0]
    assert ("ok", "packages") in lines[""]


def test_without_a_suite_the_offline_teacher_is_checked(tmp_path):
    ended = qdcbench("doctor", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    states = {line[5:].partition(":")[0]: line[:4] for line in ended.stdout.splitlines()}
    assert {states[name] for name in ("packages", "disk", "plugins", "encoder", "ledger", "answer", "seed")} == {"ok  "}
    assert "accelerator" in states
