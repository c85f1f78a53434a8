"""The measure stage: what it finds out about rows, what it draws, what its key depends on, and what it keeps."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from qdcbench.tasks._list_edits_grammar import Program, Step, render
from qdcbench.tasks.list_edits import ListEdits

from qdcbench.api import Example
from qdcbench.canon import digest
from qdcbench.file_task import read_task_file
from qdcbench.measures.text import count_words
from qdcbench.probes.start import answer_losses
from qdcbench.records import Attempt, Measurement, RunSpec, TeacherSpec
from qdcbench.registry import discover
from qdcbench.stages.bench import Bench
from qdcbench.stages.generate import SyntheticDataset, generate
from qdcbench.stages.known import REFERENCE_ROWS, Given, around_of, generators, known_of, reference_of
from qdcbench.stages.measure import _judged, measure
from qdcbench.stages.select import TrainingSet, training_set
from qdcbench.store import Store
from qdcbench.testing import tiny_spec

REGISTRY = discover()
TASK = REGISTRY.task("list_edits").plugin
ROWS = tuple(TASK.reference_rows(Random(1), 60))


def bench_at(folder: Path) -> Bench:
    return Bench(registry=REGISTRY, store=Store(folder), base=folder)


def spec_of(method: str = "few_shot") -> RunSpec:
    return tiny_spec(REGISTRY.method(method))


def chosen_of(rows: Sequence[Example]) -> TrainingSet:
    return TrainingSet(sha256=digest([[r.prompt, r.completion] for r in rows]), rows=tuple(rows), contaminated=0)


def made_of(spec: RunSpec, bench: Bench) -> tuple[SyntheticDataset, TrainingSet]:
    made = generate(spec, bench)
    return made, training_set(spec, bench, made)


def values(found: Sequence[Measurement]) -> dict[str, float | None]:
    return {m.metric: m.value for m in found}


def taken(folder: Path) -> int:
    """Measurements in the store: each key has a folder."""
    return len(list(folder.glob("**/measurements.jsonl")))


def test_columns_are_what_task_and_base_say() -> None:
    wrong = replace(ROWS[0], completion="0")
    rows = [*ROWS[:30], wrong, Example(prompt="Tell me a story.", completion="Once.")]
    known = known_of(TASK, rows, seed=3)
    assert known.correct == (*[True] * 30, False, None)
    assert known.answer_nll == answer_losses(TASK, [(row.prompt, row.completion) for row in rows])
    assert known.blank_nll is not None and known.blank_nll[0] == known.blank_nll[0] and known.whole_nll is None
    assert known.failed is not None and known.failed[-1] is None and known.failed[0] == known.failed[-2]
    assert all(rate in {0.0, 0.5, 1.0} for rate in known.failed[:-1])
    assert known.gradient is not None and known.gradient.shape == (32, 1024)
    assert known.structure is not None and known.assigned is not None
    for structure, node in zip(known.structure, known.assigned, strict=True):
        assert node == (None if structure is None else "/".join(structure.parts[:2]))


def test_without_models_the_base_is_asked_nothing() -> None:
    known = known_of(TASK, ROWS, seed=3, models=False)
    assert known.answer_nll is None and known.failed is None and known.gradient is None
    assert known.structure is not None
    assert known_of(TASK, [], seed=3).answer_nll is None


def test_meaning_is_equal_for_rewordings_and_for_nothing_else() -> None:
    plain = Program(steps=(Step("reverse", 0), Step("add_one", 0)), items=(3, 1, 4), context=0, joins=(0,))
    same = [
        replace(plain, context=5),
        replace(plain, joins=(1,)),
        replace(plain, steps=(Step("reverse", 2), Step("add_one", 3))),
    ]
    other = [
        replace(plain, items=(3, 1, 5)),
        replace(plain, items=(3, 1, 4, 4)),
        replace(plain, steps=plain.steps[::-1]),
    ]
    rows = [Example(prompt=render(program), completion="") for program in [plain, *same, *other]]
    meaning = known_of(TASK, rows, seed=0, models=False).meaning
    assert meaning is not None and len(set(meaning[:4])) == 1 and len(set(meaning[3:])) == 4


def test_writers_come_from_the_lineage_where_several_wrote() -> None:
    rows = [replace(row, lineage={"teacher": f"t{i % 2}", "member": "m"}) for i, row in enumerate(ROWS[:4])]
    assert generators(rows) == ("t0", "t1", "t0", "t1")
    members = [replace(row, lineage={"member": f"m{i % 2}"}) for i, row in enumerate(ROWS[:4])]
    assert known_of(TASK, members, seed=0, models=False).generator == ("m0", "m1", "m0", "m1")
    assert generators(rows[:1]) is None and generators(ROWS) is None and generators([*rows, ROWS[9]]) is None


def test_what_surrounds_a_dataset() -> None:
    seeds = tuple(TASK.seed_examples(Random(0)))
    around = around_of(TASK, Given(seeds=seeds, attempted=9, accepted=4))
    assert (around.pair_universe, around.attempted, around.accepted) == (132, 9, 4)
    both = [count_words(seed.prompt) + count_words(seed.completion) for seed in seeds]
    assert around.words["both"] == pytest.approx(np.log1p(both).mean())
    assert around.words["prompt"] == pytest.approx(np.log1p([count_words(seed.prompt) for seed in seeds]).mean())
    assert around.base is not None and around.base.prompts == tuple(seed.prompt for seed in seeds)
    # Twelve operations, and every ordered two of them, the same twice as well.
    assert len([node for node in around.taxonomy if "/" not in node]) == 12
    assert {"reverse", "reverse/add_one"} <= set(around.taxonomy)
    assert around_of(TASK, Given()).words == {} and around_of(TASK, Given()).base is None


def test_the_reference_is_one_object_for_all_datasets_of_a_process() -> None:
    seeds = tuple(TASK.seed_examples(Random(0)))
    first, second = around_of(TASK, Given(seeds=seeds)), around_of(TASK, Given(seeds=seeds, attempted=3))
    assert first.reference is second.reference is reference_of(ListEdits()) and first.base is second.base
    assert first.reference is not None and len(first.reference) == REFERENCE_ROWS
    checks = [
        TASK.verify(Example(prompt=p, completion=c)).correct
        for p, c in zip(first.reference.prompts, first.reference.completions, strict=True)
    ]
    assert all(checks)


def test_a_task_of_files_has_losses_of_fresh_weights_and_no_more(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {n} plus {n}?", "completion": str(2 * n)} for n in range(30)]
    for name in ("seed", "held"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "t.toml").write_text(
        'name = "sums"\nseed = "seed.jsonl"\ndescription = "d"\n[id]\nheld = "held.jsonl"\n', encoding="utf-8"
    )
    task = read_task_file(tmp_path / "t.toml")
    known = known_of(task, [Example(prompt=row["prompt"], completion=row["completion"]) for row in rows], seed=0)
    assert known.answer_nll is not None and known.failed is None and known.gradient is None
    assert known.structure is None and known.meaning is None and known.correct == (True,) * 30
    reference = around_of(task, Given(), sha256=task.sha256).reference
    assert reference is not None and sorted(reference.prompts) == sorted(row["prompt"] for row in rows)


def test_measurements_have_yield_twins_and_what_the_base_gives(tmp_path: Path) -> None:
    spec, bench = spec_of("self_instruct"), bench_at(tmp_path)
    made, chosen = made_of(spec, bench)
    found = measure(spec, bench, chosen, made.attempts)
    by_name = {m.metric: m for m in found}
    accepted = sum(attempt.accepted for attempt in made.attempts)
    assert by_name["effective_yield"].value == pytest.approx(accepted / len(made.attempts))
    for name in ("answer_nll", "ifd", "fail_rate", "effective_fixed", "verified_share", "judge_score"):
        assert name in by_name, name
    assert by_name["answer_nll"].value is not None and by_name["fail_rate"].value is not None
    assert by_name["prompt_words"].at_length is not None
    assert "the teacher itself" in by_name["judge_score"].note and by_name["answer_nll"].note == ""
    without = values(measure(spec, bench, chosen))
    assert without["effective_yield"] is None
    assert {k: v for k, v in without.items() if k != "effective_yield"} == {
        k: v for k, v in values(found).items() if k != "effective_yield"
    }


def test_a_second_call_reads_the_store_and_the_order_of_rows_is_nothing(tmp_path: Path) -> None:
    spec, bench = replace(spec_of(), measure_n=20), bench_at(tmp_path)
    first = measure(spec, bench, chosen_of(ROWS))
    count = taken(tmp_path)
    assert measure(spec, bench, chosen_of(ROWS)) == first and taken(tmp_path) == count
    turned = measure(spec, bench, chosen_of(ROWS[::-1]))
    assert taken(tmp_path) > count  # the digest of a training set is that of its order
    assert turned == first


def test_the_key_changes_with_all_that_changes_a_value(tmp_path: Path) -> None:
    spec, bench = replace(spec_of(), measure_n=20), bench_at(tmp_path)
    rows = ROWS[:20]
    written = [replace(row, lineage={"teacher": f"t{i % 2}"}) for i, row in enumerate(rows)]
    attempts = tuple(
        Attempt(index=i, accepted=i % 2 == 0, reason="", prompt=row.prompt, completion=row.completion)
        for i, row in enumerate(rows)
    )
    counts = [taken(tmp_path)]
    found = []
    for case in (
        (spec, rows, ()), (spec, rows, attempts), (spec, written, ()), (replace(spec, measure_n=19), rows, ()),
        (replace(spec, repetition=1), rows, ()), (spec, rows[:19], ()),
    ):  # fmt: skip
        found.append(values(measure(case[0], bench, chosen_of(case[1]), case[2])))
        counts.append(taken(tmp_path))
    assert all(later > earlier for earlier, later in pairwise(counts)), counts
    assert found[1]["effective_yield"] == 0.5 and found[0]["effective_yield"] is None


class Raters(BaseHTTPRequestHandler):
    """A judge that writes what judges write instead of one digit."""

    protocol_version = "HTTP/1.1"
    replies = ("4.5", "0.5", "Rating: 2 of 5", "none")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        said = next(reply for i, reply in enumerate(self.replies) if f"row {i}" in text)
        data = json.dumps({
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


def test_a_judge_is_read_as_everywhere_else(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Raters)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        options = {"base_url": f"http://127.0.0.1:{server.server_port}/v1"}
        spec = replace(spec_of(), teacher=TeacherSpec(kind="openai", model="m", options=options))
        rows = tuple(Example(prompt=f"row {i}", completion="done") for i in range(len(Raters.replies)))
        judged = _judged(spec, bench_at(tmp_path), rows)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    # 0.5 is not on the scale, and "none" is no number.
    assert [(row.prompt, rating) for row, rating in zip(judged.rows, judged.ratings, strict=True)] == [
        ("row 0", 4.5),
        ("row 2", 2.0),
    ]


def test_no_rows_give_a_reason_for_each(tmp_path: Path) -> None:
    found = measure(spec_of(), bench_at(tmp_path), chosen_of(()))
    assert found and all(m.value is None and m.reason == "there are no rows" for m in found)
    assert taken(tmp_path) == 0
