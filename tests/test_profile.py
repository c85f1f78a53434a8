"""Parts are drawn alike whatever the order of a file, groups get columns, and what a page lists is what is there."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcbench.errors import ConfigError, DataError
from qdcbench.measures.rows import Rows
from qdcbench.measures.table import table_of
from qdcbench.profile.findings import Place, Pool, copies, hardest, lengths, nearest_pairs, pooled, projected, regions
from qdcbench.profile.measured import _embedded, take_profiles
from qdcbench.profile.page import page
from qdcbench.profile.parts import MOST_GROUPS, Part, Source, ends, printable, read_parts
from qdcbench.profile.request import Quiet, Request

QUIET = Quiet()


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def made(n: int, seed: int = 0, **more: object) -> list[dict[str, object]]:
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(60)]
    return [
        {"prompt": " ".join(rng.choices(words, k=rng.randint(3, 9))) + f" {i}", "completion": f"said {i % 7}", **more}
        for i in range(n)
    ]


def part(label: str, prompts: list[str], completions: list[str] | None = None) -> Part:
    source = Source(path=label, label=label, rows=len(prompts), skipped={}, mapping="", notes=())
    rows = Rows(prompts=tuple(prompts), completions=tuple(completions or ["c"] * len(prompts)))
    empty = Rows(prompts=(), completions=())
    return Part(
        label=label, source=source, group="", total=len(prompts), asked=len(prompts), rows=rows, spare=empty
    )  # fmt: skip


def pool(*parts: Part) -> Pool:
    places = [Place(p, i) for p, each in enumerate(parts) for i in range(len(each.rows))]
    vectors = np.concatenate([each.rows.embeddings("hashed") for each in parts])
    return Pool(parts=parts, places=tuple(places), vectors=vectors, encoder="hashed")


def test_a_shuffled_file_gives_the_same_rows(tmp_path: Path) -> None:
    rows = made(300) + [{"prompt": "same", "completion": "c", "gold": str(i)} for i in range(5)]
    first = write(tmp_path / "a.jsonl", rows)
    random.Random(1).shuffle(rows)
    second = write(tmp_path / "b.jsonl", rows)
    (one,) = read_parts(Request(files=(first,), sample=100, gold="gold"), QUIET)
    (other,) = read_parts(Request(files=(second,), sample=100, gold="gold"), QUIET)
    assert (one.rows.prompts, one.rows.completions) == (other.rows.prompts, other.rows.completions)
    assert one.rows.known == other.rows.known
    assert one.spare.prompts == other.spare.prompts
    assert len(one.rows) == 100
    assert not set(one.rows.prompts) & set(one.spare.prompts) - {"same"}
    (seeded,) = read_parts(Request(files=(first,), sample=100, seed=1), QUIET)
    assert seeded.rows.prompts != one.rows.prompts


def test_groups_are_columns_and_the_smallest_ones_share_one(tmp_path: Path) -> None:
    rows = [row for g in range(MOST_GROUPS + 4) for row in made(20 + g, g, meta={"kind": f"k{g:02}"})]
    rows += made(3)
    (whole, *groups) = read_parts(
        Request(files=(write(tmp_path / "a.jsonl", rows),), group_by="meta.kind", own_size=True), QUIET
    )
    assert whole.group == ""
    assert [g.group for g in groups] == [f"k{g:02}" for g in range(15, 3, -1)] + ["(other)"]
    assert sum(g.total for g in groups) == whole.total == len(rows)
    assert groups[-1].total == 20 + 21 + 22 + 23 + 3
    assert whole.rows.known.stratum is not None
    assert whole.rows.known.stratum.count(None) == 3
    assert "(no meta.kind)" in (whole.rows.known.generator or ())
    assert ends([whole, *groups]) == groups


def test_rows_without_the_field_are_a_group(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", made(30, kind="x") + made(10, 1))
    labels = [p.label for p in read_parts(Request(files=(file,), group_by="kind"), QUIET)]
    assert labels == ["a.jsonl", "kind=x", "kind=(no kind)"]
    alone = read_parts(Request(files=(write(tmp_path / "b.jsonl", made(30, kind="x")),), group_by="kind"), QUIET)
    assert [p.label for p in alone] == ["b.jsonl"]


def test_a_small_group_does_not_lower_the_others(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", made(400, kind="x") + made(250, 1, kind="y") + made(9, 2, kind="z"))
    profiles = take_profiles(
        Request(files=(file,), encoder="hashed", group_by="kind", measures=("distinct_1", "prompt_words")), QUIET
    )
    assert [len(p.part.rows) for p in profiles.each] == [250, 250, 250, 9]
    words, distinct = ({m.metric: m for m in p.measurements} for p in profiles.each[2:])
    assert words["distinct_1"].value is not None
    assert distinct["prompt_words"].value is not None
    assert distinct["distinct_1"].value is None
    assert "depends on their number" in distinct["distinct_1"].reason


def test_reference_rows_are_not_measured_where_there_are_others(tmp_path: Path) -> None:
    large = [write(tmp_path / f"{i}.jsonl", made(1500, i)) for i in range(2)]
    request = Request(files=tuple(large), encoder="hashed", sample=200, measures=("prompt_words",))
    profiles = take_profiles(request, QUIET)
    reference = profiles.around.reference
    assert reference is not None
    assert len(reference) == 2000
    assert not set(reference.prompts) & {text for p in profiles.each for text in p.part.rows.prompts}
    small = write(tmp_path / "small.jsonl", made(30, 7))
    mixed = take_profiles(Request(files=(large[0], small), encoder="hashed", measures=("prompt_words",)), QUIET)
    assert mixed.around.reference is not None
    assert len(mixed.around.reference) == 60
    assert any("all of them measured" in note and "novelsum" in note for note in mixed.notes)
    assert not any("nearest to itself" in note for note in profiles.notes)
    own = take_profiles(
        Request(files=(small,), encoder="hashed", reference=small, measures=("prompt_words",), sample=20), QUIET
    )
    assert any("careful: 20 prompts of the reference are measured too" in note for note in own.notes)


def majority_share(file: str, n: int) -> float | None:
    request = Request(files=(file,), encoder="hashed", sample=n, measures=("majority_share",))
    return take_profiles(request, QUIET).each[0].measurements[0].value


def test_the_share_of_majorities_does_not_depend_on_the_draw(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [
        {"prompt": f"p{i}", "completion": f"In way {j} the answer is {rng.choice('1123')}"}
        for i in range(300)
        for j in range(8)
    ]
    file = write(tmp_path / "a.jsonl", rows)
    whole = majority_share(file, 2400)
    assert whole is not None
    for n in (1200, 600, 300):
        # Three standard errors of n rows; with the votes of the draw alone 300 rows came to .9.
        assert majority_share(file, n) == pytest.approx(whole, abs=3 * (whole * (1 - whole) / n) ** 0.5)


def test_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    assert printable("\x1b[31mred\x07 and\tone\nline\x9b") == "\ufffd[31mred\ufffd and one line\ufffd"
    kinds = made(20, kind="\x1b[31mred\x07") + made(20, 1, kind="plain")
    parts = read_parts(Request(files=(write(tmp_path / "a.jsonl", kinds),), group_by="kind"), QUIET)
    assert sorted(part.label for part in parts) == ["a.jsonl", "kind=plain", "kind=\ufffd[31mred\ufffd"]


def test_cut_texts_are_counted_where_fewer_rows_are_embedded(tmp_path: Path) -> None:
    rows = made(50) + [{"prompt": f"{'word ' * 400}{i}", "completion": "c"} for i in range(50)]
    request = Request(files=(write(tmp_path / "a.jsonl", rows),))
    (whole,) = read_parts(request, QUIET)
    row = table_of(("minilm",))["vendi_q1[minilm]"]
    few = {row.name: replace(row, card=replace(row.card, at_most=60))}
    (note,) = _embedded(whole, few, request, QUIET).notes
    counted = re.fullmatch(r"(\d+) of 60 prompts, drawn of 100, are longer than minilm:256\S* reads", note)
    assert counted is not None
    assert 20 <= int(counted[1]) <= 40


def test_nearly_equal_texts_have_few_regions_and_a_page(tmp_path: Path) -> None:
    texts = [f"{'cats sleep ' * 3000} {i}" for i in range(300)]
    sums = [f"{'three plus seven ' * 3000} {i}" for i in range(300)]
    for name, prompts in (("one", texts), ("two", texts + sums)):
        file = write(tmp_path / f"{name}.jsonl", [{"prompt": text, "completion": "c"} for text in prompts])
        profiles = take_profiles(
            Request(files=(file,), encoder="hashed", measures=("unique_rows",), longest=100_000), QUIET
        )
        assert len(regions(pooled(profiles), profiles)) in ((0,) if name == "one" else (2, 3, 4))
        assert "Emptiest regions" in page(profiles)


def test_wrong_requests_are_one_sentence(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", made(5))
    with pytest.raises(ConfigError, match="given twice"):
        read_parts(Request(files=(file, file)), QUIET)
    with pytest.raises(ConfigError, match="names no measure"):
        take_profiles(Request(files=(file,), encoder="hashed", measures=("nothing*",)), QUIET)
    with pytest.raises(DataError, match="there is no file"):
        take_profiles(Request(files=(file,), encoder="hashed", base=str(tmp_path / "b.jsonl")), QUIET)


def test_a_model_scores_the_drawn_rows(tmp_path: Path) -> None:
    from tiny_models import save_model

    folder = str(save_model(tmp_path / "model"))
    file = write(tmp_path / "a.jsonl", made(25))
    request = Request(
        files=(file,), encoder="hashed", sample=20, measures=("perplexity", "ifd", "rated_*"),
        scorers={"model": folder, "rater": folder},
    )  # fmt: skip
    (profile,) = take_profiles(request, QUIET).each
    assert {m.metric for m in profile.measurements if m.value is not None} == {
        "perplexity", "ifd", "rated_quality", "rated_complexity"
    }  # fmt: skip
    assert any(note.startswith("likelihoods by") for note in profile.part.notes)
    found = hardest(pooled(take_profiles(request, QUIET)), 3)
    assert found[0].measure == "rated_complexity"


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), d=st.integers(2, 8))
def test_the_map_keeps_the_most_variance_of_all_planes(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, d)).astype(np.float32)
    points, shares = projected(vectors)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    assert np.allclose(np.sort((points**2).sum(axis=0))[::-1], singular[:2] ** 2, atol=1e-5)
    assert shares[0] == pytest.approx(singular[0] ** 2 / (singular**2).sum(), abs=1e-6)
    assert 1 + 1e-9 >= shares[0] >= shares[1] >= -1e-9
    again, _ = projected(vectors)
    assert np.array_equal(points, again)


def test_equal_rows_have_a_map() -> None:
    points, shares = projected(np.ones((5, 4), dtype=np.float32) / 2)
    assert np.array_equal(points, np.zeros((5, 2)))
    assert shares == (0.0, 0.0)


def test_nearest_pairs_are_those_of_a_plain_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdcbench.profile.findings._BLOCK", 7)
    texts = [str(row["prompt"]) for row in made(60, 3)] + ["w1 w2 w3 w4", "w1 w2 w3 w4 w5", "w1 w2 w3 w4"]
    found = nearest_pairs(pool(part("a", texts[:30]), part("b", texts[30:])), 5)
    vectors = pool(part("a", texts)).vectors
    ranked = sorted(
        ((float(vectors[i] @ vectors[j]), i, j) for i in range(63) for j in range(i) if texts[i] != texts[j]),
        reverse=True,
    )
    wanted, used = [], set[str]()
    for cosine, i, j in ranked:
        if not {texts[i], texts[j]} & used:
            used |= {texts[i], texts[j]}
            wanted.append((cosine, {texts[i], texts[j]}))
    assert len(found) == 5
    for pair, (cosine, both) in zip(found, wanted, strict=False):
        assert pair.cosine == pytest.approx(cosine, abs=1e-5)
        assert {texts[pair.first], texts[pair.second]} == both


def test_copies_are_counted_by_part() -> None:
    shown, number = copies([part("a", ["x", "x", "y"]), part("b", ["x", "z", "z"])], 1)
    assert number == 2
    assert [(c.prompt, c.counts) for c in shown] == [("x", (2, 1))]


def test_the_emptiest_region_is_the_one_a_part_lacks(tmp_path: Path) -> None:
    cats = [f"the cat number {i} sleeps on the warm red sofa" for i in range(60)]
    sums = [f"compute {i} plus {i + 3} times seven" for i in range(60)]
    one = write(tmp_path / "one.jsonl", [{"prompt": text, "completion": "c"} for text in cats + sums])
    two = write(tmp_path / "two.jsonl", [{"prompt": text, "completion": "c"} for text in cats + cats])
    profiles = take_profiles(Request(files=(one, two), encoder="hashed", measures=("prompt_words",)), QUIET)
    found_pool = pooled(profiles)
    found = regions(found_pool, profiles)
    assert sum(region.shares[0] for region in found) == pytest.approx(1)
    lacking = [region for region in found if region.shares[1] == 0 and region.shares[0] > 0]
    assert lacking
    assert sum(region.shares[0] for region in lacking) >= 0.4
    assert all("compute" in found_pool.prompt(i) for region in lacking for i in region.examples)
    assert regions(pool(part("a", ["x", "y"])), profiles) == []


def test_the_hardest_rows_of_each_part_come_first() -> None:
    found = hardest(pool(part("a", ["p"] * 3, ["One. Two. Three.", "One.", "One. Two."]), part("b", ["q"])), 2)
    assert found[0].measure == "steps:completion"
    assert [place for _, place in found[0].rows] == [Place(0, 0), Place(0, 2), Place(0, 1), Place(1, 0)]


def test_lengths_sum_to_one() -> None:
    found = lengths([part("a", ["one", "one two three", ""]), part("b", ["w " * 500])], "prompt")
    assert [float(shares.sum()) for shares in found.shares.values()] == [pytest.approx(1), pytest.approx(1)]
    assert found.medians == (pytest.approx(1), pytest.approx(500))
