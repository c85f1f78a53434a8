"""Magpie: a bare opening of a chat, the prompt a model writes after it, an answer, and filters in their order."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import numpy as np
import pytest
from chat_server import serving
from method_bench import TASK, FixedTeacher, context, made, plugin, run

from qdcbench.api import Request, TeacherError
from qdcbench.records import TeacherSpec
from qdcbench.teachers.account import Access
from qdcbench.teachers.chat.teacher import chat_teacher

OPENINGS = {
    "chatml": "<|im_start|>user\n",
    "llama3": "<|start_header_id|>user<|end_header_id|>\n\n",
    "phi3": "<|user|>\n",
}
"""What stands before a user's words in each public format, once the mark with which a text begins is there."""


class Script:
    """A teacher's replies: prompts in turn, answers and numbers by prompt."""

    def __init__(self, prompts, answers=None, ratings=None, scores=None):
        self.prompts = iter(prompts)
        self.answers, self.ratings, self.scores = answers or {}, ratings or {}, scores or {}
        self.requests: list[Request] = []

    def __call__(self, request):
        self.requests.append(request)
        if request.intent == "propose":
            return next(self.prompts)
        prompt = request.material["prompt"]
        if request.intent == "answer":
            return self.answers.get(prompt, "1 2 3")
        if request.material["question"] == "rating":
            return f"Rating: {self.ratings.get(prompt, 5)}"
        return f"Score: {self.scores.get(prompt, 3)}"


def far_apart(texts):
    """Unit vectors of a hundred dimensions, one for each text that names a number."""
    return np.stack([np.eye(100, dtype=np.float32)[int(text.split()[-1])] for text in texts])


def fixed(script, n, embed=far_apart):
    ctx = context("magpie", FixedTeacher(script), n)
    ctx.embed = embed
    return ctx


@pytest.mark.parametrize("name", OPENINGS)
def test_only_the_opening_of_a_users_turn_is_sent(name):
    script = Script(f"Sort the list number {place}" for place in count())
    ctx = fixed(script, 2)
    rows = run(ctx, template=name, steer=False)
    assert [row.prompt for row in rows] == ["Sort the list number 0", "Sort the list number 1"]
    sent = [request for request in script.requests if request.intent == "propose"]
    assert all(request.messages == (("raw", OPENINGS[name]),) for request in sent)
    assert all((request.temperature, request.top_p) == (1.0, 1.0) for request in sent)
    assert all("\n" in request.stop and len(request.stop) > 1 for request in sent)
    # Equal questions are told apart by their number.
    assert [request.sample for request in sent] == list(range(len(sent)))


@pytest.mark.parametrize("name", OPENINGS)
def test_steering_puts_the_description_into_a_system_turn_before_the_opening(name):
    script = Script(f"Sort the list number {place}" for place in count())
    run(fixed(script, 1), template=name)
    ((role, text),) = script.requests[0].messages
    assert role == "raw" and text.endswith(OPENINGS[name]) and text.count(TASK.description) == 1
    assert "system" in text.partition(TASK.description)[0] and "{" not in text


