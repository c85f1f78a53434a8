"""A judge on a real server, a tagger and a model's gradients and fail rates look at some rows of each file."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from chat_server import serving

from qdcbench.errors import ConfigError, TeacherError
from qdcbench.measures import METRICS
from qdcbench.profile.close import CLOSE_MEASURES
from qdcbench.profile.findings import hardest, pooled
from qdcbench.profile.measured import Profiles, take_profiles
from qdcbench.profile.request import Close, Quiet, Request
from qdcbench.records import Measurement
from qdcbench.teachers.build import parse_teacher

TOPICS = ("sums", "words", "maps")


def verdict(text: str) -> str:
    """Answer as a judge that counts the word "step" for hardness and prefers what says "good"."""
    if text.startswith("Rate how demanding"):
        return str(min(6, 1 + text.partition("Task:")[2].count("step")))
    if text.startswith("Rate the following"):
        return "5" if "good" in text.partition("Answer:")[2] else "2"
    if text.startswith("Compare how demanding"):
        tasks = re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE)
        return "\n".join(f"{number}: {1 + task.count('step')}" for number, task in tasks)
    if text.startswith("Two answers"):
        first, _, second = text.partition("First answer:")[2].partition("Second answer:")
        good = ("good" in first, "good" in second)
        return "Tie" if good[0] == good[1] else ("First" if good[0] else "Second")
    if text.startswith("Name what"):
        return ", ".join(re.findall(r"\b(?:sums|words|maps|step)\b", text.partition("Task:")[2]))
    topics = dict(re.findall(r"^(\d+)\. (\w+)$", text.partition("Topics:")[2], re.MULTILINE))
    task = text.partition("Task:")[2].partition("Topics:")[0]
    return next((number for number, topic in topics.items() if topic == "all" or topic in task), "0")


class Judging:
    """A server of the chat protocol, and what it was asked by the beginning of each question."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        judging = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                text = body["messages"][-1]["content"]
                judging.asked[" ".join(text.split()[:3])] += 1
                said = {"role": "assistant", "content": verdict(text)}
                reply = {
                    "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
                    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
                }  # fmt: skip
                data = json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"


@contextmanager
def judging() -> Iterator[Judging]:
    found = Judging()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