def test_the_calls_of_a_row_and_the_filters_in_their_order():
    prompts = [
        "Sort 0",  # too short
        "",
        "Keep this one: 2",
        "Answer ends badly: 3",
        "Poor row indeed: 4",
        "Too easy indeed: 5",
        "The same meaning: 2",
        "Keep this too: 7",
    ]
    script = Script(
        prompts,
        answers={"Answer ends badly: 3": "Here it is:"},
        ratings={"Poor row indeed: 4": 3},
        scores={"Too easy indeed: 5": 2},
    )
    ctx = fixed(script, 2)
    rows = run(ctx, difficulty=3)
    assert [row.prompt for row in rows] == ["Keep this one: 2", "Keep this too: 7"]
    assert [(row.prompt, reason) for row, reason in ctx.rejected] == [
        ("Sort 0", "length"),
        ("", "length"),
        ("Answer ends badly: 3", "trailing colon"),
        ("Poor row indeed: 4", "low rating"),
        ("Too easy indeed: 5", "low complexity"),
        ("The same meaning: 2", "near-duplicate"),
    ]
    asked = [
        (asked.role, asked.intent, asked.material.get("question", "")) for asked in ctx.teacher._desk.teacher.asked
    ]
    propose, answer = ("teacher", "propose", ""), ("answerer", "answer", "")
    rating, score = ("judge", "judge", "rating"), ("judge", "judge", "complexity")
    assert asked == [
        *(propose, answer), *(propose, answer), *(propose, answer, rating, score), *(propose, answer),
        *(propose, answer, rating), *(propose, answer, rating, score), *(propose, answer, rating, score),
        *(propose, answer, rating, score),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "passes"), [("Rating: 4", True), ("It has 3 digits. **Rating:** 4/5", True), ("5", True), ("2", False),
                          ("It has 5 digits.", False), ("", False)]
)  # fmt: skip
def test_a_rating_is_read_as_chat_models_write_it(reply, passes):
    script = Script(f"Sort the list number {place}" for place in range(2))
    first = "Sort the list number 0"
    teacher = FixedTeacher(lambda r: reply if r.intent == "judge" and r.material["prompt"] == first else script(r))
    ctx = context("magpie", teacher, 1)
    (row,) = run(ctx)
    assert (row.prompt == first) == passes and [reason for _, reason in ctx.rejected] == ["low rating"] * (not passes)


def test_answers_and_judgements_are_greedy_and_show_the_row():
    script = Script(f"Sort the list number {place}" for place in count())
    ctx = fixed(script, 3)
    rows = run(ctx, difficulty=2)
    for request in script.requests:
        if request.intent != "propose":
            texts = " ".join(text for _, text in request.messages)
            assert request.temperature == 0.0 and request.material["prompt"] in texts and "{" not in texts
            assert request.intent == "answer" or request.material["completion"] == "1 2 3"
    assert all("1 2 3" in text for r in script.requests if r.intent == "judge" and r.material["question"] == "rating"
               for role, text in r.messages if role == "user")  # fmt: skip
    assert len(rows) == 3


@pytest.mark.parametrize(("cosine", "reasons"), [(0.94, []), (0.96, ["near-duplicate"])])
def test_near_duplicates_are_those_within_a_distance_of_five_hundredths(cosine, reasons):
    angles = {"one": 0.0, "two": float(np.arccos(cosine)), "three": np.pi}

    def embed(texts):
        found = [angles[text.split()[-1]] for text in texts]
        return np.stack([np.cos(found), np.sin(found)], axis=1).astype(np.float32)

    ctx = fixed(Script(f"Sort the list {name}" for name in angles), 3 - len(reasons), embed)
    rows = run(ctx)
    assert [row.prompt.split()[-1] for row in rows] == [name for name in angles if not reasons or name != "two"]
    assert [reason for _, reason in ctx.rejected] == reasons


def test_the_longest_three_in_ten_answers_are_kept_of_every_block():
    lengths = [place * 7 % 40 + 1 for place in range(40)]
    script = Script(
        (f"Sort the list number {place}" for place in range(80)),
        answers={f"Sort the list number {place}": "x" * lengths[place] for place in range(40)},
    )
    ctx = fixed(script, 12)
    rows = run(ctx, longest=True)
    kept = [int(row.prompt.split()[-1]) for row in rows]
    for block in (range(20), range(20, 40)):
        best = sorted(block, key=lambda place: lengths[place])[-6:]
        assert [place for place in kept if place in block] == sorted(best)
    assert Counter(reason for _, reason in ctx.rejected) == {"not among the longest": 28}


def test_a_budget_that_ends_inside_a_block_still_keeps_its_longest():
    ctx = context("magpie", TASK.scripted_teacher("strong"), 40, tokens=25_000)
    rows = run(ctx, longest=True, distance=0.0)
    dropped = [row for row, reason in ctx.rejected if reason == "not among the longest"]
    assert rows and (len(rows) + len(dropped)) % 20 and len(rows) <= 0.3 * (len(rows) + len(dropped))


def test_it_ends_by_itself_where_the_model_writes_nothing():
    ctx = fixed(Script("" for _ in count()), 5)
    assert run(ctx) == [] and {reason for _, reason in ctx.rejected} == {"length"}


# On the scripted teacher


def mean_answer(profile, **params):
    rows, _ = made("magpie", profile, 120, **params)
    return sum(len(row.completion) for row in rows) / len(rows)


def right(rows):
    return sum(TASK.verify(row).correct is True for row in rows) / len(rows)


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_rows_repeat_and_each_costs_one_prompt_and_one_answer_over_the_keep_rate(profile):
    rows, ctx = made("magpie", profile, 200)
    assert rows == made("magpie", profile, 200)[0] and len(rows) == 200
    spent = ctx.meter.usage().calls_by_intent
    keep = len(rows) / (len(rows) + len(ctx.rejected))
    for intent in ("propose", "answer"):
        assert 0.95 < spent[intent] / len(rows) * keep < 1.15
    cost = plugin("magpie").cost.calls
    assert all(0.5 < spent[intent] / len(rows) / cost[intent] < 2 for intent in cost) and set(spent) == set(cost)


@pytest.mark.parametrize(("profile", "gain"), [("strong", 0.06), ("weak", 0.02)])
def test_the_rating_filter_raises_quality_and_costs_rows_but_a_weak_judge_helps_little(profile, gain):
    (all_rows, every), (rows, some) = (made("magpie", profile, 600, quality=quality) for quality in (1, 4))
    assert "judge" not in every.meter.usage().calls_by_intent
    assert right(rows) > right(all_rows) + gain and len(some.rejected) > len(every.rejected) + 200


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_the_difficulty_filter_raises_depth(profile):
    def depth(**params):
        found = [TASK.structure(row.prompt) for row in made("magpie", profile, 250, **params)[0]]
        return sum(structure.depth for structure in found if structure) / len([s for s in found if s])

    assert depth(difficulty=3) > depth() + 0.5


@pytest.mark.parametrize("profile", ["strong", "weak"])
def test_keeping_the_longest_makes_answers_longer(profile):
    assert mean_answer(profile, longest=True) > mean_answer(profile) + 1.5


def test_heat_makes_prompts_more_diverse():
    def contexts(temperature):
        return len({row.prompt.partition(" ")[0] for row in made("magpie", "weak", 300, temperature=temperature)[0]})

    assert contexts(0.5) < contexts(1.0) < contexts(1.5)


def test_a_spent_budget_ends_it_cleanly():
    ctx = context("magpie", TASK.scripted_teacher("weak"), 200, tokens=40_000)
    assert 0 < len(run(ctx)) < 100 and ctx.meter.usage().tokens <= 40_000


# On servers


def chat(base_url):
    options = {"base_url": base_url, "retries": 0}
    return chat_teacher(TeacherSpec(kind="openai", model="m", options=options), Access())


def test_a_server_that_continues_text_is_enough():
    with serving(delay=0.0) as server:
        ctx = context("magpie", chat(server.base_url), 6)
        rows = run(ctx, quality=1)
        ctx.teacher._desk.close()
        assert len(rows) == 6 and len({row.prompt for row in rows}) == 6
        spent = ctx.meter.usage().calls_by_intent
        assert server.seen()["requests"] == sum(spent.values()) and set(spent) == {"propose", "answer"}


class ChatOnly(BaseHTTPRequestHandler):
    """Answers at /chat/completions and nowhere else."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        chats = self.path.endswith("/chat/completions")
        said = {"choices": [{"message": {"content": "1 2"}, "finish_reason": "stop"}]}
        data = json.dumps(said if chats else {"detail": f"there is no {self.path}"}).encode()
        self.send_response(200 if chats else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def test_a_server_that_only_chats_is_refused_in_one_sentence_at_the_first_call():
    server = ThreadingHTTPServer(("127.0.0.1", 0), ChatOnly)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ctx = context("magpie", chat(f"http://127.0.0.1:{server.server_address[1]}/v1"), 5)
        with pytest.raises(TeacherError, match=r"404.*needs /completions beside its chat") as refused:
            run(ctx)
        ctx.teacher._desk.close()
    finally:
        server.shutdown()
        server.server_close()
    assert "\n" not in str(refused.value) and not ctx.rejected