def write(path: Path, n: int, steps: int, good: int) -> str:
    """Write n rows whose prompts hold the word "step" up to ``steps`` times, every ``good``-th with a good answer."""
    rows = [
        {
            "prompt": f"Number {i}: {TOPICS[i % 3]}" + " step" * (i % 2 + steps - 1),
            "completion": f"a {'good' if i % good == 0 else 'poor'} answer {i}",
            "gold": f"a {'good' if i % 4 == 1 else 'plain'} reference" if i % 2 else None,
            "aim": f"all/{TOPICS[i % 3]}" if i % 10 else f"all/{TOPICS[(i + 1) % 3]}",
        }
        for i in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def by_name(profiles: Profiles, part: int) -> dict[str, Measurement]:
    return {m.metric: m for m in profiles.each[part].measurements}


def judge_at(url: str, name: str = "openai:judge", **options: object) -> Close:
    return Close(rows=40, judge=parse_teacher(name, {"base_url": url, "retries": 1, "backoff": 0.01}), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("judged")
    return write(folder / "easy.jsonl", 120, 1, 2), write(folder / "hard.jsonl", 120, 4, 4)


@pytest.fixture(scope="module")
def judged(files: tuple[str, str]) -> tuple[Profiles, Counter[str]]:
    measures = ("judge*", "win_share", "rank_strength", "tag*", "taxonomy*", "prompt_words", "distinct_1")
    with judging() as server:
        request = Request(
            files=files, encoder="hashed", gold="gold", aimed="aim", measures=measures, close=judge_at(server.url)
        )  # fmt: skip
        return take_profiles(request, Quiet()), server.asked


def test_every_measure_of_a_judge_has_a_value_of_the_rows_judged(judged: tuple[Profiles, Counter[str]]) -> None:
    profiles, _ = judged
    easy, hard = by_name(profiles, 0), by_name(profiles, 1)
    assert {name for name, m in easy.items() if m.value is None} == set()
    assert {m.n for name, m in hard.items() if name in CLOSE_MEASURES} == {40}
    assert {m.n for name, m in hard.items() if name not in CLOSE_MEASURES} == {120}
    assert {"judge_score", "win_share", "rank_strength", "tags_seen", "taxonomy_drift"} <= easy.keys() & CLOSE_MEASURES


def test_values_are_what_the_judge_said(judged: tuple[Profiles, Counter[str]]) -> None:
    profiles, _ = judged
    for part, profile in enumerate(profiles.each):
        rows = profile.part.close
        assert rows is not None
        taken = by_name(profiles, part)
        good = [5 if "good" in text else 2 for text in rows.completions]
        assert taken["judge_score"].value == pytest.approx(sum(good) / 40)
        steps = [1 + text.count("step") for text in rows.prompts]
        assert taken["judged_complexity"].value == pytest.approx(sum(steps) / 40)
        wins = []
        for prompt, text in zip(rows.prompts, rows.completions, strict=True):
            number = int(re.findall(r"\d+", prompt)[0])
            if number % 2:
                wins.append(0.5 + 0.5 * (("good" in text) - (number % 4 == 1)))
        assert taken["win_share"].value == pytest.approx(sum(wins) / len(wins))
        drifted = [int(re.findall(r"\d+", prompt)[0]) % 10 == 0 for prompt in rows.prompts]
        assert taken["taxonomy_drift"].value == pytest.approx(sum(drifted) / 40)
    easy, hard = by_name(profiles, 0)["rank_strength"].value, by_name(profiles, 1)["rank_strength"].value
    assert easy is not None
    assert hard is not None
    assert easy < 0 < hard
    assert easy + hard == pytest.approx(0, abs=1e-9)
    assert by_name(profiles, 1)["tags_seen"].value == 4
    assert by_name(profiles, 0)["taxonomy_leaves_aimed"].value == 1


def test_calls_are_few_and_said(judged: tuple[Profiles, Counter[str]]) -> None:
    profiles, asked = judged
    # No two rows are equal: 80 of each kind of question, 32 batches for both files together, two levels of topics.
    assert asked["Rate the following"] == asked["Rate how demanding"] == asked["Name what somebody"] == 80
    assert asked["Compare how demanding"] == 32
    assert asked["Below are a"] == 160
    total = sum(asked.values())
    assert f"openai:judge answered {total} questions with {10 * total:,} tokens" in profiles.notes
    assert any(note.startswith("rank_strength: 0 is the mean of all prompts ranked") for note in profiles.notes)
    assert any("100% of the verdicts were the same in both orders" in note for note in profiles.notes)


def test_the_hardest_rows_are_those_the_judge_ranked_hardest(judged: tuple[Profiles, Counter[str]]) -> None:
    pool = pooled(judged[0])
    (ranked,) = [found for found in hardest(pool, 4) if found.measure == "rank_strength"]
    assert ranked.rows[0][1].part == 0
    assert all(pool.parts[p.part].rows.prompts[p.row].count("step") % 3 == 1 for _, p in ranked.rows)


def test_only_what_is_measured_is_asked_and_recorded_answers_are_free(files: tuple[str, str], tmp_path: Path) -> None:
    with judging() as server:
        close = judge_at(server.url, answers=tmp_path / "answers.sqlite")
        request = Request(files=files[:1], encoder="hashed", measures=("judge_score", "rank*"), close=close)
        first = take_profiles(request, Quiet())
        assert server.asked == {"Rate the following": 40}
        again = take_profiles(request, Quiet())
    assert server.asked == {"Rate the following": 40}
    assert first.each[0].measurements == again.each[0].measurements
    assert any("40 of them recorded before" in note for note in again.notes)
    assert any(note.startswith("not ranked: of one file alone") for note in first.notes)
    assert by_name(first, 0)["rank_strength"].value is None


def test_a_reference_anchors_the_ranking_and_a_tagger_takes_the_tags(files: tuple[str, str], tmp_path: Path) -> None:
    reference = write(tmp_path / "r.jsonl", 100, 2, 2)
    with judging() as judge, judging() as tagger:
        close = judge_at(judge.url, tagger=parse_teacher("openai:tagger", {"base_url": tagger.url}))
        request = Request(
            files=files[1:], encoder="hashed", reference=reference, measures=("rank*", "tag*"), close=close
        )  # fmt: skip
        profiles = take_profiles(request, Quiet())
    assert set(judge.asked) == {"Compare how demanding"}
    assert tagger.asked == {"Name what somebody": 40}
    taken = by_name(profiles, 0)
    assert (taken["rank_strength"].value or 0) > 0
    assert taken["tag_coverage"].value is None
    assert any("0 is the mean of 20 prompts of the reference" in note for note in profiles.notes)


def test_replies_that_say_nothing_are_counted_and_no_number(files: tuple[str, str]) -> None:
    with serving(delay=0.0, faults=("reset", "server-error", "not-json"), share=0.05) as server:
        measures = ("win_share", "rank*")
        request = Request(
            files=files, encoder="hashed", gold="gold", measures=measures, close=judge_at(server.base_url, "openai:m")
        )  # fmt: skip
        profiles = take_profiles(request, Quiet())
    assert all(m.value is None and m.reason for profile in profiles.each for m in profile.measurements)
    assert any("32 of 32 replies could not be read" in note for note in profiles.notes)


def test_a_judge_that_is_not_there_is_one_sentence(files: tuple[str, str]) -> None:
    with judging() as server:
        url = server.url
    request = Request(files=files, encoder="hashed", measures=("judge_score",), close=judge_at(url))
    with pytest.raises(TeacherError, match="openai:judge"):
        take_profiles(request, Quiet())
    with pytest.raises(ConfigError, match="name a language model"):
        judge_at(url, tagger=parse_teacher("scripted:strong"))


def test_gradients_and_fail_rates_of_the_model(tmp_path: Path) -> None:
    from tiny_models import save_model

    folder = str(save_model(tmp_path / "model", brief=True))
    file = write(tmp_path / "a.jsonl", 30, 1, 2)
    request = Request(
        files=(file,), encoder="hashed", gold="gold", measures=("g_vendi", "fail_rate", "answer_nll", "gold_share"),
        scorers={"model": folder}, close=Close(rows=25, gradients=True, samples=2),
    )  # fmt: skip
    profiles = take_profiles(request, Quiet())
    taken = by_name(profiles, 0)
    assert 1 < (taken["g_vendi"].value or 0) <= 25
    assert (taken["g_vendi"].n, taken["answer_nll"].n) == (25, 30)
    # Random weights never write the reference; rows without one have no rate.
    column = profiles.each[0].part.rows.known.failed or ()
    assert {value for value in column} == {1.0, None}
    assert sum(note.startswith(("gradients by", "fail rates by 2 answers")) for note in profiles.notes) == 2
    with pytest.raises(ConfigError, match="--model"):
        Request(files=(file,), close=Close(gradients=True))
    with pytest.raises(ConfigError, match="--gold"):
        Request(files=(file,), scorers={"model": folder}, close=Close(samples=2))


def test_close_measures_are_measures() -> None:
    assert set(METRICS) >= CLOSE_MEASURES
